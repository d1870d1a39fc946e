"""Names the whole project agrees on, and the one reader of the environment in the steps.

The database's address is libpq's business (PGHOST, PGPORT, …) and the tracking store's is MLflow's
(MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME): they read those variables themselves.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
EXPERIMENT = "streamflow"
MODEL_NAME = "streamflow_churn"
LABEL = "churn_label"
RANDOM_STATE = 42
VALIDATION_SHARE = 0.25


@dataclass(frozen=True)
class Settings:
    database: str
    colour: bool
    lake: Path | None
    state: Path | None
    offline_engine: str
    spark_master: str
    java_home: Path | None
    commit: str | None
    logs: Path | None

    @classmethod
    def from_env(cls) -> "Settings":
        host, port = os.environ.get("PGHOST", "(PGHOST not set)"), os.environ.get("PGPORT", "5432")
        lake, java_home = os.environ.get("STREAMFLOW_LAKE"), os.environ.get("JAVA_HOME")
        logs = os.environ.get("STREAMFLOW_LOGS")  # the local stack's; elsewhere logs are not ours
        state = os.environ.get("STREAMFLOW_STATE")
        return cls(
            database=f"{host}:{port}",
            colour="NO_COLOR" not in os.environ,
            lake=Path(lake) if lake else None,
            logs=Path(logs) if logs else None,
            state=PROJECT_ROOT / state if state else None,
            offline_engine=os.environ.get("STREAMFLOW_OFFLINE_ENGINE", "(STREAMFLOW_OFFLINE_ENGINE not set)"),
            commit=os.environ.get("STREAMFLOW_COMMIT") or None,  # an image's build argument
            java_home=Path(java_home) if java_home else None,
            spark_master=os.environ.get("STREAMFLOW_SPARK_MASTER", "(STREAMFLOW_SPARK_MASTER not set)"),
        )


def project_run_id() -> str | None:
    """The run that `mlflow run` made for this process; None once MLflow has resumed it."""
    return os.environ.get("MLFLOW_RUN_ID") or None


def let_children_use_this_python() -> None:
    """MLflow's local runs call whatever `python` is first on PATH; without an activated shell that is another one."""
    here = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if paths[0] != here:
        os.environ["PATH"] = os.pathsep.join([here, *paths])
