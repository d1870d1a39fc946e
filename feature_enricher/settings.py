"""The gateway's settings: defaults here, then ENRICHER_… in the environment, then the factory's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Config

from feature_enricher.errors import InvalidSetting

PREFIX = "ENRICHER"
DEFAULTS: Mapping[str, Any] = {
    "MODEL_URL": "http://127.0.0.1:5001",
    "ROLLOUT_URL": "",
    "REGISTRY_URL": "http://127.0.0.1:5000",
    "MODEL_NAME": "streamflow_churn",
    "STAGE": "Production",
    "DEADLINE_S": 3.0,
    "MODEL_TIMEOUT_S": 2.0,
    "STORE_TIMEOUT_S": 2.0,
    "REGISTRY_TIMEOUT_S": 2.0,
    "WORKERS": 1,
    "TLS_CERT": "",
    "TLS_KEY": "",
    "LANES": 2,
    "MAX_BATCH": 256,
    "MAX_USERS": 1000,
    "MAX_BODY_BYTES": 256 * 1024,
    "MAX_USER_ID_LENGTH": 128,
    "STALE_POLICY": "refuse",
    "STALE_RELATIVE_TO": "newest",
    "FRESHNESS_S": 30.0,
    "API_KEYS": "",
    "ALLOW_OPEN": False,
    "ACCESS_LOG": "all",
}
LONGEST_TIMEOUT_S = 300.0
MOST_WORKERS = 64
MOST_LANES = 16
MOST_USERS = 100_000
SHORTEST_KEY = 16
LARGEST_BODY_BYTES = 64 * 1024 * 1024
LONGEST_USER_ID = 4096


@dataclass(frozen=True)
class Settings:
    model_url: str
    rollout_url: str
    """The watcher; empty: the model server at model_url was started by hand"""
    registry_url: str
    model_name: str
    stage: str
    deadline_s: float
    model_timeout_s: float
    store_timeout_s: float
    registry_timeout_s: float
    workers: int
    """Processes"""
    tls_cert: str
    tls_key: str
    lanes: int
    """Batches on their way at once"""
    max_batch: int
    """Users in one batch"""
    max_users: int
    """Users in one request"""
    max_body_bytes: int
    max_user_id_length: int
    stale_policy: str
    stale_relative_to: str
    freshness_s: float
    """Pause between two looks for the newest event time online"""
    api_keys: tuple[str, ...]
    allow_open: bool
    access_log: str


def load_settings(config: Mapping[str, Any] | None = None) -> Settings:
    """Raises InvalidSetting, naming variable and value, for anything the gateway could not work with."""
    given = Config("")
    given.from_mapping(DEFAULTS)
    given.from_prefixed_env(PREFIX)
    given.from_mapping(config or {})
    return Settings(
        model_url=_url(given, "MODEL_URL"),
        rollout_url=_url(given, "ROLLOUT_URL") if given["ROLLOUT_URL"] != "" else "",
        registry_url=_url(given, "REGISTRY_URL"),
        model_name=_text(given, "MODEL_NAME"),
        stage=_text(given, "STAGE"),
        deadline_s=_seconds(given, "DEADLINE_S"),
        model_timeout_s=_seconds(given, "MODEL_TIMEOUT_S"),
        store_timeout_s=_seconds(given, "STORE_TIMEOUT_S"),
        registry_timeout_s=_seconds(given, "REGISTRY_TIMEOUT_S"),
        workers=_count(given, "WORKERS", MOST_WORKERS),
        tls_cert=str(given["TLS_CERT"]),
        tls_key=str(given["TLS_KEY"]),
        lanes=_count(given, "LANES", MOST_LANES),
        max_batch=_count(given, "MAX_BATCH", MOST_USERS),
        max_users=_count(given, "MAX_USERS", MOST_USERS),
        max_body_bytes=_count(given, "MAX_BODY_BYTES", LARGEST_BODY_BYTES),
        max_user_id_length=_count(given, "MAX_USER_ID_LENGTH", LONGEST_USER_ID),
        stale_policy=_choice(given, "STALE_POLICY", ("refuse", "flag")),
        stale_relative_to=_choice(given, "STALE_RELATIVE_TO", ("newest", "now")),
        freshness_s=_seconds(given, "FRESHNESS_S"),
        api_keys=_keys(given, "API_KEYS"),
        allow_open=_flag(given, "ALLOW_OPEN"),
        access_log=_choice(given, "ACCESS_LOG", ("all", "errors", "off")),
    )


def _wrong(name: str, value: object, wanted: str) -> InvalidSetting:
    return InvalidSetting(f"{PREFIX}_{name}={value!r}: must be {wanted}. See .env.example")


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, value, "a text that is not empty")
    return value


def _url(given: Mapping[str, Any], name: str) -> str:
    value = _text(given, name)
    if not _is_server(value):
        raise _wrong(name, value, "a URL like http://127.0.0.1:5001")
    return value.rstrip("/")


def _is_server(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_sane = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return port_is_sane and parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query


def _seconds(given: Mapping[str, Any], name: str) -> float:
    value = given[name]
    wanted = f"a number of seconds above 0, at most {LONGEST_TIMEOUT_S:g}"
    # NaN is caught too: it compares as false
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_TIMEOUT_S:
        raise _wrong(name, value, wanted)
    return float(value)


def _count(given: Mapping[str, Any], name: str, most: int) -> int:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _wrong(name, value, f"a whole number from 1 to {most}")
    return value


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given[name]
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _choice(given: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    value = given[name]
    if value not in choices:
        raise _wrong(name, value, " or ".join(choices))
    return str(value)


def _keys(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The message names no key: it is for the log."""
    value = given[name]
    keys = tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else ("",)
    if any(len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() for key in keys):
        wanted = f"keys of at least {SHORTEST_KEY} printable ASCII characters, not digits alone, with commas between"
        raise InvalidSetting(f"{PREFIX}_{name}: must be {wanted}. See .env.example")
    return keys
