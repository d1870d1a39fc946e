"""The containers seen from outside: Compose's commands and two ports."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import requests
from dotenv import dotenv_values

from configuration import names

MODEL = names.MODEL_NAME
ANSWER_TIMEOUT_S = 10.0
SERVICE_LABEL = "com.docker.compose.service"


class CheckFailed(AssertionError):
    """The containers do not behave as documented."""


class Pages:
    """The console, as a person's browser sees it."""

    def __init__(self, address: str, key: str) -> None:
        self._address, self._browser = address, requests.Session()
        self.first = self._browser.get(address, timeout=ANSWER_TIMEOUT_S)
        self.send("/sign-in", "/sign-in", key=key)

    def get(self, path: str, **values: str) -> str:
        answer = self._browser.get(f"{self._address}{path}", params=values, timeout=ANSWER_TIMEOUT_S)
        require(answer.ok, f"the console answers {path} with {answer.status_code}:\n{answer.text}")
        return answer.text

    def send(self, page: str, path: str, **fields: str) -> str:
        """Sends a form of the page. Returns the page that follows."""
        token = self.get(page).partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": token, **fields}
        answer = self._browser.post(f"{self._address}{path}", data=form, timeout=ANSWER_TIMEOUT_S)
        require(answer.ok, f"the console answers a form for {path} with {answer.status_code}:\n{answer.text}")
        return answer.text


class Containers:
    """The services of one folder, through Compose's commands and two ports."""

    def __init__(self, folder: Path) -> None:
        settings = dotenv_values(folder / ".env")
        self.folder, self.settings = folder, {name: value or "" for name, value in settings.items()}
        self._compose = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        self._engine = "docker" if shutil.which("docker") else "podman"
        self._key = {"X-API-Key": (settings["ENRICHER_API_KEYS"] or "").rpartition(":")[2]}
        self.mlflow = f"http://127.0.0.1:{settings['MLFLOW_PORT']}"
        self.gateway = f"http://127.0.0.1:{settings['GATEWAY_PORT']}"

    def compose(self, *words: str, timeout_s: float = 600) -> str:
        done = subprocess.run(  # noqa: S603 - Compose with fixed arguments
            [*self._compose, *words],
            cwd=self.folder,
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

    def python(self, service: str, program: str, *arguments: str) -> str:
        """Run a program in the service's container, with the service's secrets. Returns its output."""
        secrets = ("python", "-m", "deploy.containers.with_secrets", "/secrets")
        return self.compose("exec", "-T", service, *secrets, "python", "-c", program, *arguments)

    def inspect(self) -> list[dict[str, Any]]:
        """All containers, also those that have ended, and the project's image."""
        ids = self.compose("ps", "--all", "-q").split()
        words = [self._engine, "inspect", *ids, "streamflow:local"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - fixed arguments
        inspected: list[dict[str, Any]] = json.loads(done.stdout)
        return inspected

    def of(self, service: str) -> dict[str, Any]:
        """The service's container, as inspected."""
        [container] = [
            inspected for inspected in self.inspect() if inspected["Config"]["Labels"].get(SERVICE_LABEL) == service
        ]
        return container

    def addresses(self, service: str) -> list[str]:
        return [network["IPAddress"] for network in self.of(service)["NetworkSettings"]["Networks"].values()]

    def predict(self, user: str) -> requests.Response:
        body = {"user_id": user}
        return requests.post(f"{self.gateway}/predict", json=body, headers=self._key, timeout=ANSWER_TIMEOUT_S)

    def pages(self) -> Pages:
        """Signed in as a person of CONSOLE_KEYS."""
        return Pages(
            f"http://127.0.0.1:{self.settings['CONSOLE_PORT']}", self.settings["CONSOLE_KEYS"].rpartition(":")[2]
        )

    def answer(self, user: str) -> tuple[int | str, str]:
        """Status and body of a prediction; the error's type and text where none came."""
        try:
            prediction = self.predict(user)
        except requests.RequestException as error:
            return type(error).__name__, str(error)
        return prediction.status_code, prediction.text.strip()

    def status(self, user: str) -> int | str:
        return self.answer(user)[0]

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
        return "admin", self.compose("run", "--rm", "-T", "passwords", "--show", "MLFLOW_ADMIN_PASSWORD").split()[-1]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckFailed(message)
