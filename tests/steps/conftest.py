"""States that the tests of the steps start from, beside those of tests/conftest.py."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from multiprocessing.util import get_temp_dir
from pathlib import Path
from unittest import mock

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from steps import build_dataset, warehouse
from steps import ingest as ingest_step
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY
from tests.steps.states.database import empty
from tests.steps.states.months import february_files, write_month
from tests.steps.states.trainings import MODELS, train_quickly

TEMPORARY = "streamflow-steps-"


@pytest.fixture(scope="session", autouse=True)
def temporary_files_go() -> Iterator[None]:
    """MLflow leaves a folder for every artifact it fetches, Feast one for every process that is killed."""
    get_temp_dir()  # multiprocessing's own, which it removes when the whole run ends
    if Path(tempfile.gettempdir()).name.startswith(TEMPORARY):
        yield  # other folders' tests share this fixture, and paths of sockets must be short
        return
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user may have to pass through
        with mock.patch.dict(os.environ, {"TMPDIR": folder}), mock.patch.object(tempfile, "tempdir", folder):
            yield


@pytest.fixture
def january(empty_warehouse: Settings, tmp_path: Path, ingest: Callable[[Path, date], None]) -> Path:
    """The folder of three users' January, which is loaded."""
    folder = write_month(tmp_path / "month_000")
    ingest(folder, JANUARY)
    return folder


@pytest.fixture
def newest_schema(empty_warehouse: Settings) -> None:
    """A warehouse with its tables, without rows."""
    warehouse.apply_schema()


@pytest.fixture
def february_folder(tmp_path: Path) -> Path:
    """Three users' February, not loaded yet."""
    return write_month(tmp_path / "month_001", february_files())


@pytest.fixture
def empty_registry(tracking: str) -> None:
    """The next version made is number 1."""
    with contextlib.suppress(MlflowException):  # there is none yet
        MlflowClient().delete_registered_model(MODEL_NAME)


@pytest.fixture(scope="session")
def trainings(server: Settings, tracking: str, sample_months: Path) -> dict[str, str]:
    """The run ids of the three models, trained on January of 300 made-up users."""
    empty()
    ingest_step.main(arguments("ingest", {"month_dir": str(sample_months / "month_000"), "as_of": str(JANUARY)}))
    # in this process: train itself would start another one for it
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"}))
    return {model: train_quickly(model, tracking) for model in MODELS}


@pytest.fixture
def use(server: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("STREAMFLOW_SPARK_MASTER", "local[1]")
    yield monkeypatch
    spark = sys.modules.get("pyspark.sql")
    if spark and (active := spark.SparkSession.getActiveSession()):
        active.stop()
