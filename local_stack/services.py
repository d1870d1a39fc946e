"""The servers of the stack, as command lines."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from local_stack.processes import HEALTH_TIMEOUT_S, POLL_S, Part
from local_stack.settings import LOOPBACK, Settings, StackError
from rollout import loopback

MODEL_SERVER_S = 120.0


def make_parts(settings: Settings) -> tuple[Part, Part, Part]:
    """The MLflow server, the watcher (which starts the model servers) and the gateway, as commands."""
    programs = Path(sys.executable).parent
    mlflow_port, rollout_port, gateway_port = (
        settings.port(name) for name in ("MLFLOW_PORT", "ROLLOUT_PORT", "GATEWAY_PORT")
    )
    server = [
        str(programs / "mlflow"), "server", "--host", LOOPBACK, "--port", str(mlflow_port), "--workers", "1",
        "--default-artifact-root", settings.artifacts.as_uri(), "--artifacts-destination", settings.artifacts.as_uri(),
    ]  # fmt: skip
    watcher = [sys.executable, "-m", "rollout"]
    gateway = [
        sys.executable,
        "-m",
        "feature_enricher",
    ]
    return (
        Part("MLflow", server, mlflow_port, f"{settings.address('MLFLOW_PORT')}/health"),
        Part("watcher", watcher, rollout_port, f"{settings.address('ROLLOUT_PORT')}/health"),
        Part("gateway", gateway, gateway_port, f"{settings.address('GATEWAY_PORT')}/ready"),
    )


def await_model_server(settings: Settings, keep_going: Callable[[], None]) -> None:
    """Until the watcher says that a version serves. Raises StackError with what it says instead, after a while."""
    address, deadline = f"{settings.address('ROLLOUT_PORT')}/live", time.monotonic() + MODEL_SERVER_S
    while True:
        keep_going()
        said = _answer(address)
        if said["serving"]:
            return
        if time.monotonic() > deadline:
            reasons = [said["problem"] or "", *said["warnings"]]
            remedy = f"Promote another version (make rollback VERSION=n); see {settings.state / 'logs' / 'watcher.log'}"
            reason = " ".join(filter(None, reasons)).rstrip(".")
            raise StackError(f"No model serves after {MODEL_SERVER_S:.0f} s. {reason}. {remedy}")
        time.sleep(POLL_S)


def _answer(address: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = loopback.get(address, HEALTH_TIMEOUT_S).json()
    except (requests.RequestException, ValueError) as error:
        return {"serving": None, "problem": f"The watcher does not answer: {error}", "warnings": []}
    return answer
