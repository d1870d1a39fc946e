"""A registered model that was deleted and made anew: numbers begin at 1 again, and mean something else."""

from collections.abc import Iterator

import mlflow
import pytest
import requests
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from rollout.registry import wanted_version
from tests.rollout.conftest import ROWS, TYPES, RunningWatcher, log_right, watching

NAME = "made_anew"


@pytest.fixture(scope="module")
def trained(server: Settings, tracking: str) -> dict[str, str]:
    """Run id -> logged model, of four right trainings."""
    found = {}
    for _nth in range(4):
        with mlflow.start_run(experiment_id=tracking) as run:
            log_right(run.info.run_id)
        [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
        found[run.info.run_id] = logged.model_id
    return found


@pytest.fixture
def anew_watcher(
    server: Settings, trained: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWatcher]:
    with watching(NAME, server, tmp_path_factory.mktemp("anew")) as running:
        yield running


def registered(models: list[str]) -> None:
    """As with the UI's button: no tags of ours."""
    client = MlflowClient()
    client.create_registered_model(NAME)
    for model_id in models:
        client.create_model_version(NAME, source=f"models:/{model_id}", model_id=model_id)
    client.transition_model_version_stage(NAME, "2", "Production")


def test_within_the_grace_period_the_new_version_2_takes_over_from_the_old_one(
    anew_watcher: RunningWatcher, trained: dict[str, str]
) -> None:
    runs, models = list(trained), list(trained.values())
    registered(models[:2])
    said = anew_watcher.wait_until_serving("2")
    assert said["serving"]["run_id"] == runs[1]
    assert said["serving"]["feature_service"] == "churn_v1"  # no tag says so: the served answer does
    MlflowClient().delete_registered_model(NAME)
    registered(models[2:])
    said = anew_watcher.wait_for(lambda said: (said["serving"] or {}).get("run_id") == runs[3])
    assert (said["serving"]["version"], said["problem"]) == ("2", None)
    rows = {name: ROWS[name].tolist() for name in TYPES}
    answer = requests.post(f"{said['serving']['url']}/invocations", json={"inputs": rows}, timeout=10).json()
    assert {(row["model_version"], row["run_id"]) for row in answer["predictions"]} == {("2", runs[3])}
    wanted = wanted_version(MlflowClient(), NAME, "Production")
    assert wanted is not None
    assert (wanted.run_id, wanted.source) == (runs[3], f"models:/{models[3]}")
