"""The containers seen from outside: Compose's commands and two ports."""

import configparser
import shutil
import subprocess
from pathlib import Path

import requests
from dotenv import dotenv_values

from configuration import names

MODEL = names.MODEL_NAME
ANSWER_TIMEOUT_S = 10.0


class CheckFailed(AssertionError):
    """The containers do not behave as documented."""


class Containers:
    """The services of one folder, through Compose's commands and two ports."""

    def __init__(self, folder: Path) -> None:
        settings = dotenv_values(folder / ".env")
        self._folder = folder
        self._compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        self.mlflow = f"http://127.0.0.1:{settings['MLFLOW_PORT']}"
        self.gateway = f"http://127.0.0.1:{settings['GATEWAY_PORT']}"

    def compose(self, *words: str, timeout_s: float = 600) -> str:
        done = subprocess.run(  # noqa: S603 - Compose with fixed arguments
            [*self._compose, *words],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        require(done.returncode == 0, f"compose {' '.join(words)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def step(self, *words: str) -> str:
        """Run a command in the service pipeline. Returns its output."""
        output = self.compose("run", "--rm", "-T", "pipeline", *words)
        for line in output.splitlines():
            if line.startswith(("[OK]", "[REFUSED]", "$")):
                print(f"    {line}")
        return output

    def predict(self, user: str) -> requests.Response:
        return requests.post(f"{self.gateway}/predict", json={"user_id": user}, timeout=ANSWER_TIMEOUT_S)

    def status(self, user: str) -> int | str:
        try:
            return self.predict(user).status_code
        except requests.RequestException as error:
            return type(error).__name__

    def version(self, user: str) -> str | None:
        try:
            answer = self.predict(user)
            return str(answer.json()["model"]["version"]) if answer.ok else None
        except requests.RequestException:
            return None

    def promote(self, version: str) -> None:
        """As the button in MLflow's UI does."""
        body = {"name": MODEL, "version": version, "stage": names.PRODUCTION, "archive_existing_versions": True}
        address = f"{self.mlflow}/api/2.0/mlflow/model-versions/transition-stage"
        requests.post(address, json=body, auth=self.login(), timeout=ANSWER_TIMEOUT_S).raise_for_status()

    def login(self) -> tuple[str, str]:
        """User and password of a person, as docs/containers.md shows them."""
        file = configparser.ConfigParser()
        file.read_string(self.compose("exec", "-T", "mlflow", "cat", "/login/admin/credentials"))
        return file["mlflow"]["mlflow_tracking_username"], file["mlflow"]["mlflow_tracking_password"]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckFailed(message)
