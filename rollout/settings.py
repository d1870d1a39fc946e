"""The watcher's settings: ROLLOUT_… in the environment, else these defaults. Its one reader of the environment.

Where the registry is, MLflow reads itself (MLFLOW_TRACKING_URI), and where PostgreSQL is, libpq (PGHOST, PGPORT, …).
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, PlainValidator
from pydantic_settings import NoDecode

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import HIGHEST_PORT, Folder, Number, Text, Whole, folder, port, seconds, setting, text
from rollout.errors import InvalidSetting

PREFIX = "ROLLOUT_"
# The client's own defaults are minutes long; a registry that is away is asked again at the next poll.
SHORT_WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
LONGEST_S = 3600.0
ANY_PORT = "0"


def _ports(value: object) -> range:
    if value == ANY_PORT:
        return range(0)
    low, _dash, high = str(value).partition("-")
    if not (low.isdecimal() and high.isdecimal() and 1 <= int(low) < int(high) <= HIGHEST_PORT):
        raise ValueError("no range of ports")
    return range(int(low), int(high) + 1)


class Settings(EnvironmentSettings):
    model_config = prefixed(PREFIX)
    invalid: ClassVar[type[Exception]] = InvalidSetting

    host: Text = text(names.LOOPBACK, "Listens at this address", section="The watcher")
    port: Whole = port(names.WATCHER_PORT, "Listens at this port")
    model_name: Text = text(names.MODEL_NAME, "The registered model")
    stage: Text = text(names.PRODUCTION, "The stage that is served")
    model_host: Text = text(names.LOOPBACK, "Model servers listen at this address")
    model_address: Text | None = text(
        None, "The gateway reaches model servers by this name, if not at ROLLOUT_MODEL_HOST", derived=True
    )
    model_ports: Annotated[range, NoDecode, PlainValidator(_ports)] = setting(
        ANY_PORT, "Model servers take a free port (0), or one of a range like 5010-5029",
        "0 for any free port, or a range like 5010-5029", validate_default=True,
    )  # fmt: skip
    folder: Annotated[Folder, AfterValidator(lambda path: path.expanduser().resolve())] = folder(
        ".streamflow/rollout", "For the downloaded models", validate_default=True, derived=True
    )
    poll_s: Number = seconds(1.0, "Seconds between two looks at the registry", most=LONGEST_S)
    start_timeout_s: Number = seconds(90.0, "Longest wait for a new model server to become healthy", most=LONGEST_S)
    silence_s: Number = seconds(
        15.0, "A live model server that does not answer for so long is replaced", most=LONGEST_S
    )
    drain_s: Number = seconds(5.0, "From the switch to a new model server to the end of the old one", most=LONGEST_S)

    @property
    def models_reached_at(self) -> str:
        return self.model_address or self.model_host


def load_settings(given: Mapping[str, Any] | None = None) -> Settings:
    """given wins over the environment: {"POLL_S": 0.1}. Raises InvalidSetting, naming variable and value."""
    return Settings.read(given)


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
