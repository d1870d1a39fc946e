"""Runs of processes that were killed with SIGKILL are closed by the next step; live ones never are."""

import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import history, warehouse
from steps.runs import dead_runs, tracking
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY
from tests.steps.states.killed import held, kill, start, wait_until_stuck

Ingest = Callable[..., None]
MINUTE_MS = 60_000


def running(experiment: str) -> list[Run]:
    return list(MlflowClient().search_runs([experiment], filter_string="attributes.status = 'RUNNING'"))


def steps_of(runs: list[Run]) -> list[str]:
    return sorted(run.data.tags["streamflow.step"] for run in runs)


@pytest.fixture(autouse=True)
def nothing_runs(tracking: str) -> None:
    for run in running(tracking):
        MlflowClient().set_terminated(run.info.run_id, "KILLED")


def stuck_arguments(step: str, folder: Path) -> list[str]:
    return [f"steps.{step}", *arguments(step, {"month_dir": str(folder), "as_of": str(FEBRUARY)})]


@pytest.mark.usefixtures("january")
@pytest.mark.parametrize("step", ["ingest", "main"])
def test_the_next_run_closes_what_a_kill_left_running_and_says_so(
    february_folder: Path, server: Settings, tracking: str, ingest: Ingest, step: str
) -> None:
    with held("LOCK TABLE users IN SHARE MODE"):
        process = start(server, *stuck_arguments(step, february_folder))
        try:
            wait_until_stuck(process)
        finally:
            kill(process)
    dead = running(tracking)
    assert steps_of(dead) == sorted({"ingest", step})
    ingest(february_folder, FEBRUARY)
    assert running(tracking) == []
    for run in (MlflowClient().get_run(run.info.run_id) for run in dead):
        assert run.info.status == "FAILED"
        assert run.info.end_time
        assert run.data.tags["mlflow.note.content"].startswith("[FAILED] Its process ended unexpectedly (killed")


def test_a_live_run_of_the_same_step_is_left_alone(
    january: Path, february_folder: Path, server: Settings, tracking: str, ingest: Ingest
) -> None:
    with held("LOCK TABLE users IN SHARE MODE"):
        process = start(server, *stuck_arguments("ingest", february_folder))
        try:
            wait_until_stuck(process)
            history.main(["--last", "1"])
            assert steps_of(running(tracking)) == ["ingest"]
        except BaseException:
            kill(process)
            raise
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert running(tracking) == []
    ended = MlflowClient().search_runs([tracking], "tags.`streamflow.step` = 'ingest'", max_results=1)
    assert ended[0].info.status == "FINISHED"


def made_by_mlflow_run(experiment: str, minutes_ago: int, entry_point: str = "train") -> str:
    """A run whose step has not started."""
    began = int(time.time() * 1000) - minutes_ago * MINUTE_MS
    tags = {"mlflow.project.entryPoint": entry_point}
    return str(MlflowClient().create_run(experiment, start_time=began, tags=tags).info.run_id)


@pytest.mark.parametrize(
    ("minutes_ago", "entry_point", "status"),
    [(6, "train", "FAILED"), (1, "train", "RUNNING"), (6, "somebody_elses", "RUNNING")],
)
def test_a_run_whose_step_never_started_is_closed_after_some_minutes(
    empty_warehouse: Settings, tracking: str, minutes_ago: int, entry_point: str, status: str
) -> None:
    run_id = made_by_mlflow_run(tracking, minutes_ago, entry_point)
    history.main(["--last", "1"])
    assert MlflowClient().get_run(run_id).info.status == status


def test_a_child_run_whose_process_was_killed_before_the_lock_is_closed(
    empty_warehouse: Settings, tracking: str
) -> None:
    began = int(time.time() * 1000) - 6 * MINUTE_MS
    run_id = MlflowClient().create_run(tracking, start_time=began, tags={"streamflow.step": "trial"}).info.run_id
    history.main(["--last", "1"])
    assert MlflowClient().get_run(run_id).info.status == "FAILED"


def test_a_step_that_starts_after_its_run_was_closed_opens_it_again(
    empty_warehouse: Settings, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = made_by_mlflow_run(tracking, 6, "history")
    history.main(["--last", "1"])
    assert MlflowClient().get_run(run_id).info.status == "FAILED"
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    history.main(["--last", "1"])
    run = MlflowClient().get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.note.content"].startswith("[OK]")


def test_a_lock_that_is_kept_elsewhere_says_nothing_for_a_day(empty_warehouse: Settings, tracking: str) -> None:
    tags = {dead_runs.HELD_TAG: "another server/streamflow"}
    now = int(time.time() * 1000)
    young, old = (
        MlflowClient().create_run(tracking, start_time=now - hours * 60 * MINUTE_MS, tags=tags).info.run_id
        for hours in (23, 25)
    )
    history.main(["--last", "1"])
    assert [MlflowClient().get_run(run_id).info.status for run_id in (young, old)] == ["RUNNING", "FAILED"]


def test_a_run_that_ends_well_while_it_is_looked_at_stays_finished(
    empty_warehouse: Settings, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking_run("ingest"):
        run_id = mlflow.active_run().info.run_id
        seen = MlflowClient().get_run(run_id)
    monkeypatch.setattr(dead_runs, "_running", lambda: [seen])
    assert seen.info.status == "RUNNING"
    assert dead_runs.close_dead("own") == []
    assert MlflowClient().get_run(run_id).info.status == "FINISHED"


def tracking_run(step: str) -> "mlflow.ActiveRun":
    return tracking.step_run(step, step, {})


def test_a_lock_is_held_once_and_free_after_its_holder(server: Settings) -> None:
    run_id = "f" * 32
    with warehouse.run_held(run_id), warehouse.run_if_free(run_id) as place:
        assert place is None
    with warehouse.run_held(run_id) as kept, warehouse.run_if_free("e" * 32) as other:
        assert kept == other
    with warehouse.run_if_free(run_id) as place:
        assert place is not None
