"""The watcher's settings: defaults here, then ROLLOUT_… in the environment. Its one reader of the environment.

Where the registry is, MLflow reads itself (MLFLOW_TRACKING_URI), and where PostgreSQL is, libpq (PGHOST, PGPORT, …).
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import InvalidSetting

PREFIX = "ROLLOUT_"
DEFAULTS: Mapping[str, str] = {
    "HOST": "127.0.0.1",
    "PORT": "5001",
    "MODEL_NAME": "streamflow_churn",
    "STAGE": "Production",
    "MODEL_HOST": "127.0.0.1",
    "MODEL_ADDRESS": "",
    "MODEL_PORTS": "0",
    "FOLDER": ".streamflow/rollout",
    "POLL_S": "1.0",
    "START_TIMEOUT_S": "90",
    "SILENCE_S": "15",
    "DRAIN_S": "5.0",
}
# The client's own defaults are minutes long; a registry that is away is asked again at the next poll.
SHORT_WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
HIGHEST_PORT = 65535
LONGEST_S = 3600.0


@dataclass(frozen=True)
class Settings:
    host: str  # the watcher listens here, and says who is live
    port: int
    model_name: str
    stage: str
    model_host: str  # model servers listen here …
    model_address: str  # … and the gateway reaches them by this name
    model_ports: range  # empty: any free port
    folder: Path
    poll_s: float  # between two looks at the registry
    start_timeout_s: float  # for a new model server to become healthy
    silence_s: float  # a live server that does not answer for so long is replaced
    drain_s: float  # from the turn-over to the end of the old server


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Raises InvalidSetting, naming variable and value."""
    given = os.environ if environment is None else environment
    values = {name: given.get(PREFIX + name, default) for name, default in DEFAULTS.items()}
    return Settings(
        host=_text(values, "HOST"),
        port=_port(values, "PORT"),
        model_name=_text(values, "MODEL_NAME"),
        stage=_text(values, "STAGE"),
        model_host=_text(values, "MODEL_HOST"),
        model_address=values["MODEL_ADDRESS"].strip() or _text(values, "MODEL_HOST"),
        model_ports=_ports(values, "MODEL_PORTS"),
        folder=Path(_text(values, "FOLDER")).expanduser().resolve(),
        poll_s=_seconds(values, "POLL_S"),
        start_timeout_s=_seconds(values, "START_TIMEOUT_S"),
        silence_s=_seconds(values, "SILENCE_S"),
        drain_s=_seconds(values, "DRAIN_S"),
    )


def shorten_waits() -> None:
    """For this process, unless the environment says otherwise; to be called before mlflow is imported."""
    for name, value in SHORT_WAITS.items():
        os.environ.setdefault(name, value)


def server_environment(temporary: Path) -> dict[str, str]:
    """For one `mlflow models serve`. Its temporary files stay in one folder, which goes when it does."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",  # requests side by side would fight over threads
        "UVICORN_LOG_LEVEL": "warning",  # else a line per request, for ever
    }


def _wrong(name: str, value: str, wanted: str) -> InvalidSetting:
    return InvalidSetting(f"{PREFIX}{name}={value!r}: must be {wanted}. See .env.example")


def _text(values: Mapping[str, str], name: str) -> str:
    if not values[name].strip():
        raise _wrong(name, values[name], "a text that is not empty")
    return values[name]


def _port(values: Mapping[str, str], name: str) -> int:
    if not (values[name].isdecimal() and 1 <= int(values[name]) <= HIGHEST_PORT):
        raise _wrong(name, values[name], f"a port from 1 to {HIGHEST_PORT}")
    return int(values[name])


def _ports(values: Mapping[str, str], name: str) -> range:
    if values[name] == "0":
        return range(0)
    low, dash, high = values[name].partition("-")
    if not (dash and low.isdecimal() and high.isdecimal() and 1 <= int(low) < int(high) <= HIGHEST_PORT):
        raise _wrong(name, values[name], "0 for any free port, or a range like 5010-5029")
    return range(int(low), int(high) + 1)


def _seconds(values: Mapping[str, str], name: str) -> float:
    try:
        seconds = float(values[name])
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_S:  # NaN is caught too: it compares as false
        raise _wrong(name, values[name], f"a number of seconds above 0, at most {LONGEST_S:g}")
    return seconds
