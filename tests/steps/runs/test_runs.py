"""A run's name, description and experiment; and an experiment that was deleted."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.name_utils import _generate_random_name

from local_stack.settings import Settings
from steps import history, materialize
from steps.cli.errors import ExperimentDeleted, NoSnapshot, NoTraining, TrackingUnavailable
from steps.register import find_training
from steps.runs import descriptions, tracking
from tests.conftest import JANUARY
from tests.steps.states.database import last_run

NOTE = "mlflow.note.content"


@pytest.fixture
def project_run(tracking: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], str]:
    """Makes a run as `mlflow run` does, for the next step to go on with. Returns its id."""

    def make(name: str | None) -> str:
        run = MlflowClient().create_run(tracking, tags={"mlflow.project.entryPoint": "history"})
        if name:
            MlflowClient().set_tag(run.info.run_id, "mlflow.runName", name)
        monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
        return str(run.info.run_id)

    return make


@pytest.fixture
def other_experiment(tracking: str, server: Settings) -> Iterator[str]:
    """An experiment that is not the stack's. Deleted at the end."""
    client = MlflowClient()
    made = client.create_experiment(f"other-{time.time_ns()}")
    yield str(made)
    if client.get_experiment(made).lifecycle_stage == "active":
        client.delete_experiment(made)


def run_history() -> None:
    history.main(["--last", "1"])


def note(run: Run) -> str:
    return str(run.data.tags[NOTE])


@pytest.mark.parametrize("name", ["my try", "rf_mine", "my-try-1"])
def test_a_run_keeps_the_name_that_a_user_gave_it(
    empty_warehouse: Settings, project_run: Callable[[str | None], str], name: str
) -> None:
    run_id = project_run(name)
    run_history()
    assert MlflowClient().get_run(run_id).info.run_name == name


def test_a_generated_name_is_replaced_by_the_step_s(
    empty_warehouse: Settings, project_run: Callable[[str | None], str]
) -> None:
    run_id = project_run(None)
    assert descriptions.is_generated(str(MlflowClient().get_run(run_id).info.run_name))
    run_history()
    assert MlflowClient().get_run(run_id).info.run_name == "history"


def test_every_name_that_mlflow_generates_is_recognized() -> None:
    names = [_generate_random_name() for _nth in range(500)]
    assert [name for name in names if not descriptions.is_generated(name)] == []


def test_a_step_s_closing_line_is_its_run_s_description(
    january: Path, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    materialize.main(["--as-of", str(JANUARY)])
    run = last_run("materialize", tracking)
    assert note(run).startswith(f"[OK] {JANUARY} is online")
    assert note(run) in capsys.readouterr().out
    assert run.info.run_name == f"materialize_{JANUARY}"


def test_a_failure_is_its_run_s_description(empty_warehouse: Settings, tracking: str) -> None:
    with pytest.raises(NoSnapshot) as missing:
        materialize.main(["--as-of", "2031-01-31"])
    run = last_run("materialize", tracking)
    assert run.info.status == "FAILED"
    assert note(run) == f"[ERROR] {missing.value}"


def test_a_long_text_is_cut_to_what_mlflow_takes_and_lines_stay_lines(empty_warehouse: Settings, tracking: str) -> None:
    with tracking_run():
        descriptions.describe("one\n" + "x" * 20_000)
        run = mlflow.get_run(mlflow.active_run().info.run_id)
    assert note(run).startswith("```\none\nxxx")
    assert note(run).endswith("\n```")


def tracking_run() -> "mlflow.ActiveRun":
    return tracking.step_run("history", "history", {})


@pytest.mark.usefixtures("empty_warehouse", "tracking")
def test_parameters_are_logged_as_they_are_typed() -> None:
    arguments = {"apply": False, "force": True, "version": None, "last": 5, "as_of": JANUARY}
    with tracking.step_run("history", "history", arguments) as run:
        logged = mlflow.get_run(run.info.run_id).data.params
    assert logged == {"apply": "false", "force": "true", "version": "", "last": "5", "as_of": "2024-01-31"}


def test_an_experiment_that_a_step_records_in_opens_as_model_training(
    empty_warehouse: Settings, other_experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", other_experiment)
    run_history()
    tags = MlflowClient().get_experiment(other_experiment).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_new_experiment_keeps_its_artifacts_in_the_store_that_is_backed_up(
    server: Settings, other_experiment: str
) -> None:
    where = MlflowClient().get_experiment(other_experiment).artifact_location
    assert where == f"{server.artifacts.as_uri()}/{other_experiment}"


def test_a_run_below_another_is_in_its_experiment_whatever_the_shell_says(
    empty_warehouse: Settings, other_experiment: str
) -> None:
    with mlflow.start_run(experiment_id=other_experiment):
        run_history()
    assert last_run("history", other_experiment).info.experiment_id == other_experiment


def test_a_deleted_experiment_is_named_with_what_puts_it_back(
    empty_warehouse: Settings, other_experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = MlflowClient().get_experiment(other_experiment).name
    MlflowClient().delete_experiment(other_experiment)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    with pytest.raises(ExperimentDeleted) as raised:
        run_history()
    assert str(raised.value) == (
        f"The experiment {name!r} was deleted. Restore it: "
        f"mlflow experiments restore --experiment-id {other_experiment}"
    )


def test_a_training_of_another_experiment_is_named_where_none_is_found_here(
    empty_warehouse: Settings, other_experiment: str
) -> None:
    tags = {"streamflow.step": "train", "as_of": "2019-05-31"}
    other_run = MlflowClient().create_run(other_experiment, tags=tags).info.run_id
    MlflowClient().set_terminated(other_run)
    name = MlflowClient().get_experiment(other_experiment).name
    with tracking_run(), pytest.raises(NoTraining) as raised:
        find_training(None, "2019-05-31")
    assert f"in experiment 'streamflow'; experiment {name!r} has run {other_run}" in str(raised.value)
    with tracking_run(), pytest.raises(NoTraining, match="in experiment 'streamflow', nor in another"):
        find_training(None, "2019-06-30")


def test_a_store_that_requires_a_login_is_an_error_with_the_variables(
    empty_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = mlflow.exceptions.MlflowException("API request to endpoint /api failed with error code 401 != 200")
    monkeypatch.setattr(mlflow, "start_run", lambda **_: (_ for _ in ()).throw(refusal))
    with pytest.raises(TrackingUnavailable, match=r"needs a login\. Set MLFLOW_TRACKING_USERNAME"):
        run_history()
