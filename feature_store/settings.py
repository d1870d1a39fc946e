"""Where the feature store keeps its values: STREAMFLOW_… in the environment. PostgreSQL's address is in libpq's own
variables."""

import importlib.util
import os
from collections.abc import Iterable
from datetime import date
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import Folder, choice, folder, setting

REDIS_URLS = ("redis://", "rediss://", "unix://")


class UnsetVariables(ValueError):
    """Some of libpq's variables are not set; libpq would connect to another server."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(f"Not set: {', '.join(names)}. Run: . .venv/bin/activate (or see .env.example)")


class UnusableOnlineStore(ValueError):
    """STREAMFLOW_ONLINE_STORE or STREAMFLOW_REDIS is invalid, or the client that they need is not installed."""


def _redis_address(value: str) -> str:
    if not value.startswith(REDIS_URLS) or urlsplit(value).port == 0:  # port raises for one that is no number
        raise ValueError("not an address")
    return value


class StoreSettings(EnvironmentSettings):
    model_config = prefixed("STREAMFLOW_")
    invalid: ClassVar[type[Exception]] = UnusableOnlineStore

    lake: Folder | None = folder(None, "As above, absolute", derived=True)
    online_store: Literal["postgres", "redis"] = choice(
        "postgres",
        "The values of the month that is online: in postgres, or in redis (needs requirements-redis.txt); materialize\n"
        "after a change",
        section="The feature store",
    )
    redis: Annotated[str, AfterValidator(_redis_address)] = setting(
        "redis://127.0.0.1:6379/0",
        "Redis: rediss:// for TLS, redis://:password@host:6379/0 with a password",
        "an address like redis://127.0.0.1:6379/0",
    )

    def lake_files(self, table: str, as_of: date | str = "*") -> str:
        """The table's Parquet file of a month, or a pattern for the files of all months."""
        return f"{self.lake_folder(table)}/as_of={as_of}/snapshot.parquet"

    def lake_folder(self, table: str) -> str:
        return f"{self.lake}/{table}"


def redis_url() -> str | None:
    """Redis' address if the online values are there, None if they are in PostgreSQL. Raises UnusableOnlineStore."""
    settings = StoreSettings.read()
    if settings.online_store == "postgres":
        return None
    if importlib.util.find_spec("redis") is None:
        raise UnusableOnlineStore("Redis needs its client: .venv/bin/uv pip install -r requirements-redis.txt")
    return settings.redis


def unset(names: Iterable[str]) -> list[str]:
    """The variables among `names` that are not set. Feast or libpq read them themselves."""
    return sorted({name for name in names if name not in os.environ})


def libpq_variable(name: str) -> str | None:
    return os.environ.get(name)
