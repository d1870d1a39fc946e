"""One `mlflow models serve`: a process with a listener and a folder for its copy of the model, deleted at its end."""

import logging
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING

import psutil

from rollout import processes
from rollout.errors import LaunchFailed, first_line
from rollout.model_server.calls import Answer, call
from rollout.model_server.listeners import Listener, listen
from rollout.settings import Settings, server_environment
from sealing import files

if TYPE_CHECKING:
    from sealing.statement import Statement

PING_TIMEOUT_S = 2.0
POLL_S = 0.1
LOG_TAIL_LINES = 3
# `mlflow models serve` through MLflow's command group for models. The `mlflow` program first loads every server and the
# assistant, which takes longer than to start the model. The words stay for readers of the process list.
SERVE = "import sys; from mlflow.models.cli import commands; commands(sys.argv[3:], prog_name='mlflow models')"

log = logging.getLogger(__name__)


class ModelServer:
    def __init__(self, settings: Settings, version: str) -> None:
        self.version = version
        self._settings = settings
        self.folder = settings.folder / f"v{version}-{secrets.token_hex(4)}"
        self.model = self.folder / "model"
        self._listener: Listener | None = None
        self.seal: Statement | None = None  # of the files in `model`, once they were compared with it
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address at which the gateway reaches it."""
        return "" if self._listener is None else self._listener.url

    @property
    def answers_key(self) -> str:
        """What gateways must know to report its answers."""
        return "" if self._listener is None else self._listener.key

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)

    def fetch(self, name: str) -> None:
        """Download the version from the registry, without bytecode. Raises LaunchFailed if that fails."""
        import mlflow  # noqa: PLC0415 - after shorten_waits()

        shutil.rmtree(self.model, ignore_errors=True)
        try:
            mlflow.artifacts.download_artifacts(f"models:/{name}/{self.version}", dst_path=str(self.model))
        except Exception as error:
            raise LaunchFailed(f"its files cannot be downloaded ({first_line(error)})") from error
        files.remove_bytecode(self.model)

    def copy_model(self, source: "ModelServer", names: Iterable[str]) -> None:
        """Copy these files of another server: a restart must not need the registry. Raises OSError."""
        shutil.rmtree(self.model, ignore_errors=True)
        for name in names:
            (self.model / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.model / name, self.model / name)

    def start(self) -> None:
        self._listener = listen(self._settings, self.version)
        for name in ("tmp", "work"):
            (self.folder / name).mkdir(exist_ok=True)
        command = [
            sys.executable, "-c", SERVE, "mlflow", "models", "serve", "-m", str(self.model),
            "--env-manager", "local", "--workers", "1", *self._listener.arguments,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=server_environment(self.folder / "tmp", **self._listener.environment),
                cwd=self.folder / "work",
                start_new_session=True,
            )

    def wait_until_healthy(self, raise_if_cancelled: Callable[[], None]) -> None:
        """`raise_if_cancelled` is called at each poll. Raises LaunchFailed if the server ends or is too slow."""
        deadline = time.monotonic() + self._settings.start_timeout_s
        while not self.healthy():
            raise_if_cancelled()
            if self.ended():
                raise LaunchFailed(f"its server ended with {self.exit_reason()}: {self.log_tail()}")
            if time.monotonic() > deadline:
                raise LaunchFailed(f"its server was not healthy after {self._settings.start_timeout_s:g} s")
            time.sleep(POLL_S)

    def healthy(self) -> bool:
        try:
            return self.call("/ping", None, PING_TIMEOUT_S).status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False

    def call(self, path: str, body: object, timeout_s: float) -> Answer:
        """POSTs the body as JSON; None: a GET. Raises OSError, HTTPException."""
        if self._listener is None:
            raise ConnectionRefusedError("not started")
        return call(self._listener.connect, path, body, timeout_s)

    def ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def exit_reason(self) -> str:
        code = None if self._process is None else self._process.poll()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def log_tail(self) -> str:
        path = self.folder / "log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:] if line.strip())

    def end(self) -> None:
        """End the process after its request in flight, and delete its folder."""
        if self._process is not None:
            if self._process.poll() is None:
                processes.end(psutil.Process(self._process.pid))
            self._process.wait()
            processes.end_session(self._process.pid)
        if self._listener is not None:
            self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
