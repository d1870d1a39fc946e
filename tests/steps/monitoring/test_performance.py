"""Realised quality alarms where it fell below the version's validation by more than a lucky validation explains."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from steps.monitoring.performance import SMALLEST_FALL, LabelledMonth, Users, realised
from steps.monitoring.rows import UNSEEN, Row
from steps.scoring.quality import Figure

MONTH = date(2024, 2, 29)


def auc(separation: float, validated: Figure | None) -> Row:
    """Of 2,000 users never trained on, whose scores are so many deviations apart."""
    chance = np.random.default_rng(7)
    left = np.arange(2000) < 500
    users = Users(1 / (1 + np.exp(-chance.normal(separation * left))), left)
    month = LabelledMonth(users, users, pa.array([str(number) for number in range(2000)]))
    [row] = [row for row in realised(MONTH, month, validated) if (row.metric, row.slice) == ("AUC", UNSEEN)]
    return row


@pytest.mark.parametrize(
    ("above", "verdict"),
    [(SMALLEST_FALL + 0.001, "alarm"), (SMALLEST_FALL - 0.001, "watch"), (0.001, "watch"), (-0.05, "ok")],
)
def test_an_alarm_takes_more_than_a_lucky_validation(above: float, verdict: str) -> None:
    high = auc(1.5, None).high
    assert high is not None
    low = high + above
    assert auc(1.5, Figure(low + 0.02, low, low + 0.04)).verdict == verdict


def test_below_the_lowest_auc_it_alarms_whatever_its_validation() -> None:
    assert auc(0.3, None).verdict == "alarm"
    assert auc(0.3, Figure(0.71, 0.69, 0.73)).verdict == "alarm"
