"""The stack's settings: the environment, else what the running stack was started with, else .env, else defaults."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from configuration import names
from configuration.environment import InvalidSettings
from local_stack import variables

ROOT = variables.ROOT
LOOPBACK = names.LOOPBACK


class StackError(Exception):
    """One line that says what is wrong and what to do."""


@dataclass(frozen=True)
class Settings:
    values: Mapping[str, str]

    @classmethod
    def from_env(cls, *, of_running: bool = False) -> "Settings":
        """of_running: what a stack was started with wins over the shell, which may have been set up for another one.

        Raises StackError for a value that cannot be used.
        """
        known, shell = {**variables.defaults(), **variables.of_env_file()}, variables.of_shell()
        running = _running(ROOT / {**known, **shell}["STREAMFLOW_STATE"])
        values = {**known, **shell, **running} if of_running else {**known, **running, **shell}
        try:
            return cls(variables.checked(values))
        except InvalidSettings as error:
            raise StackError(str(error)) from error

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def root(self) -> Path:
        return ROOT

    def port(self, name: str) -> int:
        return int(self.values[name])

    def address(self, port_name: str) -> str:
        return f"http://{LOOPBACK}:{self.values[port_name]}"

    @property
    def state(self) -> Path:
        """The folder of everything the stack keeps: data, artifacts, logs, who runs."""
        return (ROOT / self.values["STREAMFLOW_STATE"]).resolve()

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def embedded(self) -> bool:
        return self.values["STREAMFLOW_POSTGRES"] == "embedded"

    @property
    def tracking_uri(self) -> str:
        user, password = (quote(self.values[name], safe="") for name in ("PGUSER", "PGPASSWORD"))
        server = f"{self.values['PGHOST']}:{self.values['PGPORT']}"
        return f"postgresql+psycopg2://{user}:{password}@{server}/{self.values['MLFLOW_DATABASE']}"

    def exported(self) -> dict[str, str]:
        """What every process of the project is given: these values and the addresses that follow from them."""
        follows = {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_EXPERIMENT_NAME": names.EXPERIMENT,
            "MLFLOW_BACKEND_STORE_URI": self.tracking_uri,  # of the server; here rather than where `ps` would show it
            # an experiment made without a word about its artifacts keeps them here, whoever makes it: a server that
            # was started by hand, or any client (which, without the second, makes ./mlruns wherever it happens to be)
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": self.artifacts.as_uri(),
            "_MLFLOW_SERVER_ARTIFACT_ROOT": self.artifacts.as_uri(),
            "MLFLOW_ARTIFACTS_DESTINATION": self.artifacts.as_uri(),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # two gigabytes for what we do not use
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",  # without git, MLflow would say three times at length that there is none
            "UV_SYSTEM_CERTS": "true",  # `mlflow run --env-manager uv` downloads as pip would
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "ROLLOUT_FOLDER": str(self.state / "rollout"),
            "STREAMFLOW_LOGS": str(self.state / "logs"),
            "ENRICHER_ROLLOUT_URL": self.address("ROLLOUT_PORT"),
            "ENRICHER_REGISTRY_URL": self.address("MLFLOW_PORT"),
        }
        # the gateway can be pointed elsewhere: at a model server started by hand, at another watcher
        pointers = ("ENRICHER_ROLLOUT_URL", "ENRICHER_MODEL_URL")
        chosen = {name: os.environ[name] for name in pointers if os.environ.get(name)}
        lake = {"STREAMFLOW_LAKE": str(self.state / self.values["STREAMFLOW_LAKE"])}
        return {**follows, **chosen, **self.values, **lake, **self._caches()}

    def _caches(self) -> dict[str, str]:
        """Matplotlib's folder, where HOME cannot be written: it would complain, and look for fonts in each process."""
        home, chosen = os.environ.get("HOME", ""), {"MPLCONFIGDIR", "XDG_CONFIG_HOME"} & os.environ.keys()
        return {} if chosen or os.access(home, os.W_OK) else {"MPLCONFIGDIR": str(self.state / "matplotlib")}

    def child_environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, **self.exported(), "PATH": path, "PYTHONUNBUFFERED": "1"}


def _running(state: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((state / "stack.json").read_text())["settings"]
    except (OSError, ValueError, KeyError):
        return {}
    return found
