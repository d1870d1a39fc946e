"""The variables of the stack on one machine and of docker-compose.yml, with their defaults; what other programs read is
handed on to them. One that is empty counts as one that is not set."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed, unknown_variables
from configuration.fields import Folder, Text, Whole, choice, count, folder, port, text

ROOT = Path(__file__).resolve().parent.parent
OURS = ("STREAMFLOW_", "ENRICHER_", "ROLLOUT_")
# a line of .env.example; a comment where the stack and docker-compose.yml set the variable themselves
EXAMPLE_LINE = re.compile(r"^(?:# )?([A-Z_]+)=", re.MULTILINE)


class StackVariables(EnvironmentSettings):
    model_config = prefixed("STREAMFLOW_")

    pghost: Text = text(
        names.LOOPBACK, "The server", variable="PGHOST",
        section="PostgreSQL: read by libpq itself (warehouse, feature store) under these standard names",
    )  # fmt: skip
    pgport: Whole = port(names.POSTGRES_PORT, "Its port", variable="PGPORT")
    pguser: Text = text("streamflow", "The role that owns everything", variable="PGUSER")
    pgpassword: Text = text("streamflow", "Its password", variable="PGPASSWORD", secret=True)
    pgdatabase: Text = text("streamflow", "The database of the warehouse and the feature store", variable="PGDATABASE")
    pgsslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = choice(
        "prefer", "Whether connections are encrypted", variable="PGSSLMODE"
    )
    pgconnect_timeout: Whole = count(5, "Seconds", most=3600, variable="PGCONNECT_TIMEOUT")
    mlflow_database: Text = text(
        "mlflow", "MLflow's tables are in the same server, in a database of their own", variable="MLFLOW_DATABASE"
    )
    mlflow_port: Whole = port(
        names.MLFLOW_PORT, "Port of MLflow's server and UI", variable="MLFLOW_PORT",
        section="The stack on one machine; its ports are on the loopback interface",
    )  # fmt: skip
    rollout_port: Whole = port(names.WATCHER_PORT, "Port of the watcher", variable="ROLLOUT_PORT")
    gateway_port: Whole = port(names.GATEWAY_PORT, "Port of the gateway", variable="GATEWAY_PORT")
    state: Folder = folder(".streamflow", "The folder for data, artifacts and logs")
    postgres: Literal["embedded", "external"] = choice(
        "embedded",
        "embedded: the stack runs its own PostgreSQL; external: one that answers at PGHOST:PGPORT already",
    )
    lake: Folder = folder(
        "lake",
        "Each month's snapshots as Parquet files: a folder, below STREAMFLOW_STATE unless it begins with a slash",
    )
    reader_password: Text = text(
        "streamflow_reader",
        "The password of the gateway's role PGUSER_reader, which reads features and nothing else\n"
        "(the stack on one machine makes a new one at every start)",
        variable="READER_PASSWORD", secret=True, section="Containers (docker-compose.yml)",
    )  # fmt: skip
    publish_address: Text = text(
        names.LOOPBACK,
        "The address at which MLFLOW_PORT and GATEWAY_PORT are published. Beyond this machine, the gateway needs\n"
        "ENRICHER_API_KEYS",
        variable="PUBLISH_ADDRESS",
    )
    mlflow_allowed_hosts: Text = text(
        f"mlflow,mlflow:*,localhost:*,{names.LOOPBACK}:*",
        "The names that MLflow may be called by",
        variable="MLFLOW_ALLOWED_HOSTS",
    )


def defaults() -> dict[str, str]:
    return {name: str(field.default) for name, field in StackVariables.variables().items()}


def checked(values: Mapping[str, str]) -> dict[str, str]:
    """The same values. Raises InvalidSettings for those that the stack itself cannot use."""
    StackVariables.read({name: values[name] for name in StackVariables.variables()})
    return dict(values)


def of_env_file() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}


def of_shell() -> dict[str, str]:
    """What the shell sets of our variables, and of those that .env sets."""
    names = all_names() | of_env_file().keys()
    return {name: value for name, value in os.environ.items() if value and name in names}


def all_names() -> set[str]:
    """The variables of all programs of the project."""
    return set(EXAMPLE_LINE.findall((ROOT / ".env.example").read_text()))


def unknown() -> list[str]:
    """A warning for each variable of the shell or of .env that is none of ours and looks like one."""
    return unknown_variables({*os.environ, *of_env_file()}, OURS, all_names())
