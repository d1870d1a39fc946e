"""What the console shows of campaigns: their sizes, the listed users by expected gain, and the gain by size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import accumulate

import psycopg

from steps.warehouse.connection import statement, transaction
from steps.warehouse.records.campaigns import LISTED

ALL_USERS = 10_000_000


@dataclass(frozen=True)
class CampaignSummary:
    name: str
    as_of: date
    version: str
    run_id: str
    made_at: datetime


@dataclass(frozen=True)
class CampaignGains:
    listed: int
    control: int
    curve: Sequence[tuple[int, float]]
    """Number of users from the list's top -> their expected gain, at some places; the last is the whole list"""

    @property
    def expected(self) -> float:
        return self.curve[-1][1] if self.curve else 0.0


@dataclass(frozen=True)
class ListedUser:
    user_id: str
    probability: float
    expected_gain: float
    reasons: Sequence[str]
    """The strongest first; none where the version gave none"""


@dataclass(frozen=True)
class ListFilter:
    """least: of the probability. part: the beginning of the user_id. reason: the feature that is a user's strongest
    reason; '' for all."""

    least: float = 0.0
    part: str = ""
    reason: str = ""


def campaign_summaries() -> list[CampaignSummary]:
    """The newest 24, the newest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("campaign_summaries"))
            return [CampaignSummary(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # no campaign was made in this database


def campaign_gains(campaign: str) -> CampaignGains:
    with transaction() as cur:
        cur.execute(statement("campaign_gains"), {"campaign": campaign})
        rows = cur.fetchall()
    listed = [(int(users), float(gain)) for role, users, gain in rows if role == LISTED]
    control = sum(int(users) for role, users, _gain in rows if role != LISTED)
    curve = accumulate(listed, lambda before, step: (before[0] + step[0], before[1] + step[1]))
    return CampaignGains(sum(users for users, _gain in listed), control, list(curve))


def listed_users(campaign: str, chosen: ListFilter, offset: int = 0, limit: int = ALL_USERS) -> list[ListedUser]:
    """The largest expected gain first. Nobody of the control group is among them."""
    values = {"campaign": campaign, **vars(chosen), "offset": offset, "limit": limit}
    with transaction() as cur:
        cur.execute(statement("listed_users"), values)
        return [ListedUser(*row) for row in cur.fetchall()]


def strongest_reasons(campaign: str) -> list[str]:
    """The features that are some listed user's strongest reason, by name."""
    with transaction() as cur:
        cur.execute(statement("strongest_reasons"), {"campaign": campaign})
        return [feature for (feature,) in cur.fetchall()]
