"""The stack's settings: from the environment, else the running stack's, else .env, else defaults."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from configuration import names, passwords
from configuration.environment import InvalidSettings
from local_stack.environment import inherited_variables, libpq_variables, variables
from rollout import loopback
from tracking_server.settings import Settings as TrackingServerSettings

ROOT = variables.ROOT
LOOPBACK = names.LOOPBACK
SECRETS = (
    *passwords.NAMES, "PGUSER", "MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI", "ENRICHER_API_KEYS",
    "ENRICHER_LOG_PASSWORD", "CONSOLE_KEYS", "CONSOLE_GATEWAY_KEY", "STREAMFLOW_REDIS", "STREAMFLOW_SEAL_KEY",
    "GRAFANA_ADMIN_PASSWORD",
)  # fmt: skip
# each for one server alone
OF_ONE_SERVER = {*passwords.OF_ROLES.values(), *TrackingServerSettings.password_variables()}


class StackError(Exception):
    """One line: what is wrong and what to do."""


@dataclass(frozen=True)
class Settings:
    values: Mapping[str, str]

    @classmethod
    def from_env(cls, *, of_running: bool = False, server_of_running: bool = False) -> "Settings":
        """of_running: the running stack's settings win over the shell's, which may belong to another stack.

        server_of_running: only the running stack's PostgreSQL wins. Raises StackError for an invalid value or login,
        and for a .env that contradicts itself.
        """
        files, shell = {**variables.defaults(), **variables.env_file()}, variables.shell()
        _require_one_server(files)
        state = ROOT / {**files, **shell}["STREAMFLOW_STATE"]
        running, files = _running(state), {**_made_passwords(state, {**files, **shell}), **files}
        values = {**files, **shell, **running} if of_running else {**files, **running, **shell}
        values = libpq_variables.address(values, running if server_of_running else {})
        if error := libpq_variables.login_error(values):
            raise StackError(error)
        try:
            return cls(variables.checked(values))
        except InvalidSettings as invalid:
            raise StackError(str(invalid)) from invalid

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def port(self, name: str) -> int:
        return int(self.values[name])

    def address(self, port_name: str) -> str:
        return f"http://{LOOPBACK}:{self.values[port_name]}"

    @property
    def state(self) -> Path:
        """The folder of the stack's data, artifacts, logs and process ids."""
        return (ROOT / self.values["STREAMFLOW_STATE"]).resolve()

    @property
    def artifacts(self) -> Path:
        return self.state / "artifacts"

    @property
    def seal_keys(self) -> Path:
        return self.state / "seal"

    @property
    def embedded(self) -> bool:
        return self.values["STREAMFLOW_POSTGRES"] == libpq_variables.EMBEDDED

    @property
    def tracking_uri(self) -> str:
        """MLflow's tables, as the owner."""
        return self.store_uri(self.values)

    def login(self, part: str) -> dict[str, str]:
        """PGUSER and PGPASSWORD of the part's role; those of the owner where that role has no password."""
        password = self.values.get(passwords.OF_ROLES[part])
        user = f"{self.values['PGUSER']}_{part}" if password else self.values["PGUSER"]
        return {"PGUSER": user, "PGPASSWORD": password or self.values["PGPASSWORD"]}

    def store_uri(self, login: Mapping[str, str]) -> str:
        """MLflow's tables, as the role of the login's PGUSER and PGPASSWORD."""
        user, password = (quote(login[name], safe="") for name in ("PGUSER", "PGPASSWORD"))
        host, port, database = (self.values[name] for name in ("PGHOST", "PGPORT", "MLFLOW_DATABASE"))
        if host.startswith("/"):  # the folder of a Unix socket
            return f"postgresql+psycopg2://{user}:{password}@/{database}?host={quote(host, safe='')}&port={port}"
        server = f"[{host}]" if ":" in host else host
        return f"postgresql+psycopg2://{user}:{password}@{server}:{port}/{database}"

    def exported(self) -> dict[str, str]:
        """The variables of every process of the project: these values and the addresses derived from them."""
        derived = {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_EXPERIMENT_NAME": names.EXPERIMENT,
            # the server's; on its command line, `ps` would show it
            "MLFLOW_BACKEND_STORE_URI": self.store_uri(self.login("mlflow")),
            # for experiments created without an artifact location, by a server started by hand (the first) or by any
            # client (the second), which would otherwise create ./mlruns in its working directory
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": self.artifacts.as_uri(),
            "_MLFLOW_SERVER_ARTIFACT_ROOT": self.artifacts.as_uri(),
            "MLFLOW_ARTIFACTS_DESTINATION": self.artifacts.as_uri(),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # job execution is not used and takes 2 GB
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",  # without git, MLflow would print three long warnings
            "UV_SYSTEM_CERTS": "true",  # `mlflow run --env-manager uv` trusts the system's certificates, like pip
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            "ROLLOUT_FOLDER": str(self.state / "rollout"),
            "STREAMFLOW_SEAL_KEY": str(self.seal_keys / "private.pem"),
            "ROLLOUT_SEAL_KEY": str(self.seal_keys / "public.pem"),
            "STREAMFLOW_LOGS": str(self.state / "logs"),
            "ENRICHER_ROLLOUT_URL": self.address("ROLLOUT_PORT"),
        }
        # the gateway may use a model server started by hand or another watcher
        pointers = ("ENRICHER_ROLLOUT_URL", "ENRICHER_MODEL_URL")
        chosen = {name: os.environ[name] for name in pointers if os.environ.get(name)}
        lake = {"STREAMFLOW_LAKE": str(self.state / self.values["STREAMFLOW_LAKE"])}
        no_proxy = loopback.proxy_exceptions(os.environ)
        values = {name: value for name, value in self.values.items() if name not in OF_ONE_SERVER}
        return {**derived, **chosen, **values, **lake, **no_proxy, **self._caches()}

    def _caches(self) -> dict[str, str]:
        """Matplotlib's folder if HOME is not writable: else it warns and searches for fonts in each process."""
        home, chosen = os.environ.get("HOME", ""), {"MPLCONFIGDIR", "XDG_CONFIG_HOME"} & os.environ.keys()
        return {} if chosen or os.access(home, os.W_OK) else {"MPLCONFIGDIR": str(self.state / "matplotlib")}

    def child_environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        inherited = libpq_variables.without_ignored(self.values, os.environ)
        inherited_variables.drop_all(inherited)
        inherited = {name: value for name, value in inherited.items() if name not in OF_ONE_SERVER}
        return {**inherited, **self.exported(), "PATH": path, "PYTHONUNBUFFERED": "1"}

    def service_environment(self) -> dict[str, str]:
        """Without any login or key: each server adds its own."""
        return {name: value for name, value in self.child_environment().items() if name not in SECRETS}


def _require_one_server(files: Mapping[str, str]) -> None:
    """The shell's PGHOST may be meant for other programs; .env is meant for this project."""
    host = files["PGHOST"]
    if files["STREAMFLOW_POSTGRES"] == libpq_variables.EMBEDDED and not libpq_variables.is_loopback(host):
        raise StackError(
            f"PGHOST={host!r} in .env is not the stack's own server (STREAMFLOW_POSTGRES=embedded). "
            "To use that server, set STREAMFLOW_POSTGRES=external in .env; else remove PGHOST from it"
        )


def _made_passwords(state: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Of the stack's own server. Another server's are its administrator's: libpq also finds one in ~/.pgpass."""
    if values["STREAMFLOW_POSTGRES"] != libpq_variables.EMBEDDED:
        return {passwords.OWNER: ""}
    try:
        return passwords.made(state.resolve())
    except OSError as error:
        raise StackError(f"STREAMFLOW_STATE={str(state)!r}: {error.strerror}. Use another folder") from error


def _running(state: Path) -> dict[str, str]:
    try:
        settings: dict[str, str] = json.loads((state / "stack.json").read_text())["settings"]
    except (OSError, ValueError, KeyError):
        return {}
    return settings
