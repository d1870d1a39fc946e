"""Each step's success is a row that nobody can change; a step does not fail because its success cannot be recorded."""

import psycopg.errors
import pytest
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import history, warehouse
from steps.cli.errors import DatabaseUnavailable, StepError
from steps.runs import tracking
from tests.sql import execute, fetch

SUCCESSES = "SELECT step FROM step_successes ORDER BY id"


def test_a_step_that_ends_without_an_error_is_recorded(january_loaded: Settings) -> None:
    history.main(["--last", "1"])
    assert fetch(SUCCESSES) == [("ingest",), ("history",)]


def test_a_step_that_fails_is_not(january_loaded: Settings) -> None:
    with pytest.raises(StepError), tracking.step_run("train", "a name", {}):
        raise StepError("no data")
    assert fetch(SUCCESSES) == [("ingest",)]


@pytest.mark.parametrize("statement", ["UPDATE step_successes SET step = 'x'", "DELETE FROM step_successes"])
def test_a_recorded_success_cannot_be_changed(january_loaded: Settings, statement: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        execute(statement)


def test_a_step_has_succeeded_although_its_success_is_not_recorded(
    january_loaded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_step: str, _run_id: str) -> None:
        raise DatabaseUnavailable("PostgreSQL at nowhere: refused")

    monkeypatch.setattr(warehouse, "record_step_success", fail)
    with tracking.step_run("history", "a name", {}) as run:
        pass
    assert MlflowClient().get_run(run.info.run_id).info.status == "FINISHED"
    printed = " ".join(capsys.readouterr().out.split())
    assert "[WARNING] The success of history is not recorded for the metrics: PostgreSQL at nowhere" in printed


@pytest.mark.usefixtures("tracking")
def test_a_step_without_any_table_still_succeeds(empty_warehouse: Settings) -> None:
    history.main(["--last", "1"])
    assert fetch("SELECT to_regclass('step_successes')") == [(None,)]
