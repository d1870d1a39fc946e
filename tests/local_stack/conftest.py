"""A stack for the tests: with free ports, its own state folder and small made-up months."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from local_stack.database import postgres
from local_stack.settings import ROOT, Settings
from steps.month.digest import FILE_NAMES
from tests.conftest import REAL_DATA, free_port, open_folder

HAS_PROMETHEUS = shutil.which("prometheus") is not None
PORTS = (
    "PGPORT",
    "MLFLOW_PORT",
    "ROLLOUT_PORT",
    "GATEWAY_PORT",
    "CONSOLE_PORT",
    *(["PROMETHEUS_PORT"] if HAS_PROMETHEUS else []),
)
COMMAND_TIMEOUT_S = 300


@dataclass(frozen=True)
class OwnStack:
    environment: dict[str, str]
    months: Path
    output: str = ""

    @property
    def settings(self) -> Settings:
        """As its processes read them: this process's environment may have the login of another test's server."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            return Settings.from_env()

    def stack(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.command(sys.executable, "-m", "local_stack", *arguments)

    def shell(self, line: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """A new shell in the project's folder, like a user's: without the virtual environment on PATH."""
        return self.command("sh", "-c", line, **variables)

    def command(self, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            words,
            env={**self.environment, **variables},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )


def make_stack(folder: Path, months: Path) -> OwnStack:
    virtual = str(ROOT / ".venv" / "bin")
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != virtual)
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER", "SSL_CERT_FILE") if name in os.environ}
    ports = {name: str(free_port()) for name in PORTS}
    monitoring = {"MONITORING": "1"} if HAS_PROMETHEUS else {}
    return OwnStack({**kept, **ports, **monitoring, "PATH": path, "STREAMFLOW_STATE": str(folder / "state")}, months)


@pytest.fixture(scope="session")
def down_stack(sample_months: Path) -> Iterator[OwnStack]:
    """A stack that is down."""
    with open_folder() as folder:
        yield make_stack(folder, sample_months)


@pytest.fixture(scope="session")
def own_months(tmp_path_factory: pytest.TempPathFactory, sample_months: Path) -> Path:
    """A company's own January, which counts as real; the real one where it is at hand. Its user ids are in the last
    column of users.csv."""
    january = (REAL_DATA if REAL_DATA.is_dir() else sample_months) / "month_000"
    data = tmp_path_factory.mktemp("own")
    (data / "month_000").mkdir()
    for name in FILE_NAMES:
        shutil.copy(january / f"{name}.csv", data / "month_000")
    users = data / "month_000" / "users.csv"
    pd.read_csv(users, dtype=str, keep_default_na=False).iloc[:, ::-1].to_csv(users, index=False)
    return data


@pytest.fixture(scope="session")
def first_up(own_months: Path) -> Iterator[OwnStack]:
    """A stack for which the chain has run, and what the first `up` said. It takes more than a minute: all files whose
    tests need such a stack share it, and the same worker runs them (STACK_FILES)."""
    with open_folder() as folder:
        stack = make_stack(folder, own_months)
        try:
            done = stack.stack("up", "--data", str(own_months))
            assert done.returncode == 0, done.stdout
            yield OwnStack(stack.environment, stack.months, done.stdout)
        finally:
            ended = stack.stack("down")
            assert ended.returncode == 0, ended.stdout


@pytest.fixture(scope="module")
def up_stack(first_up: OwnStack) -> OwnStack:
    """Everything runs, after the chain has run for a company's own January, whatever other files have done to it."""
    bring_up(first_up)
    return first_up


@pytest.fixture(scope="module")
def loaded_stack(first_up: OwnStack) -> Iterator[OwnStack]:
    """The same, down, and its experiment was deleted."""
    assert first_up.stack("down").returncode == 0
    with database(first_up.settings):
        MlflowClient(first_up.settings.tracking_uri).delete_experiment("1")
    yield first_up
    first_up.stack("down")


def bring_up(stack: OwnStack) -> None:
    if stack.stack("status").returncode:
        done = stack.stack("up")
        assert done.returncode == 0, done.stdout


@contextmanager
def database(settings: Settings) -> Iterator[None]:
    postgres.start(settings)
    try:
        yield
    finally:
        postgres.stop(settings)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
