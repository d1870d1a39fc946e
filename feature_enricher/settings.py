"""The gateway's settings. The factory's arguments win over ENRICHER_… and GATEWAY_… in the environment, and those over
these defaults. Read once, when the application is created; the server uses the same ones."""

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
from configuration.hosts import AllowedHosts, Hosts, hosts
from configuration.model_address import ModelAddress, TlsFolder, model_address, tls_folder
from configuration.named_keys import KEYS, NamedKey, split_keys
from feature_enricher.errors.base import InvalidSetting

PREFIX = "ENRICHER_"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's variable, which server/run.py sets for several worker processes"""
FEASTS_METRICS_FOLDER = "PROMETHEUS_MULTIPROCESS_DIR"
MOST_WORKERS = 64
LONGEST_DRAIN_S = 300
MOST_CONCURRENT_BATCHES = 16
MOST_USERS = 100_000
MOST_REQUESTS_PER_S = 100_000
LARGEST_BODY_BYTES = 64 * 1024 * 1024
LONGEST_USER_ID = 4096


class Settings(EnvironmentSettings):
    model_config = prefixed(PREFIX)
    invalid: ClassVar[type[Exception]] = InvalidSetting

    host: Text = text(
        names.LOOPBACK, "The gateway listens at this address", variable="GATEWAY_HOST", section="The gateway"
    )
    port: Whole = port(names.GATEWAY_PORT, "The gateway listens at this port", variable="GATEWAY_PORT")
    published_at: Text | None = text(
        None,
        "The address at which others reach it, if not GATEWAY_HOST (a container's); without keys, a loopback address",
        variable="GATEWAY_PUBLISHED_AT",
        derived=True,
    )
    allowed_hosts: Hosts = hosts(
        "Host names that it answers to, besides loopback names and the two addresses above (0.0.0.0: every IP\n"
        "address); *.example.com for all names below one; * for all, only behind a proxy that checks them"
    )
    tls_cert: Text | None = text(None, "A PEM file with a certificate: the gateway then uses TLS", derived=True)
    tls_key: Text | None = text(None, "The certificate's key, a PEM file without password", derived=True)
    rollout_url: WebAddress = web_address(
        f"http://{names.LOOPBACK}:{names.WATCHER_PORT}", "The watcher, which names the live model server", derived=True
    )
    model_url: ModelAddress | None = model_address(
        "A model server that you started yourself, used instead of the watcher's", derived=True
    )
    model_tls: TlsFolder | None = tls_folder("The files for model servers with ROLLOUT_MODEL_TLS", derived=True)
    console_url: WebAddress | None = web_address(
        None, "The console, to which / leads browsers; without one it leads to /docs", derived=True
    )
    deadline_s: Number = seconds(3.0, "Seconds within which a request is answered; lookup and model call share them")
    store_timeout_s: Number = seconds(2.0, "Longest wait for the feature store, in seconds")
    model_timeout_s: Number = seconds(2.0, "Longest wait for the model server, in seconds")
    drain_s: Number = setting(
        0.0,
        "Seconds after SIGTERM for which /ready says 503 and requests are still accepted; behind a load balancer or\n"
        "in Kubernetes, longer than it takes them to notice, such as 10",
        f"a number of seconds from 0 to {LONGEST_DRAIN_S}",
        ge=0,
        le=LONGEST_DRAIN_S,
        allow_inf_nan=False,
    )
    workers: Whole = count(1, "Worker processes", most=MOST_WORKERS)
    concurrent_batches: Whole = count(
        2, "Batches in flight at the same time, per process", most=MOST_CONCURRENT_BATCHES
    )
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
        "newest", "Ages are counted from the newest event time online, or from now"
    )
    freshness_s: Number = seconds(30.0, "Seconds between two queries for the newest event time online")
    api_keys: Annotated[tuple[NamedKey, ...], NoDecode, BeforeValidator(split_keys)] = setting(
        (),
        "Keys for X-API-Key, separated by commas, each with a name for log and metrics: NAME:KEY. Without any, the\n"
        "gateway only listens on a loopback address …",
        KEYS,
        secret=True,
    )
    allow_open: bool = flag(False, "… unless this is true")
    requests_per_s: Number = setting(
        0.0,
        "Requests a second of a client, and as many at once: of a key, or of an address without one; 0 for no limit.\n"
        "Each worker process counts its own",
        f"a number from 0 to {MOST_REQUESTS_PER_S}",
        ge=0,
        le=MOST_REQUESTS_PER_S,
        allow_inf_nan=False,
    )
    prediction_log: Number = setting(
        1.0,
        "The prediction log: the share of requests whose users are logged in PostgreSQL, each as a row; 0: off",
        "a number from 0 to 1",
        ge=0,
        le=1,
        allow_inf_nan=False,
    )
    log_user: Text | None = text(None, "The role that appends to it; without one, it is off", derived=True)
    log_password: Text | None = text(None, "That role's password", secret=True, derived=True)
    access_log: Literal["all", "errors", "off"] = choice(
        "errors", "One JSON line per request: all, errors (5xx) or off"
    )

    @property
    def accepted_hosts(self) -> AllowedHosts:
        return AllowedHosts(self.allowed_hosts, (self.host, self.published_at))

    @property
    def reached_at(self) -> str:
        """The address at which other machines reach the gateway."""
        return self.published_at or self.host


def share_metrics(folder: str | None) -> None:
    """Shares metrics in the folder. None: does not share them, even if the shell sets a folder. Call before the import
    of prometheus_client."""
    os.environ.pop(METRICS_FOLDER.lower(), None)  # its older name
    os.environ.pop(METRICS_FOLDER, None)
    if folder:
        os.environ[METRICS_FOLDER] = folder
    # without it, Feast creates a temporary folder, which a worker process would leave behind
    os.environ[FEASTS_METRICS_FOLDER] = folder or ""


def metrics_folder(settings: Settings) -> str | None:
    """The folder in which several worker processes share their metrics."""
    return os.environ[METRICS_FOLDER] if settings.workers > 1 and METRICS_FOLDER in os.environ else None


def load_settings(config: Mapping[str, Any] | None = None) -> Settings:
    """config, such as {"MAX_USERS": 10, "GATEWAY_PORT": 8001}, wins over the environment. Raises InvalidSetting."""
    return Settings.read(config)
