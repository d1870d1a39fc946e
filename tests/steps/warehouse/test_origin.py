"""A month's origin: made-up and real months are loaded together only with mix=true."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from local_stack.settings import Settings
from steps import ingest as step
from steps.cli.errors import MixedOrigins
from steps.month.digest import FILE_NAMES, origin_of
from steps.runs import entry_points
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import contents, execute, fetch
from tests.steps.states.months import FILES, write_month

Ingest = Callable[[Path, date], None]


def origins() -> dict[date, str]:
    return {moment.date(): origin for moment, origin in fetch("SELECT as_of, origin FROM months")}


@pytest.fixture
def made_up(sample_months: Path, tmp_path: Path) -> Path:
    """A copy of a made-up January, to change."""
    return Path(shutil.copytree(sample_months / "month_000", tmp_path / "made_up"))


def test_a_month_of_sample_months_is_made_up_and_files_of_ones_own_are_not(sample_months: Path, tmp_path: Path) -> None:
    assert [origin_of(sample_months / f"month_{month:03d}") for month in range(3)] == ["sample"] * 3
    assert origin_of(write_month(tmp_path)) == "files"


def test_one_edited_file_leaves_a_month_made_up(made_up: Path) -> None:
    (made_up / "labels.csv").write_text("user_id,churn_label\n")
    assert origin_of(made_up) == "sample"


def test_own_files_copied_over_a_made_up_month_are_no_longer_made_up(made_up: Path) -> None:
    assert origin_of(write_month(made_up)) == "files"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"users.csv": null}}', "\x00"])
def test_a_marker_that_is_none_makes_no_month_made_up(made_up: Path, text: str) -> None:
    (made_up / "sample.json").write_text(text)
    assert origin_of(made_up) == "files"


def test_the_warehouse_knows_where_each_month_came_from(
    empty_warehouse: Settings, sample_months: Path, ingest: Ingest, tmp_path: Path
) -> None:
    ingest(sample_months / "month_000", JANUARY)
    values = {"month_dir": str(write_month(tmp_path)), "as_of": str(FEBRUARY), "mix": "true"}
    step.main(entry_points.arguments("ingest", values))
    assert origins() == {JANUARY: "sample", FEBRUARY: "files"}


@pytest.mark.parametrize("as_of", [JANUARY, FEBRUARY])
def test_a_made_up_month_is_refused_where_a_real_one_is_loaded(
    january: Path, sample_months: Path, ingest: Ingest, as_of: date
) -> None:
    before = contents()
    with pytest.raises(
        MixedOrigins, match=r"made up .* real \(from files\): 2024-01-31\. Nothing was changed.*mix=true"
    ):
        ingest(sample_months / "month_000", as_of)
    assert contents() == before
    assert origins() == {JANUARY: "files"}


def test_a_real_month_is_refused_where_a_made_up_one_is_loaded(
    january_loaded: Settings, ingest: Ingest, tmp_path: Path
) -> None:
    before = contents()
    with pytest.raises(MixedOrigins, match=r"made up \(from sample_months\): 2024-01-31"):
        ingest(write_month(tmp_path), FEBRUARY)
    assert contents() == before


def test_mixing_is_a_parameter_of_ingest_and_of_main(january: Path, sample_months: Path) -> None:
    values = {"month_dir": str(sample_months / "month_001"), "as_of": str(FEBRUARY), "mix": "true"}
    step.main(entry_points.arguments("ingest", values))
    assert origins() == {JANUARY: "files", FEBRUARY: "sample"}
    assert "--mix=true" in entry_points.arguments("main", values)
    assert "--mix=false" in entry_points.arguments("main", {})


def test_made_up_users_may_follow_made_up_users_without_their_marker(
    january_loaded: Settings, sample_months: Path, ingest: Ingest, tmp_path: Path
) -> None:
    for name in FILE_NAMES:
        shutil.copy(sample_months / "month_001" / f"{name}.csv", tmp_path)
    ingest(tmp_path, FEBRUARY)
    assert origins() == {JANUARY: "sample", FEBRUARY: "files"}
    ingest(sample_months / "month_002", date(2024, 3, 31))


def test_months_of_a_warehouse_from_before_count_as_real(
    january_loaded: Settings, ingest: Ingest, tmp_path: Path
) -> None:
    execute("ALTER TABLE months DROP COLUMN origin; DROP TABLE schema_migrations")
    ingest(write_month(tmp_path, {**FILES}), FEBRUARY)
    assert origins() == {JANUARY: "files", FEBRUARY: "files"}


def test_the_same_files_with_another_origin_are_recorded_so(
    january_loaded: Settings, sample_months: Path, ingest: Ingest
) -> None:
    execute("UPDATE months SET origin = 'files'")
    ingest(sample_months / "month_000", JANUARY)  # the same people: what was loaded before there were origins
    assert origins() == {JANUARY: "sample"}
