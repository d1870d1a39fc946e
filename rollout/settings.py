"""The watcher's settings: ROLLOUT_… in the environment, else these defaults.

MLflow itself reads the registry's address (MLFLOW_TRACKING_URI), and libpq PostgreSQL's (PGHOST, PGPORT, …).
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, PlainValidator, model_validator
from pydantic_settings import NoDecode

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import (
    HIGHEST_PORT,
    Folder,
    Number,
    Text,
    Whole,
    count,
    flag,
    folder,
    port,
    seconds,
    setting,
    text,
)
from configuration.hosts import Hosts, hosts
from configuration.model_address import LONGEST_SOCKET_PATH, TlsFolder, tls_folder
from rollout.errors import InvalidSetting

PREFIX = "ROLLOUT_"
# The client's own defaults are minutes long; the next poll asks an unavailable registry again.
SHORT_WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
LONGEST_S = 3600.0
ANY_PORT = "0"
LONGEST_FOLDER = LONGEST_SOCKET_PATH - 45
"""Bytes of the path of the folder for sockets: they are in a folder below it"""
SERVER_VARIABLES = (
    "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "NO_PROXY", "no_proxy", "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED", "COVERAGE_PROCESS_START",
)  # fmt: skip


def _ports(value: object) -> range:
    if value == ANY_PORT:
        return range(0)
    low, _dash, high = str(value).partition("-")
    if not (low.isdecimal() and high.isdecimal() and 1 <= int(low) < int(high) <= HIGHEST_PORT):
        raise ValueError("not a range of ports")
    return range(int(low), int(high) + 1)


def _short(path: Path) -> Path:
    resolved = path.expanduser().resolve()
    if len(os.fsencode(resolved)) > LONGEST_FOLDER:
        raise ValueError("too long for the path of a socket")
    return resolved


class Settings(EnvironmentSettings):
    model_config = prefixed(PREFIX)
    invalid: ClassVar[type[Exception]] = InvalidSetting

    host: Text = text(names.LOOPBACK, "Address to listen on", section="The watcher")
    port: Whole = port(names.WATCHER_PORT, "Port to listen on")
    allowed_hosts: Hosts = hosts(
        "Host names that it answers to, besides loopback names and ROLLOUT_HOST (0.0.0.0: every IP address);\n"
        "*.example.com for all names below one; * for all, which allows DNS rebinding"
    )
    model_name: Text = text(names.MODEL_NAME, "The registered model")
    stage: Text = text(names.PRODUCTION, "The stage to serve")
    sockets: Annotated[Folder, AfterValidator(_short)] | None = setting(
        None,
        "The folder for the Unix sockets of model servers, if not the temporary folder; share it with a gateway in\n"
        "another container",
        f"a folder whose path has at most {LONGEST_FOLDER} bytes",
        derived=True,
    )
    model_tls: TlsFolder | None = tls_folder(
        "The files with which model servers listen at a port of another machine than the gateway's, instead of a Unix\n"
        "socket: they answer only clients with a certificate of ca.crt",
        derived=True,
    )
    model_host: Text = text(names.LOOPBACK, "With ROLLOUT_MODEL_TLS: the address that model servers listen on")
    model_address: Text | None = text(
        None, "Address of the model servers as the gateway sees it, if not ROLLOUT_MODEL_HOST", derived=True
    )
    model_ports: Annotated[range, NoDecode, PlainValidator(_ports)] = setting(
        ANY_PORT, "With ROLLOUT_MODEL_TLS: their ports, any free port (0), or a range like 5010-5029",
        "0 for any free port, or a range like 5010-5029", validate_default=True,
    )  # fmt: skip
    folder: Annotated[Folder, AfterValidator(lambda path: path.expanduser().resolve())] = folder(
        ".streamflow/rollout", "Folder for the downloaded models", validate_default=True, derived=True
    )
    poll_s: Number = seconds(1.0, "Seconds between two polls of the registry", most=LONGEST_S)
    start_timeout_s: Number = seconds(90.0, "Longest wait until a new model server is healthy", most=LONGEST_S)
    silence_s: Number = seconds(
        15.0, "A live model server is replaced if it does not answer for this long", most=LONGEST_S
    )
    drain_s: Number = seconds(
        5.0, "Time from the switch to a new model server to the end of the old one", most=LONGEST_S
    )
    probation_s: Number = setting(
        300.0,
        "After a promotion the old server is kept for this long, and serves again if the new version fails; 0: not\n"
        "kept (docs/promotion.md, the automatic way back)",
        f"a number of seconds from 0 to {LONGEST_S:g}", ge=0, le=LONGEST_S, allow_inf_nan=False,
    )  # fmt: skip
    probation_answers: Whole = count(50, "Answers of a new version before they are judged", most=1_000_000)
    probation_failed: Number = setting(
        0.05, "Turn back when this share of its answers failed, more than of the old version's",
        "a share from 0 to 1", ge=0, le=1,
    )  # fmt: skip
    probation_latency_s: Number = seconds(
        0.5, "Turn back when a call takes longer than this on average, and twice as long as the old version's"
    )

    seal_key: Folder = setting(
        ".streamflow/seal/public.pem", "The public key that verifies the seals of models", "a file",
        validate_default=True, derived=True,
    )  # fmt: skip
    require_gate: bool = flag(True, "Serve only versions that passed the gate or were forced past it")
    examine_timeout_s: Number = seconds(
        600.0, "Longest examination of a version that was promoted without a verdict of the gate", most=LONGEST_S
    )

    examine_command: Text | None = text(
        None, "The command of that examination, which needs the owner's login; else python -m steps.examine",
        derived=True,
    )  # fmt: skip

    @property
    def examination(self) -> list[str]:
        return shlex.split(self.examine_command or "") or [sys.executable, "-m", "steps.examine"]

    @model_validator(mode="after")
    def _require_tls_for_an_address(self) -> Self:
        if self.model_address and not self.model_tls:
            raise ValueError(
                f"ROLLOUT_MODEL_ADDRESS={self.model_address!r} needs ROLLOUT_MODEL_TLS: without it, model servers have "
                "no port. See docs/security.md, model servers"
            )
        return self

    @property
    def models_reached_at(self) -> str:
        return self.model_address or self.model_host


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """`overrides`, such as {"POLL_S": 0.1}, win over the environment. Raises InvalidSetting with variable and value."""
    return Settings.read(overrides)


def shorten_waits() -> None:
    """For this process, unless the environment sets them. Call before mlflow is imported."""
    for name, value in SHORT_WAITS.items():
        os.environ.setdefault(name, value)


def server_environment(temporary: Path, **listener: str) -> dict[str, str]:
    """For one `mlflow models serve`: only SERVER_VARIABLES and these, without passwords and keys. Its temporary files
    and its home are in the folder `temporary`. listener: where it listens."""
    programs = str(Path(sys.executable).parent)
    return {
        **{name: os.environ[name] for name in SERVER_VARIABLES if name in os.environ},
        "HOME": str(temporary),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",  # without git, MLflow would print three long warnings
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",  # concurrent requests would compete for threads
        "UVICORN_LOG_LEVEL": "warning",  # else it logs a line per request
        **listener,
    }


def step_environment() -> dict[str, str]:
    """For a step: this process's variables. What it prints and its errors arrive in their order: the last line of the
    two is the one that says how it ended."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
