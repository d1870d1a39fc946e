"""A month's folder is checked before anything of it is loaded: its files, late labels, and the rules across months."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from local_stack.settings import Settings
from steps import check_month, warehouse
from steps.cli.errors import FaultyMonth, StoppedByRule
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import contents, last_run
from tests.steps.states.months import february_files, write_month


def check(folder: Path, as_of: date = FEBRUARY, **options: str) -> None:
    check_month.main(arguments("check_month", {"month_dir": str(folder), "as_of": str(as_of), **options}))


@pytest.fixture
def february(january_loaded: Settings, sample_months: Path, tmp_path: Path) -> Path:
    """A copy of a made-up February, to change; January is loaded."""
    return Path(shutil.copytree(sample_months / "month_001", tmp_path / "month_001"))


def change(file: Path, column: str, value: str) -> None:
    rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    rows[column] = value
    rows.to_csv(file, index=False)


def test_a_calm_month_passes_and_nothing_is_loaded(february: Path, tracking: str) -> None:
    before = contents()
    check(february)
    assert contents() == before
    assert "the files are right" in last_run("check_month", tracking).data.tags["mlflow.note.content"]
    assert warehouse.decisions(MODEL_NAME) == []


def test_a_column_of_zeros_stops_the_month_and_says_how_to_go_on(february: Path, tracking: str) -> None:
    change(february / "support_agg_90d.csv", "support_tickets_90d", "0")
    before = contents()
    with pytest.raises(StoppedByRule, match=r"support_tickets_90d is 0 for each of 300 users; .*\[one_value\]") as stop:
        check(february)
    assert f"Look at {february / 'support_agg_90d.csv'}. " in str(stop.value)
    assert "add -P accept=one_value. The month that is online goes on being served" in str(stop.value)
    assert contents() == before
    [made] = warehouse.decisions(MODEL_NAME, FEBRUARY)
    assert (made.kind, made.decided_by, made.reason) == ("stop", "rule: one_value", str(stop.value))
    assert made.figures == {"one_value support_tickets_90d": 1.0}


def test_it_stops_again_but_is_decided_once(february: Path) -> None:
    change(february / "support_agg_90d.csv", "support_tickets_90d", "0")
    for _time in range(2):
        with pytest.raises(StoppedByRule):
            check(february)
    assert len(warehouse.decisions(MODEL_NAME, FEBRUARY)) == 1


def test_a_rule_is_accepted_by_name_and_no_other_rule_with_it(february: Path) -> None:
    change(february / "support_agg_90d.csv", "support_tickets_90d", "0")
    check(february, accept="one_value")
    [accepted] = warehouse.decisions(MODEL_NAME, FEBRUARY)
    assert (accepted.kind, accepted.outcome) == ("accept", "accepted")
    assert accepted.decided_by
    change(february / "subscriptions.csv", "months_active", "3")
    with pytest.raises(StoppedByRule, match=r"months_active .*add -P accept=not_advanced,one_value\."):
        check(february, accept="one_value")


def test_an_unknown_rule_is_named_with_the_allowed_ones(february: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check(february, accept="zeros")
    error = capsys.readouterr().err
    assert "no such rule as 'zeros'. Allowed are: frozen, not_advanced, one_value, missing, users, users_gone" in error


def test_late_labels_of_an_earlier_month_are_checked(january: Path, tmp_path: Path) -> None:
    folder = write_month(tmp_path / "february", february_files())
    (folder / "labels_2024-01-31.csv").write_text("user_id,churn_label\nanna,False\n")
    check(folder)
    (folder / "labels_2024-01-31.csv").write_text("user_id,churn_label\nnobody,False\n")
    with pytest.raises(FaultyMonth, match=r"labels_2024-01-31.csv, line 2.*is not a user of 2024-01-31"):
        check(folder)


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2023-12-31", "must name a loaded month before 2024-02-29; loaded are: 2024-01-31"),
        ("2024-02-29", "Labels of the month itself belong in labels.csv"),
        ("January", "must name a loaded month"),
    ],
)
def test_late_labels_of_another_day_are_an_error(january: Path, tmp_path: Path, day: str, reason: str) -> None:
    folder = write_month(tmp_path / "february", february_files())
    (folder / f"labels_{day}.csv").write_text("user_id,churn_label\nanna,False\n")
    with pytest.raises(FaultyMonth, match=f"labels_{day}.csv .*{reason}.*Nothing was loaded"):
        check(folder)


def test_the_first_month_is_compared_with_nothing(empty_warehouse: Settings, tracking: str, tmp_path: Path) -> None:
    check(write_month(tmp_path / "month"), JANUARY)
    assert "no month before to compare with" in last_run("check_month", tracking).data.tags["mlflow.note.content"]


def test_real_customers_after_made_up_ones_are_left_to_ingest(
    january_loaded: Settings, tmp_path: Path, ingest: Callable[[Path, date], None]
) -> None:
    check(write_month(tmp_path / "month", february_files()))
