"""A registered model that was deleted and created again: its version numbers start at 1 and mean other models."""

from collections.abc import Iterator

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from rollout.registry import target_version
from tests.rollout.conftest import ROWS, TYPES, RunningWatcher, log_good, watching
from tests.rollout.seals import seal

NAME = "recreated"


@pytest.fixture(scope="module")
def trained(server: Settings, tracking: str) -> dict[str, str]:
    """Run id -> id of the logged model, for four trainings."""
    models = {}
    for _nth in range(4):
        with mlflow.start_run(experiment_id=tracking) as run:
            log_good(run.info.run_id)
        [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
        models[run.info.run_id] = logged.model_id
    return models


@pytest.fixture
def recreated_watcher(
    server: Settings, trained: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWatcher]:
    with watching(NAME, server, tmp_path_factory.mktemp("recreated")) as running:
        yield running


def register(models: list[str]) -> None:
    """As the UI's button does: without the project's tags."""
    client = MlflowClient()
    client.create_registered_model(NAME)
    for model_id in models:
        client.create_model_version(NAME, source=f"models:/{model_id}", model_id=model_id)
    seal(NAME, "2")
    client.transition_model_version_stage(NAME, "2", "Production")


def test_the_new_version_2_replaces_the_old_one_within_the_grace_period(
    recreated_watcher: RunningWatcher, trained: dict[str, str]
) -> None:
    runs, models = list(trained), list(trained.values())
    register(models[:2])
    status = recreated_watcher.wait_until_serving("2")
    assert status["serving"]["run_id"] == runs[1]
    assert status["serving"]["feature_service"] == "churn_v1"  # from the served answer: there is no tag
    MlflowClient().delete_registered_model(NAME)
    register(models[2:])
    status = recreated_watcher.wait_for(lambda status: (status["serving"] or {}).get("run_id") == runs[3])
    assert (status["serving"]["version"], status["problem"]) == ("2", None)
    rows = {name: ROWS[name].tolist() for name in TYPES}
    predictions = recreated_watcher.predictions(rows)
    assert {(row["model_version"], row["run_id"]) for row in predictions} == {("2", runs[3])}
    target = target_version(MlflowClient(), NAME, "Production")
    assert target is not None
    assert (target.run_id, target.source) == (runs[3], f"models:/{models[3]}")
