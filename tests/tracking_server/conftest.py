"""MLflow's server as the stack starts it, on the tests' PostgreSQL; and plain MLflow, as the stack started it once."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from local_stack import mlflow_login
from local_stack.settings import ROOT, Settings
from rollout import processes
from tests.conftest import free_port
from tests.waiting import answers, wait_until
from tracking_server import logins

START_S = 180
PLAIN_MLFLOW = (str(Path(sys.executable).parent / "mlflow"), "server")
TRACKING_SERVER = (sys.executable, "-m", "tracking_server")


@dataclass(frozen=True)
class TrackingServer:
    url: str
    log: Path
    login_folder: Path
    pid: int

    def password(self, user: str) -> str:
        return logins.read(logins.path_of(self.login_folder, user)) or ""

    def get(self, path: str, user: tuple[str, str] | None = None) -> requests.Response:
        return requests.get(f"{self.url}{path}", auth=user, timeout=30)


@contextmanager
def tracking_server(
    settings: Settings, folder: Path, command: Sequence[str] = TRACKING_SERVER, **variables: str
) -> Iterator[TrackingServer]:
    port, login_folder, log = free_port(), folder / "logins", folder / "mlflow.log"
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**settings.child_environment(), "MLFLOW_LOGIN_FOLDER": str(login_folder), **variables}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=out, stderr=out, cwd=ROOT, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or answers(f"{url}/health"), START_S, 0.2)
        assert process.poll() is None, log.read_text()
        yield TrackingServer(url, log, login_folder, process.pid)
    finally:
        process.terminate()
        process.wait(30)
        processes.end_session(process.pid)


@pytest.fixture(scope="session")
def without_login(
    server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    with tracking_server(server, tmp_path_factory.mktemp("without_login")) as running:
        yield running


@pytest.fixture(scope="session")
def with_login(server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    variables = {"MLFLOW_AUTH": "basic", "MLFLOW_ALLOWED_HOSTS": "localhost:*,127.0.0.1:*,published.example:*"}
    mlflow_login.create_tables(Settings({**server.values, **variables}))
    with tracking_server(server, tmp_path_factory.mktemp("with_login"), **variables) as running:
        yield running


@pytest.fixture(scope="session")
def plain_mlflow(server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with tracking_server(server, tmp_path_factory.mktemp("plain"), PLAIN_MLFLOW) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def no_proxy() -> None:
    """Requests go to this machine."""
    os.environ.update(NO_PROXY="localhost,127.0.0.1", no_proxy="localhost,127.0.0.1")
