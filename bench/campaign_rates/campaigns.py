"""Simulated campaigns, whose true effect is known: users are listed and kept apart by the project's own code, then
leave or stay. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from steps.campaign.effect import Group, effect
from steps.campaign.selection import Selection, control_draw, select
from steps.campaign.terms import Numbers, Terms
from steps.month.population import user_ids

SEED = 42
A_LEAVING, B_LEAVING = 1.0, 2.8  # of a beta distribution: 26.3% leave, as in the real January


@dataclass(frozen=True)
class Setting:
    """response_rate: how many of the listed users who would leave a contact really keeps."""

    users: int
    top: int
    control_share: float
    response_rate: float

    def terms(self, campaign: str) -> Terms:
        return Terms(campaign, self.top, None, self.response_rate or 0.1, 12, 5.0, self.control_share)


SETTINGS = tuple(
    Setting(users, top, share, rate)
    for users, top, share in ((7_043, 700, 0.1), (7_043, 2_000, 0.2), (20_000, 8_000, 0.2))
    for rate in (0.0, 0.1, 0.3)
)


@dataclass(frozen=True)
class Result:
    """measured: None with too few users in a group."""

    truth: float
    estimate: float | None
    low: float
    high: float

    @property
    def covered(self) -> bool:
        return self.low <= self.truth <= self.high


def campaigns(setting: Setting, number: int) -> Iterator[Result]:
    """Each has users, probabilities, fees, a draw of the control group and outcomes of its own."""
    for campaign in range(number):
        chance = np.random.default_rng([SEED, *(round(1000 * value) for value in vars(setting).values()), campaign])
        yield _play(setting, f"campaign {campaign}", chance)


def _play(setting: Setting, name: str, chance: np.random.Generator) -> Result:
    probability = chance.beta(A_LEAVING, B_LEAVING, setting.users)
    fee = chance.uniform(18.25, 118.75, setting.users)
    chosen = _select(setting.terms(name), probability, fee, int(chance.integers(2**31)))
    leave = chance.random(setting.users) < probability
    kept = chance.random(setting.users) < setting.response_rate
    listed, control = chosen.listed, chosen.control
    groups = (
        Group(len(listed), int((leave[listed] & ~kept[listed]).sum())),
        Group(len(control), int(leave[control].sum())),
    )
    # of the listed users: what the contact changed in each one's probability
    truth = -setting.response_rate * float(probability[np.concatenate([listed, control])].mean())
    figure = effect(*groups)
    return Result(truth, figure.value, figure.low, figure.high) if figure else Result(truth, None, 0.0, 0.0)


def _select(terms: Terms, probability: Numbers, fee: Numbers, seed: int) -> Selection:
    ids = pa.chunked_array([user_ids(seed, 0, 0, np.arange(len(probability)))])
    gains = terms.expected_gain(probability, fee)
    return select(ids, gains, terms.contacts, control_draw(terms.campaign, terms.control_share))
