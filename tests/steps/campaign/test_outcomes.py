"""Rows of the monitor about campaigns, and a whole campaign from `score` to `monitor`."""

from datetime import date
from pathlib import Path

import mlflow
import pytest

from steps import ingest, monitor, score, warehouse
from steps.campaign.outcomes import EFFECT, SHARE, lines, rows
from steps.runs.entry_points import arguments
from steps.warehouse.records.campaigns import CONTROL, LISTED, Outcome
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import fetch, last_run
from tests.steps.states.scores import load_january
from tests.steps.test_score import registered

__all__ = ["registered"]


def outcome(role: str, users: int, left: int, gone: int = 0, unlabelled: int = 0, *, in_time: bool = True) -> Outcome:
    counts = {"users": users, "left": left, "gone": gone, "unlabelled": unlabelled}
    return Outcome("spring", JANUARY, "3", FEBRUARY, in_time, role, **counts)


def test_the_effect_is_the_difference_of_the_groups() -> None:
    listed, control, effect = rows([outcome(CONTROL, 100, 30), outcome(LISTED, 900, 180)])
    assert [row.metric for row in (listed, control, effect)] == [SHARE, SHARE, EFFECT]
    assert (listed.slice, listed.n, listed.estimate) == ("spring, listed", 900, 0.2)
    assert (control.slice, control.n, control.estimate) == ("spring, control", 100, 0.3)
    assert (effect.slice, effect.n, effect.month, effect.verdict) == ("spring", 1000, FEBRUARY, "none")
    assert effect.estimate == pytest.approx(-0.1)
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < -0.1 < effect.high
    assert "20.0% of 900 listed users left, 30.0% of 100 of the control group; difference -10.0%" in effect.reason
    assert lines([listed, control, effect]) == [f"  {effect.reason}"]


def test_users_who_are_gone_have_left_and_those_without_a_label_do_not_count() -> None:
    listed, control, effect = rows([outcome(CONTROL, 40, 5, 5, 0), outcome(LISTED, 120, 10, 10, 20)])
    assert (listed.n, listed.estimate, control.n, control.estimate) == (100, 0.2, 40, 0.25)
    assert effect.n == 140
    assert listed.reason == "10 left by the labels, 10 are no longer users; 20 without a label are not counted"


def test_too_few_users_have_no_effect_and_the_row_says_so() -> None:
    effect = rows([outcome(CONTROL, 9, 3), outcome(LISTED, 900, 180)])[-1]
    assert effect.estimate is None
    assert "no effect measured on 900 listed users and 9 of the control group; it takes 10 in each" in effect.reason
    assert "0 of the control group" in rows([outcome(LISTED, 900, 180)])[-1].reason


def test_a_list_that_came_after_the_outcome_had_no_effect() -> None:
    late = [outcome(CONTROL, 100, 30, in_time=False), outcome(LISTED, 900, 180, in_time=False)]
    effect = rows(late)[-1]
    assert (effect.estimate, effect.low) == (None, None)
    assert "made after that month was loaded" in effect.reason


def test_the_monitor_measures_a_campaign_by_the_next_months_labels(
    registered: dict[str, str], sample_months: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load_january(sample_months)
    terms = {"as_of": str(JANUARY), "top": "150", "control_share": "0.3", "contact_cost": "0.1", "campaign": "spring"}
    score.main(arguments("score", terms))
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_001"), "as_of": str(FEBRUARY)}))
    monitor.main(arguments("monitor", {"as_of": str(FEBRUARY)}))

    version = registered["hist_gradient_boosting"]
    [effect] = [row for row in warehouse.monitored(FEBRUARY, version) if row["metric"] == EFFECT]
    share = {role: left(role, FEBRUARY) for role in (LISTED, CONTROL)}
    assert effect["estimate"] == pytest.approx(share[LISTED] - share[CONTROL])
    assert effect["low"] < effect["estimate"] < effect["high"]
    done = last_run("monitor", tracking)
    assert done.data.metrics["campaign_effect_spring"] == effect["estimate"]
    assert "campaign spring of 2024-01-31" in capsys.readouterr().out
    page = mlflow.artifacts.load_text(f"runs:/{done.info.run_id}/report.html")
    assert "Campaigns: who left" in page


def left(role: str, month: date) -> float:
    """The share who left of a group, from the table and the labels themselves."""
    query = (
        "SELECT coalesce(churn_label, true) FROM campaigns LEFT JOIN labels "
        "ON labels.user_id = campaigns.user_id AND period_start = %s WHERE campaign = 'spring' AND role = %s"
    )
    labels: list[bool] = [label for (label,) in fetch(query, (month, role))]
    return sum(labels) / len(labels)
