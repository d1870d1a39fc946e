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
from local_stack import other_programs, own_server, variables
from rollout import loopback

ROOT = variables.ROOT
LOOPBACK = names.LOOPBACK


class StackError(Exception):
    """One line that says what is wrong and what to do."""


@dataclass(frozen=True)
class Settings:
    values: Mapping[str, str]

    @classmethod
    def from_env(cls, *, of_running: bool = False, server_of_running: bool = False) -> "Settings":
        """of_running: what a stack was started with wins over the shell, which may have been set up for another one.

        server_of_running: so does where its PostgreSQL is, and nothing else. Raises StackError for a value or a login
        that cannot be used, and for a .env that contradicts itself.
        """
        known, shell = {**variables.defaults(), **variables.of_env_file()}, variables.of_shell()
        _require_one_server(known)
        running = _running(ROOT / {**known, **shell}["STREAMFLOW_STATE"])
        values = {**known, **shell, **running} if of_running else {**known, **running, **shell}
        values = own_server.address(values, running if server_of_running else {})
        if fault := own_server.login_fault(values):
            raise StackError(fault)
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
        return self.values["STREAMFLOW_POSTGRES"] == own_server.EMBEDDED

    @property
    def tracking_uri(self) -> str:
        user, password = (quote(self.values[name], safe="") for name in ("PGUSER", "PGPASSWORD"))
        host, port, database = (self.values[name] for name in ("PGHOST", "PGPORT", "MLFLOW_DATABASE"))
        if host.startswith("/"):  # a folder with a socket in it
            return f"postgresql+psycopg2://{user}:{password}@/{database}?host={quote(host, safe='')}&port={port}"
        server = f"[{host}]" if ":" in host else host
        return f"postgresql+psycopg2://{user}:{password}@{server}:{port}/{database}"

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
        direct = loopback.proxy_exceptions(os.environ)
        return {**follows, **chosen, **self.values, **lake, **direct, **self._caches()}

    def _caches(self) -> dict[str, str]:
        """Matplotlib's folder, where HOME cannot be written: it would complain, and look for fonts in each process."""
        home, chosen = os.environ.get("HOME", ""), {"MPLCONFIGDIR", "XDG_CONFIG_HOME"} & os.environ.keys()
        return {} if chosen or os.access(home, os.W_OK) else {"MPLCONFIGDIR": str(self.state / "matplotlib")}

    def child_environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        given = own_server.without_others(self.values, os.environ)
        other_programs.keep_others_out(given)
        return {**given, **self.exported(), "PATH": path, "PYTHONUNBUFFERED": "1"}


def _require_one_server(files: Mapping[str, str]) -> None:
    """Of the shell's PGHOST nobody knows what it is meant for; .env is meant for this project."""
    host = files["PGHOST"]
    if files["STREAMFLOW_POSTGRES"] == own_server.EMBEDDED and not own_server.is_loopback(host):
        raise StackError(
            f"PGHOST={host!r} in .env names another server than the stack's own (STREAMFLOW_POSTGRES=embedded). "
            "To use that one, write STREAMFLOW_POSTGRES=external into .env; else take PGHOST out of it"
        )


def _running(state: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((state / "stack.json").read_text())["settings"]
    except (OSError, ValueError, KeyError):
        return {}
    return found
