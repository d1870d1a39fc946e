"""The settings of MLflow's server that are not MLflow's own, and the environment of its process."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from configuration import names
from configuration.environment import EnvironmentSettings, prefixed
from configuration.fields import Folder, Text, choice, folder, setting, text

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = Path(__file__).resolve().parent / "plugin"
SHORTEST_PASSWORD = 12  # MLflow refuses shorter ones
PASSWORD = re.compile(rf"[!-~]{{{SHORTEST_PASSWORD},}}", re.ASCII)


def _password(value: str) -> str:
    if not PASSWORD.fullmatch(value):
        raise ValueError("not a password")
    return value


Password = Annotated[str, AfterValidator(_password)]


def _password_of(user: str) -> Password | None:
    field: Password | None = setting(
        None,
        f"{user} (empty: made at the first start)",
        f"at least {SHORTEST_PASSWORD} letters, digits and signs without spaces",
        secret=True,
    )
    return field


class Settings(EnvironmentSettings):
    model_config = prefixed("MLFLOW_")

    auth: Literal["basic", "none"] = choice(
        "none",
        "Whether MLflow's server asks for a login (basic) or not (none). Containers: basic, unless set here",
        section="MLflow's server",
        derived=True,
    )
    admin_password: Password | None = _password_of("The password of MLflow's user admin, for a person")
    steps_password: Password | None = _password_of("The password of MLflow's user steps")
    watcher_password: Password | None = _password_of("The password of MLflow's user watcher")
    login_folder: Folder = folder(
        ".streamflow/mlflow",
        "Folder with the login of each user, in the form of ~/.mlflow/credentials",
        validate_default=True,
        derived=True,
    )
    allowed_hosts: Text = text(
        f"mlflow,mlflow:*,localhost:*,{names.LOOPBACK}:*", "The host names that MLflow's server answers to"
    )
    model_name: Text = text(names.MODEL_NAME, "The registered model", variable="ROLLOUT_MODEL_NAME")

    @classmethod
    def password_variables(cls) -> set[str]:
        return {name for name in cls.variables() if name.endswith("_PASSWORD")}

    @property
    def asks_for_login(self) -> bool:
        return self.auth == "basic"

    @property
    def passwords(self) -> dict[str, str | None]:
        """User -> password of the environment."""
        return {"admin": self.admin_password, "steps": self.steps_password, "watcher": self.watcher_password}


def database() -> str | None:
    """MLflow's own variable: its database, which also has its users."""
    return os.environ.get("MLFLOW_BACKEND_STORE_URI") or None


def server_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of the process `mlflow server`, which finds the app in the folder PLUGIN. Without the passwords, which are in its
    database."""
    kept = {name: value for name, value in os.environ.items() if name not in Settings.password_variables()}
    path = os.pathsep.join(filter(None, [str(ROOT), str(PLUGIN), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, **more}
