"""The features' mean contributions of two months."""

import numpy as np
import pytest

from steps.monitoring.contributions import CHANGE, CONTRIBUTION, compare
from steps.registry.explained import Explained


def explained(*columns: list[float]) -> Explained:
    contributions = np.array(columns).T
    names = ["months_active", "monthly_fee", "skips_7d"][: len(columns)]
    return Explained(names, "log_odds", -1.0, contributions.sum(axis=1) - 1.0, contributions)


NOW = explained([1.0, -1.0, 2.0, -2.0], [0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0])


def test_sizes_are_means_of_absolute_contributions_the_largest_first() -> None:
    rows = compare(None, NOW, "")
    assert [(row.metric, row.slice, row.n, row.estimate) for row in rows] == [
        (CONTRIBUTION, "months_active", 4, 1.5),
        (CONTRIBUTION, "monthly_fee", 4, 0.5),
        (CONTRIBUTION, "skips_7d", 4, 0.0),
    ]
    assert {row.reference for row in rows} == {"log_odds"}
    assert rows[0].low == pytest.approx(1.5 - 1.96 * 0.25)


def test_equal_months_have_not_changed() -> None:
    changes = [row for row in compare(NOW, NOW, "month before, 2024-01-31") if row.metric == CHANGE]
    assert [(row.estimate, row.verdict) for row in changes] == [(0.0, "ok")] * 3


def test_a_feature_that_takes_over_is_watched() -> None:
    before = explained([1.0, -1.0, 2.0, -2.0], [1.5, -1.5, 1.5, -1.5], [0.0, 0.0, 0.0, 0.0])
    rows = {row.slice: row for row in compare(before, NOW, "month before") if row.metric == CHANGE}
    assert rows["monthly_fee"].estimate == -1.0
    assert rows["months_active"].reason == (
        "months_active makes 75% of the contributions to the scores, after 50% in the month before"
    )
    assert [rows[name].verdict for name in ("months_active", "monthly_fee", "skips_7d")] == ["watch", "watch", "ok"]


def test_a_version_without_reasons_has_no_figures() -> None:
    assert compare(NOW, None, "month before") == []
