"""Fixtures for all tests: a private real PostgreSQL with MLflow's tables, and months to load."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from xdist.scheduler import LoadFileScheduling

from local_stack import chain
from local_stack.database import postgres
from local_stack.settings import ROOT, Settings
from steps import warehouse
from tests import sql

TESTS = ROOT / "tests"
REAL_DATA = ROOT.parent / "shared" / "data"
JANUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 29)
needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the real months are not at {REAL_DATA}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Removes the settings of the shell that runs the tests, and what makes every process compile everything again."""
    prefixes = (
        "PG",
        "MLFLOW_",
        "ENRICHER_",
        "STREAMFLOW_",
        "GATEWAY_",
        "ROLLOUT_",
        "CONSOLE_",
        "PYTHONDONTWRITEBYTECODE",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    with mock.patch.dict(os.environ, kept, clear=True):
        yield


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's system user can read; pytest's own folders are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="streamflow-test-") as name:
        yield Path(name)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A small file system, which can fill up. Skips the test if it cannot be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("a tmpfs cannot be mounted on this machine")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


# The longest files on two cores start first; otherwise a run waits for one of them at its end. test_alarm.py comes
# before the other files of its stack: alerts look back five minutes, and the other files cause faults.
LONGEST = (
    "local_stack/test_alarm.py", "local_stack/test_under_load.py", "local_stack/test_turning_back.py",
    "local_stack/console/test_console_of_a_stack.py", "local_stack/test_stack.py", "local_stack/test_bare_up.py",
    "steps/chain/test_year_of_months.py",
    "steps/chain/test_interrupted_months.py",
    "steps/chain/test_month_of_real_data.py", "steps/chain/test_year.py", "steps/chain/test_real_months.py",
    "steps/registry/test_honest_figures.py", "local_stack/mlflow_command/test_mlflow_launcher.py",
    "rollout/test_serving.py", "tracking_server/test_pages_of_other_sites.py",
    "steps/registry/test_register_gate.py", "steps/registry/test_gate_pool.py",
    "local_stack/backups/test_backup.py", "test_add_a_feature.py",
)  # fmt: skip


# One worker runs these, one file after the other, with one stack (local_stack/conftest.py).
STACK_FILES = (
    "test_alarm.py", "test_under_load.py", "test_turning_back.py", "test_console_of_a_stack.py", "test_stack.py",
    "test_bare_up.py",
)  # fmt: skip


class FilesOfOneState(LoadFileScheduling):
    """A file's tests are run by one worker, and so are those of files that share what takes long to make."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if Path(file).name in STACK_FILES:
            return "a stack"
        return "MLflow's servers" if Path(file).parent.name == "tracking_server" else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return FilesOfOneState(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def without_waiting_for_the_disk() -> None:
    """Turns durability off: this server's data is for one test run. Stacks in tests keep it on."""
    with sql.as_superuser():
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            sql.execute_alone(f"ALTER SYSTEM SET {setting} = off")
        sql.fetch("SELECT pg_reload_conf()")


def with_a_quick_login() -> None:
    """Hashes the password once: by default a client hashes it 4,096 times for each of thousands of connections."""
    password = os.environ["PGPASSWORD"].replace("'", "''")
    sql.execute(f"SET scram_iterations = 1; ALTER ROLE CURRENT_USER PASSWORD '{password}'")


@pytest.fixture(scope="session")
def server(state_folder: Path) -> Iterator[Settings]:
    """A running PostgreSQL server on a free port; the environment has its address, as for every process."""
    variables = {
        "PGPORT": str(free_port()),
        "MLFLOW_PORT": str(free_port()),
        "ROLLOUT_PORT": str(free_port()),
        "GATEWAY_PORT": str(free_port()),
        "CONSOLE_PORT": str(free_port()),
        "STREAMFLOW_STATE": str(state_folder),
    }
    with mock.patch.dict(os.environ, variables):
        settings = Settings.from_env()
        with mock.patch.dict(os.environ, settings.exported()):
            postgres.start(settings)
            try:
                without_waiting_for_the_disk()
                with_a_quick_login()
                yield settings
            finally:
                postgres.stop(settings)


@pytest.fixture(scope="session")
def tracking(server: Settings) -> str:
    """The experiment's id in MLflow's tables of this server. Shared by all tests of the run."""
    return chain.prepare_tracking(server)


@pytest.fixture
def empty_warehouse(server: Settings) -> Settings:
    """A warehouse without tables, snapshots or online values."""
    sql.empty()
    return server


@pytest.fixture
def with_roles(empty_warehouse: Settings) -> Settings:
    """An empty warehouse with the newest schema, and the roles' rights."""
    warehouse.apply_schema()
    postgres.apply_roles(empty_warehouse)
    return empty_warehouse


@pytest.fixture(scope="session")
def sample_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """month_000 … month_002 of 300 made-up users."""
    from steps import sample_months  # noqa: PLC0415 - imports pandas, which not every test needs

    folder = tmp_path_factory.mktemp("months")
    sample_months.main(["--out-dir", str(folder), "--users", "300", "--months", "3", "--seed", "7"])
    return folder


@pytest.fixture
def ingest(tracking: str) -> Callable[[Path, date], None]:
    """Returns a function that loads a month's folder with the step `ingest`."""
    from steps import ingest  # noqa: PLC0415 - imports mlflow, which not every test needs
    from steps.runs.entry_points import arguments  # noqa: PLC0415

    return lambda folder, as_of: ingest.main(arguments("ingest", {"month_dir": str(folder), "as_of": str(as_of)}))


@pytest.fixture
def january_loaded(empty_warehouse: Settings, sample_months: Path, ingest: Callable[[Path, date], None]) -> Settings:
    ingest(sample_months / "month_000", JANUARY)
    return empty_warehouse
