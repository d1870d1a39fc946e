"""The variables of the stack on one machine and of docker-compose.yml, with their defaults. Other programs read some of
them. An empty variable counts as not set."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed, unknown_variables
from configuration.fields import Folder, Text, Whole, choice, count, flag, folder, port, text

ROOT = Path(__file__).resolve().parents[2]
PREFIXES = ("STREAMFLOW_", "ENRICHER_", "ROLLOUT_", "CONSOLE_")
# a line of .env.example; a comment if the stack and docker-compose.yml set the variable
EXAMPLE_LINE = re.compile(r"^(?:# )?([A-Z_]+)=", re.MULTILINE)


class StackVariables(EnvironmentSettings):
    model_config = prefixed("STREAMFLOW_")

    pghost: Text = text(
        names.LOOPBACK, "Its address", variable="PGHOST",
        section="PostgreSQL: read by libpq itself (warehouse, feature store) under these standard names",
    )  # fmt: skip
    pgport: Whole = port(names.POSTGRES_PORT, "Its port", variable="PGPORT")
    pguser: Text = text("streamflow", "The role that owns both databases; no superuser", variable="PGUSER")
    pgpassword: Text | None = text(
        None,
        "Its password. The stack on one machine makes this password and the five below, which are in\n"
        "STREAMFLOW_STATE/passwords; values here win. For another server, set them",
        variable="PGPASSWORD", secret=True,
    )  # fmt: skip
    mlflow_password: Text | None = text(
        None,
        "The password of PGUSER_mlflow, MLflow's server: changes rows of its database. Of another server (external),\n"
        "a role without a password is not used: PGUSER takes its place",
        variable="MLFLOW_DATABASE_PASSWORD", secret=True,
    )  # fmt: skip
    watcher_password: Text | None = text(
        None, "The password of PGUSER_watcher: reads the registry and seals, records what serves",
        variable="WATCHER_PASSWORD", secret=True,
    )  # fmt: skip
    reader_password: Text | None = text(
        None, "The password of PGUSER_reader, the gateway: reads features and nothing else",
        variable="READER_PASSWORD", secret=True,
    )  # fmt: skip
    prediction_log_password: Text | None = text(
        None, "The password of PGUSER_log, with which the gateway appends to the prediction log.\n"
        "Of another server (external), there is no prediction log without it",
        variable="PREDICTION_LOG_PASSWORD", secret=True,
    )  # fmt: skip
    console_database_password: Text | None = text(
        None, "The password of PGUSER_console, the console: reads what its pages show, appends requests",
        variable="CONSOLE_DATABASE_PASSWORD", secret=True,
    )  # fmt: skip
    pgdatabase: Text = text("streamflow", "The database of the warehouse and the feature store", variable="PGDATABASE")
    pgsslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = choice(
        "prefer", "Whether connections are encrypted", variable="PGSSLMODE"
    )
    pgconnect_timeout: Whole = count(
        5, "Longest wait for a connection, in seconds", most=3600, variable="PGCONNECT_TIMEOUT"
    )
    mlflow_database: Text = text(
        "mlflow", "The database of MLflow's tables, in the same server", variable="MLFLOW_DATABASE"
    )
    mlflow_port: Whole = port(
        names.MLFLOW_PORT, "Port of MLflow's server and UI", variable="MLFLOW_PORT",
        section="The stack on one machine; its ports are on the loopback interface",
    )  # fmt: skip
    rollout_port: Whole = port(names.WATCHER_PORT, "Port of the watcher", variable="ROLLOUT_PORT")
    gateway_port: Whole = port(names.GATEWAY_PORT, "Port of the gateway", variable="GATEWAY_PORT")
    console_port: Whole = port(names.CONSOLE_PORT, "Port of the console", variable="CONSOLE_PORT")
    monitoring: bool = flag(
        False, "Starts Prometheus with the rules and alerts of deploy/monitoring; its program must be installed",
        variable="MONITORING",
    )  # fmt: skip
    prometheus_port: Whole = port(9090, "Port of Prometheus and its page", variable="PROMETHEUS_PORT")
    state: Folder = folder(".streamflow", "The folder for data, artifacts and logs")
    postgres: Literal["embedded", "external"] = choice(
        "embedded",
        "embedded: the stack runs its own PostgreSQL; external: it uses the server at PGHOST:PGPORT",
    )
    lake: Folder = folder(
        "lake",
        "The folder of each month's snapshots as Parquet files, below STREAMFLOW_STATE unless it begins with a slash",
    )
    python_image: Text = text(
        "python:3.11-slim",
        "The image that the project's image is built on; python:3.11-slim@sha256:… is always the same one",
        variable="PYTHON_IMAGE", section="Containers (docker-compose.yml)",
    )  # fmt: skip
    postgres_image: Text = text("postgres:16", "PostgreSQL's image, also with a digest", variable="POSTGRES_IMAGE")
    publish_address: Text = text(
        names.LOOPBACK,
        "The address at which MLFLOW_PORT, GATEWAY_PORT and CONSOLE_PORT are published. Outside this machine, the\n"
        "gateway needs ENRICHER_API_KEYS, and the console CONSOLE_KEYS",
        variable="PUBLISH_ADDRESS",
    )

    prometheus_image: Text = text(
        "prom/prometheus:v2.55.1", "Prometheus' image, for the profile `monitoring`", variable="PROMETHEUS_IMAGE"
    )
    alertmanager_image: Text = text("prom/alertmanager:v0.27.0", "Alertmanager's image", variable="ALERTMANAGER_IMAGE")
    grafana_image: Text = text("grafana/grafana:11.3.0", "Grafana's image", variable="GRAFANA_IMAGE")
    alertmanager_port: Whole = port(9093, "Port of Alertmanager, on 127.0.0.1", variable="ALERTMANAGER_PORT")
    grafana_port: Whole = port(3000, "Port of Grafana, at PUBLISH_ADDRESS", variable="GRAFANA_PORT")
    grafana_password: Text | None = text(
        None, "The password of Grafana's user admin. It is made if it is not set", variable="GRAFANA_ADMIN_PASSWORD",
        secret=True,
    )  # fmt: skip


def defaults() -> dict[str, str]:
    """Of those that have one: passwords have none."""
    fields = StackVariables.variables().items()
    return {name: str(field.default) for name, field in fields if field.default is not None}


def checked(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values`. Raises InvalidSettings if one of the stack's own is invalid."""
    StackVariables.read({name: values[name] for name in StackVariables.variables() if values.get(name)})
    return dict(values)


def env_file() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}


def shell() -> dict[str, str]:
    """The shell's values of the project's variables and of those in .env."""
    names = all_names() | env_file().keys()
    return {name: value for name, value in os.environ.items() if value and name in names}


def all_names() -> set[str]:
    """The variables of all programs of the project."""
    return set(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))


def unknown() -> list[str]:
    """A warning for each unknown variable, in the shell or .env, that begins with one of the PREFIXES."""
    return unknown_variables({*os.environ, *env_file()}, PREFIXES, all_names())
