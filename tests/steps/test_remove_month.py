"""A removed month: everything that depends on it is listed, and nothing of it remains."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import mlflow
import pytest

from local_stack.settings import Settings
from steps import build_dataset, ingest, labels, materialize, remove_month, warehouse
from steps.cli.errors import NoSnapshot
from steps.features import lake
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.redis_online import needs_redis, redis_online, redis_server
from tests.steps.states.database import TABLES, execute, fetch, last_run
from tests.steps.states.killed import held, kill, start, wait_until_stuck
from tests.steps.states.months import february_files, write_month
from tests.steps.states.online import in_snapshot, served

__all__ = ["redis_online", "redis_server"]

SLIP = date(2042, 6, 30)
NOTHING = [None] * 14

Ingest = Callable[[Path, date], None]


def remove(as_of: date, apply: str = "true") -> None:
    remove_month.main(arguments("remove_month", {"as_of": str(as_of), "apply": apply}))


def put_online(as_of: date) -> None:
    materialize.main(["--as-of", str(as_of)])


def contents() -> dict[str, list[object]]:
    tables = (*TABLES, "labels_superseded", "label_files", "lake_files", "churn_scores", "usage_agg_30d_superseded")
    # as text: users.as_of may be -infinity, which Python's datetime cannot hold
    return {table: [*fetch(f"SELECT {table}::text FROM {table} ORDER BY 1")] for table in tables}  # noqa: S608


@pytest.fixture
def january_online(january: Path) -> Path:
    put_online(JANUARY)
    return january


@pytest.fixture
def slipped(january_online: Path, tmp_path: Path) -> Path:
    """February's files were loaded as of 2042 and put online, corrected, labelled and scored."""
    folder = write_month(tmp_path / "month_001", february_files())
    values = {"month_dir": str(folder), "as_of": str(SLIP), "confirm_date": "true"}
    ingest.main(arguments("ingest", values))
    put_online(SLIP)
    scored = "'anna', '2042-06-30', 0.5, 1, '7', now()"
    execute(f"INSERT INTO churn_scores VALUES ({scored})")  # noqa: S608
    return folder


def test_without_apply_everything_is_listed_and_nothing_changed(
    slipped: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    build_dataset.main(arguments("build_dataset", {"as_of": str(SLIP)}))
    dataset_run = last_run("build_dataset", tracking).info.run_id
    before = contents()
    capsys.readouterr()
    remove(SLIP, "false")
    out = capsys.readouterr().out
    for line in (
        "usage_agg_30d_snapshots: 3",
        "labels: 3",
        "users of this month only: 1",
        "scores by version 7: 1 users",
        "files in the lake: 4",
        "online: yes",
        f"dataset runs: 1 ({dataset_run})",
        "trainings: 0",
        "registered versions trained on it: none",
        "decisions about it, which stay: 0",
        "[OK] Nothing was changed. To remove the month",
        "mlflow run . -e remove_month -P as_of=2042-06-30 -P apply=true",
    ):
        assert line in out
    assert contents() == before
    depends = mlflow.artifacts.load_dict(f"runs:/{last_run('remove_month', tracking).info.run_id}/depends.json")
    assert (depends["rows"]["labels"], depends["online"]) == (3, True)


def test_a_removed_slip_leaves_no_trace_and_the_month_before_goes_online(
    january_online: Path, tmp_path: Path, february_folder: Path, ingest: Ingest, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents()
    folder = write_month(tmp_path / "slip", february_files())
    values = {"month_dir": str(folder), "as_of": str(SLIP), "confirm_date": "true"}
    ingest_step(values)
    put_online(SLIP)
    remove(SLIP)
    assert "Removed 2042-06-30. Loaded are: 2024-01-31; 2024-01-31 is online." in capsys.readouterr().out
    after = contents()
    attributes = before.pop("users"), after.pop("users")
    assert after == before
    assert len(attributes[0]) == len(attributes[1]) == 3
    assert lake.files_of_month(SLIP) == []
    lake.require_month(JANUARY)
    everybody = in_snapshot(JANUARY)
    assert served([*everybody, "dora"]) == {**everybody, "dora": NOTHING}
    ingest(february_folder, FEBRUARY)
    put_online(FEBRUARY)
    assert served(["dora"]) == {"dora": in_snapshot(FEBRUARY)["dora"]}


def ingest_step(values: dict[str, str]) -> None:
    ingest.main(arguments("ingest", values))


def test_attributes_that_came_from_the_removed_month_are_corrected_by_the_next_load(
    slipped: Path, january_online: Path, ingest: Ingest
) -> None:
    changed = "SELECT has_dependents FROM users WHERE user_id = 'anna'"
    assert fetch(changed) == [(True,)]
    remove(SLIP)
    ingest(january_online, JANUARY)
    assert fetch(changed) == [(False,)]


def test_superseded_values_and_late_labels_go_with_their_month(
    january_online: Path, february_folder: Path, ingest: Ingest, tmp_path: Path
) -> None:
    ingest(february_folder, FEBRUARY)
    before = {**contents(), "users": []}
    (tmp_path / "late.csv").write_text("user_id,churn_label\nanna,False\n")
    late = {"labels_file": str(tmp_path / "late.csv"), "as_of": str(FEBRUARY), "known_at": "2024-05-01"}
    remove(FEBRUARY)
    without = {**contents(), "users": []}
    ingest(february_folder, FEBRUARY)
    labels.main(arguments("labels", late))
    remove(FEBRUARY)
    assert {**contents(), "users": []} == without
    assert before["labels"] != without["labels"]


def test_the_only_month_leaves_nothing_online(january_online: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove(JANUARY)
    assert "No month is loaded; nothing is online." in capsys.readouterr().out
    assert served(["anna"]) == {"anna": NOTHING}
    assert {table: rows for table, rows in contents().items() if rows} == {}
    with pytest.raises(NoSnapshot, match="No month is loaded"):
        remove(JANUARY)


def test_a_month_that_is_not_online_leaves_what_is(january_online: Path, february_folder: Path, ingest: Ingest) -> None:
    ingest(february_folder, FEBRUARY)
    put_online(FEBRUARY)
    remove(JANUARY)
    everybody = in_snapshot(FEBRUARY)
    assert served(list(everybody)) == everybody
    assert warehouse.loaded_months() == [FEBRUARY]


def test_a_removal_that_is_killed_is_finished_by_the_next(slipped: Path, server: Settings) -> None:
    options = arguments("remove_month", {"as_of": str(SLIP), "apply": "true"})
    with held("LOCK TABLE churn_scores IN SHARE MODE"):
        process = start(server, "steps.remove_month", *options)
        try:
            wait_until_stuck(process)
        finally:
            kill(process)
    assert warehouse.loaded_months() == [JANUARY, SLIP], "all of its rows or none"
    remove(SLIP)
    assert warehouse.loaded_months() == [JANUARY]
    assert lake.files_of_month(SLIP) == []
    assert served(["anna"]) == {"anna": in_snapshot(JANUARY)["anna"]}


def test_files_and_values_that_a_killed_removal_left_are_removed_though_the_month_is_gone(slipped: Path) -> None:
    warehouse.remove_month(SLIP)
    assert len(lake.files_of_month(SLIP)) == 4
    remove(SLIP)
    assert lake.files_of_month(SLIP) == []
    assert served(["dora"]) == {"dora": NOTHING}


@needs_redis
@pytest.mark.usefixtures("redis_online")
def test_in_redis_too_the_month_before_takes_its_place_and_then_nothing_is_online(
    january: Path, february_folder: Path, ingest: Ingest
) -> None:
    ingest(february_folder, FEBRUARY)
    put_online(JANUARY)
    put_online(FEBRUARY)
    remove(FEBRUARY)
    everybody = in_snapshot(JANUARY)
    assert served(list(everybody)) == everybody
    remove(JANUARY)
    assert served(["anna"]) == {"anna": NOTHING}
