"""Registered versions, good and broken, and a watcher process to serve them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
import pytest
import requests
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient

from configuration import stages
from configuration.model_address import connector, socket_path
from local_stack.settings import ROOT, Settings
from rollout import processes
from rollout.model_server.calls import call
from steps import train
from steps.cli.settings import LABEL
from steps.training import pipelines
from tests.conftest import free_port
from tests.rollout.seals import REFUSED, seal
from tests.waiting import wait_until

NAME = "watched_churn"
ROWS = pd.DataFrame({"months_active": range(40), "monthly_fee": [20.5 + n for n in range(40)]}).assign(
    net_service=["DSL", "No"] * 20, **{LABEL: [n % 3 == 0 for n in range(40)]}
)
TYPES = {"months_active": "Int64", "monthly_fee": "Float64", "net_service": "String"}
RAISING_MODEL = """
import mlflow
from mlflow.pyfunc import PythonModel

class Broken(PythonModel):
    def predict(self, context, model_input, params=None):
        raise RuntimeError("always")

mlflow.models.set_model(Broken())
"""
START_S = 120.0
DAMAGED = 4  # the version of this number


@dataclass(frozen=True)
class Versions:
    first: str
    second: str
    raises: str
    damaged: str
    changed: str
    unsealed: str
    refused: str
    run_ids: dict[str, str]
    client: MlflowClient

    def promote(self, version: str, *, archive: bool = True) -> None:
        self.client.transition_model_version_stage(NAME, version, "Production", archive_existing_versions=archive)

    def withdraw_all(self) -> None:
        """Leaves nothing in production: tests of another file may have promoted a version."""
        for version in stages.in_stage(self.client.search_model_versions(f"name = '{NAME}'"), "Production"):
            self.client.transition_model_version_stage(NAME, version.version, "Archived")


@pytest.fixture(scope="session")
def versions(server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """Two good versions; one that raises for every row; one damaged before it was sealed, and one changed since; one
    without a seal; and one that the gate refused."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "raises.py").write_text(RAISING_MODEL)
    numbers, run_ids = [], {}
    for log_model in (log_good, log_good, lambda run_id: log_raising(run_id, folder / "raises.py"), log_good, log_good):
        with mlflow.start_run(experiment_id=tracking) as run:
            log_model(run.info.run_id)
        [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
        version = mlflow.register_model(f"models:/{logged.model_id}", NAME, tags={"dataset_sha256": "abc"}).version
        numbers.append(str(version))
        run_ids[str(version)] = run.info.run_id
        if len(numbers) == DAMAGED:
            stored(server, logged.model_id, "pipeline.skops").write_bytes(b"\0" * 100)
        seal(NAME, str(version))
    stored(server, logged.model_id, "served_model.py").write_text(RAISING_MODEL)
    for verdict in (None, REFUSED):  # of the first's model
        source = MlflowClient().get_model_version(NAME, numbers[0]).source
        numbers.append(str(mlflow.register_model(source, NAME).version))
        if verdict:
            seal(NAME, numbers[-1], verdict)
    first, second, raises, damaged, changed, unsealed, refused = numbers
    client = MlflowClient()
    return Versions(first, second, raises, damaged, changed, unsealed, refused, run_ids, client)


def stored(server: Settings, model_id: str, name: str) -> Path:
    """The file as the artifact store has it."""
    [path] = (server.state / "artifacts").rglob(f"*{model_id}*/**/{name}")
    return path


def log_good(run_id: str) -> None:
    facts = {"types": TYPES, "categorical_cols": ["net_service"], "feature_service": "churn_v1", "as_of": "2024-01-31"}
    small = pipelines.Hyperparameters(n_estimators=3, max_iter=3, max_leaf_nodes=3, learning_rate=0.1, C=1.0)
    training = train.Training("logistic_regression", small, "random", "sigmoid", 0.5, ROWS, facts)
    train.log_pipeline(training, training.fitted(ROWS), run_id)


def log_raising(_run_id: str, code: Path) -> None:
    mlflow.pyfunc.log_model(
        name="model",
        python_model=str(code),
        pip_requirements=["mlflow"],
        input_example=ROWS[list(TYPES)].head(1),
        signature=infer_signature(ROWS[list(TYPES)]),
    )


@dataclass
class RunningWatcher:
    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    log: Path

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = requests.get(f"{self.url}/live", timeout=5).json()
        return status

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def expected_status() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log.read_text()
            try:
                status = self.status()
            except requests.RequestException:
                return None  # its port is not open yet
            return status if condition(status) else None

        return wait_until(expected_status, START_S, 0.1) or {}

    def wait_until_serving(self, version: str) -> dict[str, Any]:
        return self.wait_for(lambda status: (status["serving"] or {}).get("version") == version)

    def live_server(self) -> psutil.Process:
        path = self.socket()
        return next(server for server in self.servers() if server.environ().get("UVICORN_UDS") == path)

    def socket(self) -> str:
        """The path of the live model server's."""
        path = socket_path(self.status()["serving"]["url"])
        assert path
        return path

    def predictions(self, columns: dict[str, Any]) -> list[dict[str, Any]]:
        answer = call(connector(self.status()["serving"]["url"]), "/invocations", {"inputs": columns}, 10)
        rows: list[dict[str, Any]] = json.loads(answer.body)["predictions"]
        return rows

    def servers(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children() if "serve" in child.cmdline()]

    def metrics(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=5).text

    def end(self) -> None:
        if self.process.poll() is None:
            processes.end(psutil.Process(self.process.pid))
        self.process.wait()


@pytest.fixture(scope="module")
def watcher(versions: Versions, server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWatcher]:
    """A watcher in a process of its own, with nothing to serve yet."""
    versions.withdraw_all()
    with watching(NAME, server, tmp_path_factory.mktemp("watcher")) as running:
        yield running


@contextmanager
def watching(name: str, server: Settings, folder: Path, **more: str) -> Iterator[RunningWatcher]:
    port = free_port()
    environment = {
        **os.environ,
        **server.child_environment(),
        "ROLLOUT_PORT": str(port),
        "ROLLOUT_FOLDER": str(folder / "rollout"),
        "ROLLOUT_MODEL_NAME": name,
        "ROLLOUT_DRAIN_S": "0.5",
        "ROLLOUT_POLL_S": "0.2",
        "ROLLOUT_PROBATION_S": "0",
        **more,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rollout"], env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    running = RunningWatcher(f"http://127.0.0.1:{port}", folder / "rollout", process, folder / "log")
    try:
        yield running
    finally:
        running.end()
