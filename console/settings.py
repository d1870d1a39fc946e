"""The console's settings: CONSOLE_… in the environment, else these defaults.

libpq reads PostgreSQL's address (PGHOST, PGPORT, …), and MLflow the registry's (MLFLOW_TRACKING_URI).
"""

import os
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import Number, Text, WebAddress, Whole, flag, port, seconds, setting, text, web_address
from configuration.hosts import LOOPBACK, AllowedHosts, Hosts, hosts
from configuration.named_keys import KEYS, NamedKey, split_keys
from console.errors import InvalidSetting

WAITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""MLflow's own are minutes long; a person looks at the page again."""


def _with_names(value: object) -> object:
    if isinstance(value, str) and any(part.strip() and ":" not in part for part in value.split(",")):
        raise ValueError("a key without the name of a person")
    return split_keys(value)


class Settings(EnvironmentSettings):
    model_config = prefixed("CONSOLE_")
    invalid: ClassVar[type[Exception]] = InvalidSetting

    host: Text = text(names.LOOPBACK, "The console listens at this address", section="The console")
    port: Whole = port(names.CONSOLE_PORT, "The console listens at this port")
    published_at: Text | None = text(
        None, "The address at which others reach it, if not CONSOLE_HOST (a container's)", derived=True
    )
    allowed_hosts: Hosts = hosts(
        "Host names that it answers to, besides loopback names and the two addresses above, as\nENRICHER_ALLOWED_HOSTS"
    )
    keys: Annotated[tuple[NamedKey, ...], NoDecode, BeforeValidator(_with_names)] = setting(
        (),
        "Keys of the people who may sign in, each with the name that their decisions are recorded with: NAME:KEY,\n"
        "separated by commas. Without any, pages need no key, nobody can approve a version, and the console only\n"
        "listens on a loopback address …",
        f"{KEYS}; each with a name",
        secret=True,
    )
    allow_open: bool = flag(False, "… unless this is true")
    secure_cookie: bool = flag(False, "Whether browsers reach it through a proxy with TLS alone: its cookie needs TLS")
    gateway_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.GATEWAY_PORT}", "The gateway, which answers for a customer", derived=True
    )
    gateway_key: Text | None = text(
        None, "The key with which it asks the gateway, one of ENRICHER_API_KEYS", secret=True, derived=True
    )
    rollout_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.WATCHER_PORT}",
        "The watcher, which names the version that serves",
        derived=True,
    )
    mlflow_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.MLFLOW_PORT}", "MLflow's UI, as browsers reach it: links lead there",
        derived=True,
    )  # fmt: skip
    mlflow_health_url: WebAddress | None = web_address(
        None, "MLflow's server as the console reaches it, if not CONSOLE_MLFLOW_URL", derived=True
    )
    timeout_s: Number = seconds(3.0, "Longest wait for the gateway, the watcher and MLflow, in seconds")
    approve_command: Text | None = text(
        None,
        "The command that carries out an approval, which needs the owner's login: python -m steps.approve. Without\n"
        "one, approve -P pending=true carries out later what people asked for",
        derived=True,
    )
    approve_timeout_s: Number = seconds(600.0, "Longest wait for that command, in seconds", most=3600.0)

    @property
    def accepted_hosts(self) -> AllowedHosts:
        return AllowedHosts(self.allowed_hosts, (self.host, self.published_at))

    @property
    def approval(self) -> list[str]:
        return shlex.split(self.approve_command or "")

    def check_binding(self) -> None:
        """Raises InvalidSetting if other machines could read the pages without a key."""
        reached_at = self.published_at or self.host
        if reached_at.strip("[]") not in LOOPBACK and not self.keys and not self.allow_open:
            raise InvalidSetting(
                f"Other machines could read the console at {reached_at!r} (CONSOLE_PUBLISHED_AT, or else "
                "CONSOLE_HOST) without a key. Set CONSOLE_KEYS, or CONSOLE_ALLOW_OPEN=true"
            )


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """`overrides`, such as {"PORT": 8081}, win over the environment. Raises InvalidSetting."""
    return Settings.read(overrides)


def shorten_waits() -> None:
    """For this process, unless the environment sets them. Call before mlflow is imported."""
    for name, value in WAITS.items():
        os.environ.setdefault(name, value)
