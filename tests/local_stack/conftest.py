"""A stack for the tests: with free ports, its own state folder and small made-up months."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_stack.settings import ROOT, Settings
from tests.conftest import REAL_DATA, free_port, open_folder

PORTS = ("PGPORT", "MLFLOW_PORT", "ROLLOUT_PORT", "GATEWAY_PORT")
COMMAND_TIMEOUT_S = 300


@dataclass(frozen=True)
class OwnStack:
    environment: dict[str, str]
    months: Path
    output: str = ""

    @property
    def settings(self) -> Settings:
        own = {name: value for name, value in self.environment.items() if name.startswith(("PG", "STREAMFLOW_"))}
        ports = {name: self.environment[name] for name in PORTS}
        defaults = Settings.from_env().values
        return Settings({**defaults, **own, **ports})

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
    return OwnStack({**kept, **ports, "PATH": path, "STREAMFLOW_STATE": str(folder / "state")}, months)


@pytest.fixture(scope="session")
def down_stack(sample_months: Path) -> Iterator[OwnStack]:
    """A stack that is down."""
    with open_folder() as folder:
        yield make_stack(folder, sample_months)


@pytest.fixture(scope="module")
def up_stack(sample_months: Path) -> Iterator[OwnStack]:
    """A running stack, after the chain has run for January: the real month if it is available."""
    months = REAL_DATA if REAL_DATA.is_dir() else sample_months
    with open_folder() as folder:
        stack = make_stack(folder, months)
        try:
            done = stack.stack("up", "--data", str(months))
            assert done.returncode == 0, done.stdout
            yield OwnStack(stack.environment, stack.months, done.stdout)
        finally:
            down = stack.stack("down")
            assert down.returncode == 0, down.stdout
