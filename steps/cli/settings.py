"""The steps' constants, and their only reader of the environment.

libpq reads the database's address itself (PGHOST, PGPORT, …), and MLflow the tracking store's (MLFLOW_TRACKING_URI,
MLFLOW_EXPERIMENT_NAME).
"""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from configuration import names
from configuration.environment import EnvironmentSettings
from configuration.fields import Folder, Text, Whole, choice, count, folder, setting, text
from feature_store.settings import StoreSettings
from sealing.keys import PRIVATE
from steps.cli.errors import BadParameter

PROJECT_ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = names.EXPERIMENT
MODEL_NAME = names.MODEL_NAME
LABEL = "churn_label"
RANDOM_STATE = 42
VALIDATION_SHARE = 0.25
DEFAULT_STATE, SEAL_FOLDER = ".streamflow", "seal"
# STREAMFLOW_… variables that only the local stack reads
OF_THE_STACK = ("STREAMFLOW_POSTGRES",)


class Settings(StoreSettings):
    invalid: ClassVar[type[Exception]] = BadParameter

    offline_engine: Literal["postgres", "duckdb", "spark"] = choice(
        "postgres",
        "What joins training sets: postgres, duckdb (over the Parquet files) or spark (the same; needs\n"
        "requirements-spark.txt and a Java of the system)",
        section="The steps",
    )
    spark_master: Text = text("local[*]", "Where Spark runs: local[*] is this machine, spark://HOST:7077 a cluster")
    state: Annotated[Folder, AfterValidator(lambda path: PROJECT_ROOT / path)] | None = folder(
        None, "As above, absolute", derived=True
    )
    seal_key: Folder | None = setting(
        None,
        "The private key that signs seals of models, if not STREAMFLOW_STATE/seal/private.pem",
        "a file",
        derived=True,
    )
    prediction_log_days: Whole = count(400, "Days of the prediction log that `prune` keeps", most=36_500)
    logs: Folder | None = folder(None, "The local stack's logs, which `prune` may delete", derived=True)
    java_home: Folder | None = folder(
        None, "Java, for Spark, where it is not on PATH", variable="JAVA_HOME", derived=True
    )
    commit: Text | None = text(None, "The commit that an image was built from, which `lineage` names", derived=True)
    pghost: str = setting("(PGHOST not set)", "For messages", "a host", variable="PGHOST", derived=True)
    pgport: str = setting(str(names.POSTGRES_PORT), "For messages", "a port", variable="PGPORT", derived=True)

    @classmethod
    def from_env(cls) -> "Settings":
        """Reads the environment once, and again after it changed. Raises BadParameter."""
        return _read(frozenset(os.environ.items()))

    @property
    def private_seal_key(self) -> Path:
        return self.seal_key or (self.state or PROJECT_ROOT / DEFAULT_STATE) / SEAL_FOLDER / PRIVATE

    @property
    def database(self) -> str:
        """PostgreSQL's address, for messages."""
        return f"{self.pghost}:{self.pgport}"


@lru_cache(1)
def _read(_environment: frozenset[tuple[str, str]]) -> Settings:
    return Settings.read()


class ConsoleSettings(EnvironmentSettings):
    """Separate: they are needed to show an invalid value of the others."""

    no_color: str | None = setting(None, "Anything: no colours", "a text", variable="NO_COLOR", derived=True)

    @property
    def colour(self) -> bool:
        """False where NO_COLOR is set (https://no-color.org)."""
        return self.no_color is None


def project_run_id() -> str | None:
    """The run that `mlflow run` made for this process; None once MLflow has resumed it."""
    return os.environ.get("MLFLOW_RUN_ID") or None


def let_children_use_this_python() -> None:
    """Puts this Python first on PATH: MLflow's local runs call the first `python` there."""
    folder_of_python = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if paths[0] != folder_of_python:
        os.environ["PATH"] = os.pathsep.join([folder_of_python, *paths])


def stop_telemetry(*variables: str) -> None:
    """Of libraries that this process imports later. variables: those that switch it off."""
    os.environ.update(dict.fromkeys(variables, "1"))
