"""The stack's servers as command lines, and the wait for a model server."""

import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

import requests

from local_stack import mlflow_login
from local_stack.monitoring import prometheus
from local_stack.processes import HEALTH_TIMEOUT_S, POLL_S, Service
from local_stack.settings import LOOPBACK, Settings, StackError
from rollout import loopback

MODEL_SERVER_S = 120.0


def make_services(settings: Settings) -> tuple[Service, Service, Service, Service]:
    """The MLflow server, the watcher (which starts the model servers), the gateway and the console."""
    mlflow_port, rollout_port, gateway_port, console_port = (
        settings.port(name) for name in ("MLFLOW_PORT", "ROLLOUT_PORT", "GATEWAY_PORT", "CONSOLE_PORT")
    )
    server = [
        sys.executable, "-m", "tracking_server", "--host", LOOPBACK, "--port", str(mlflow_port), "--workers", "1",
        "--default-artifact-root", settings.artifacts.as_uri(), "--artifacts-destination", settings.artifacts.as_uri(),
    ]  # fmt: skip
    watcher = [sys.executable, "-m", "rollout"]
    gateway = [sys.executable, "-m", "feature_enricher"]
    console = [sys.executable, "-m", "console"]
    return (
        Service("MLflow", server, mlflow_port, f"{settings.address('MLFLOW_PORT')}/health", _of_mlflow(settings)),
        Service("watcher", watcher, rollout_port, f"{settings.address('ROLLOUT_PORT')}/health", _of_watcher(settings)),
        Service("gateway", gateway, gateway_port, f"{settings.address('GATEWAY_PORT')}/ready", _of_gateway(settings)),
        Service("console", console, console_port, f"{settings.address('CONSOLE_PORT')}/health", _of_console(settings)),
    )


def ports(settings: Settings) -> dict[str, tuple[str, int]]:
    """Setting -> the service that needs its port, and the port."""
    of_setting = {"MLFLOW_PORT": "MLflow", "ROLLOUT_PORT": "the watcher", "GATEWAY_PORT": "the gateway",
                  "CONSOLE_PORT": "the console"}  # fmt: skip
    if settings.embedded:
        of_setting = {"PGPORT": "PostgreSQL", **of_setting}
    if prometheus.is_on(settings):
        of_setting[prometheus.PORT] = "Prometheus"
    return {setting: (service, settings.port(setting)) for setting, service in of_setting.items()}


def _of_mlflow(settings: Settings) -> dict[str, str]:
    database = {"MLFLOW_BACKEND_STORE_URI": settings.store_uri(settings.login("mlflow"))}
    return {**database, **mlflow_login.environment(settings)}


def _of_watcher(settings: Settings) -> dict[str, str]:
    login = settings.login("watcher")
    examine = shlex.join([sys.executable, "-m", "local_stack.database.as_owner", "steps.examine"])
    return {**login, "MLFLOW_TRACKING_URI": settings.store_uri(login), "ROLLOUT_EXAMINE_COMMAND": examine}


def _of_gateway(settings: Settings) -> dict[str, str]:
    environment, names = settings.child_environment(), ("ENRICHER_API_KEYS", "STREAMFLOW_REDIS")
    own = {name: value for name, value in environment.items() if name in names}
    log = settings.login("log")
    if log["PGUSER"] != settings["PGUSER"]:  # never the owner's login for a part that only appends
        own |= {"ENRICHER_LOG_USER": log["PGUSER"], "ENRICHER_LOG_PASSWORD": log["PGPASSWORD"]}
    return {**settings.login("reader"), "ENRICHER_CONSOLE_URL": settings.address("CONSOLE_PORT"), **own}


def _of_console(settings: Settings) -> dict[str, str]:
    """It reads, and starts the step `approve` as the watcher starts an examination."""
    login, environment = settings.login("console"), settings.child_environment()
    names: tuple[str, ...] = ("CONSOLE_KEYS", "CONSOLE_GATEWAY_KEY")
    keys = {name: environment[name] for name in names if name in environment}
    approve = shlex.join([sys.executable, "-m", "local_stack.database.as_owner", "steps.approve"])
    return {
        **login,
        "MLFLOW_TRACKING_URI": settings.store_uri(login),
        "CONSOLE_GATEWAY_URL": settings.address("GATEWAY_PORT"),
        "CONSOLE_ROLLOUT_URL": settings.address("ROLLOUT_PORT"),
        "CONSOLE_MLFLOW_URL": settings.address("MLFLOW_PORT"),
        "CONSOLE_APPROVE_COMMAND": approve,
        **keys,
    }


def wait_for_model_server(settings: Settings, on_poll: Callable[[], None]) -> None:
    """Wait until a version serves; calls `on_poll` meanwhile. Raises StackError, with the watcher's reasons, if none
    does within MODEL_SERVER_S seconds."""
    address, deadline = f"{settings.address('ROLLOUT_PORT')}/live", time.monotonic() + MODEL_SERVER_S
    while True:
        on_poll()
        status = _watcher_status(address)
        if status["serving"]:
            return
        if time.monotonic() > deadline:
            reason = " ".join(filter(None, [status["problem"], *status["warnings"]])).rstrip(".")
            advice = f"Promote another version (make rollback VERSION=n); see {settings.state / 'logs' / 'watcher.log'}"
            raise StackError(f"No model serves after {MODEL_SERVER_S:.0f} s. {reason}. {advice}")
        time.sleep(POLL_S)


def _watcher_status(address: str) -> dict[str, Any]:
    try:
        status: dict[str, Any] = loopback.get(address, HEALTH_TIMEOUT_S).json()
    except (requests.RequestException, ValueError) as error:
        return {"serving": None, "problem": f"The watcher does not answer: {error}", "warnings": []}
    return status
