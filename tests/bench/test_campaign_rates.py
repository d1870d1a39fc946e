"""The simulation behind docs/call-list-rates.md, smaller; and the bar on the real January."""

from typing import Any

import pandas as pd
import pytest

from bench.campaign_rates.campaigns import Setting, campaigns
from bench.campaign_rates.orders import comparisons, out_of_fold
from bench.monitor_rates.months import PLANS, calm_months
from steps.cli.settings import LABEL
from tests.conftest import REAL_DATA, needs_real_data


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_the_interval_covers_the_true_effect_of_95_in_100_campaigns(rate: float) -> None:
    played = list(campaigns(Setting(7_043, 700, 0.1, rate), 500))
    assert 0.93 <= sum(result.covered for result in played) / len(played) <= 0.97
    assert sum(result.estimate is None for result in played) == 0


def test_a_campaign_is_the_same_again() -> None:
    setting = Setting(2_000, 200, 0.2, 0.1)
    assert list(campaigns(setting, 3)) == list(campaigns(setting, 3))


def test_too_few_users_to_compare_are_an_error() -> None:
    measured = out_of_fold(made_up(300))
    short = type(measured)(measured.probability[:40], measured.monthly_fee[:40], measured.left[:40])
    with pytest.raises(ValueError, match="too few users: 40"):
        comparisons(short)


def made_up(users: int) -> pd.DataFrame:
    return next(calm_months(5, 1, users))


@needs_real_data
def test_the_list_is_worth_more_than_the_users_most_likely_to_leave_on_the_real_january() -> None:
    """All 7,043 users, each scored by a model that did not train on the user; at every length in 95% of the resamples
    or more."""
    compared = comparisons(out_of_fold(real_january()))
    assert {row.share: row.wins >= 0.95 for row in compared} == dict.fromkeys((0.05, 0.1, 0.2, 0.3), True)
    assert all(row.by_gain > row.by_probability for row in compared)


def real_january() -> pd.DataFrame:
    files = [read(name) for name in ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")]
    rows = files[0]
    for file in files[1:]:
        rows = rows.merge(file, on="user_id", validate="one_to_one")
    plans: dict[str, Any] = {name: rows[name].eq("True") for name in PLANS}  # empty is False
    booleans = {name: rows[name].eq("True") for name in ("paperless_billing", LABEL)}
    return rows.assign(**plans, **booleans).sort_values("user_id", ignore_index=True)


def read(name: str) -> pd.DataFrame:
    flags: Any = dict.fromkeys((*PLANS, "paperless_billing", LABEL), "str")
    return pd.read_csv(REAL_DATA / "month_000" / f"{name}.csv", dtype=flags)
