"""The gateway's settings: what is handed to the factory, then ENRICHER_… and GATEWAY_… in the environment, then these
defaults. Read once, when the application is made; the server uses the same ones."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import (
    Number,
    Text,
    WebAddress,
    Whole,
    choice,
    count,
    flag,
    port,
    seconds,
    setting,
    text,
    web_address,
)
from feature_enricher.errors.base import InvalidSetting

PREFIX = "ENRICHER_"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable, which server/run.py sets for several worker processes"""
FEASTS_METRICS_FOLDER = "PROMETHEUS_MULTIPROCESS_DIR"
MOST_WORKERS = 64
MOST_LANES = 16
MOST_USERS = 100_000
SHORTEST_KEY = 16
LARGEST_BODY_BYTES = 64 * 1024 * 1024
LONGEST_USER_ID = 4096
KEYS = f"keys of at least {SHORTEST_KEY} printable ASCII characters, with commas between"


def _split_keys(value: object) -> object:
    keys = tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value
    if isinstance(keys, tuple) and any(
        len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() for key in keys
    ):
        raise ValueError("a key")
    return keys


class Settings(EnvironmentSettings):
    model_config = prefixed(PREFIX)
    invalid: ClassVar[type[Exception]] = InvalidSetting

    host: Text = text(names.LOOPBACK, "Listens at this address", variable="GATEWAY_HOST", section="The gateway")
    port: Whole = port(names.GATEWAY_PORT, "Listens at this port", variable="GATEWAY_PORT")
    published_at: Text | None = text(
        None,
        "Where others reach it, if not at GATEWAY_HOST (a container's published address); without keys it has to "
        "be this machine",
        variable="GATEWAY_PUBLISHED_AT",
        derived=True,
    )
    tls_cert: Text | None = text(None, "A PEM file with a certificate: the gateway speaks TLS", derived=True)
    tls_key: Text | None = text(None, "The certificate's key, a PEM file without password", derived=True)
    rollout_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.WATCHER_PORT}", "The watcher, which names the live model server", derived=True
    )
    model_url: WebAddress | None = web_address(
        None, "A model server that was started by hand, asked instead of the watcher's", derived=True
    )
    registry_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.MLFLOW_PORT}",
        "MLflow, asked for the features of the version in the stage",
        derived=True,
    )
    model_name: Text = text(names.MODEL_NAME, "The registered model")
    stage: Text = text(names.PRODUCTION, "The stage that is served")
    deadline_s: Number = seconds(
        3.0, "A request is answered within this time (seconds); lookup and model call share it"
    )
    store_timeout_s: Number = seconds(2.0, "Longest wait for the feature store")
    model_timeout_s: Number = seconds(2.0, "Longest wait for the model server")
    registry_timeout_s: Number = seconds(2.0, "Longest wait for MLflow")
    workers: Whole = count(1, "Processes", most=MOST_WORKERS)
    lanes: Whole = count(2, "Batches in flight, per process", most=MOST_LANES)
    max_batch: Whole = count(256, "Users in one batch", most=MOST_USERS)
    max_users: Whole = count(1000, "Users in one request", most=MOST_USERS)
    max_body_bytes: Whole = count(256 * 1024, "Bytes of a request's body", most=LARGEST_BODY_BYTES)
    max_user_id_length: Whole = count(128, "Characters of a user_id", most=LONGEST_USER_ID)
    stale_policy: Literal["refuse", "flag"] = choice(
        "refuse",
        "Values older than their view's largest age (a tag in feature_repo/features.py): refuse them, or "
        "answer with a flag",
    )
    stale_relative_to: Literal["newest", "now"] = choice(
        "newest", "The age is counted from the newest event time online, or from now"
    )
    freshness_s: Number = seconds(30.0, "Seconds between two looks for the newest event time online")
    api_keys: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_keys)] = setting(
        (),
        "Keys for X-API-Key, several with commas between. Without any, only this machine may be listened to …",
        KEYS,
        secret=True,
    )
    allow_open: bool = flag(False, "… unless this is true")
    access_log: Literal["all", "errors", "off"] = choice(
        "errors", "One JSON line per request: all, errors (5xx) or off"
    )

    @property
    def reached_at(self) -> str:
        """The address at which others reach the gateway."""
        return self.published_at or self.host


def share_metrics(folder: str | None) -> None:
    """None: with nobody, whatever the shell says. To be called before prometheus_client is imported."""
    os.environ.pop(METRICS_FOLDER.lower(), None)  # its older name
    os.environ.pop(METRICS_FOLDER, None)
    if folder:
        os.environ[METRICS_FOLDER] = folder
    # where this one is not set, Feast makes a temporary folder, which a worker process would leave behind
    os.environ[FEASTS_METRICS_FOLDER] = folder or ""


def metrics_folder(settings: Settings) -> str | None:
    """Where several worker processes share their metrics."""
    return os.environ[METRICS_FOLDER] if settings.workers > 1 and METRICS_FOLDER in os.environ else None


def load_settings(config: Mapping[str, Any] | None = None) -> Settings:
    """config wins over the environment: {"MAX_USERS": 10, "GATEWAY_PORT": 8001}. Raises InvalidSetting."""
    return Settings.read(config)
