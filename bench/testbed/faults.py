"""Injected faults. Each returns the time (time.monotonic()) at which the service was back."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from bench.testbed.testbed import Testbed
from local_stack import chain
from local_stack.database import postgres, prediction_log
from local_stack.settings import StackError

MODEL_SERVER_LIMIT_S, SERVICE_LIMIT_S = 15.0, 5.0
BACK_TIMEOUT_S = 90.0
POLL_S = 0.1
AS_OF = "2024-01-31"


@dataclass(frozen=True)
class InjectedFault:
    name: str
    inject: Callable[[Testbed], float]
    limit_s: float
    """Predictions must succeed again this many seconds after the service is back"""
    must_not_hurt: bool = False
    """No request may fail"""


def all_faults(frozen_s: float) -> list[InjectedFault]:
    return [
        InjectedFault("PostgreSQL restarted", restart_postgres, SERVICE_LIMIT_S),
        InjectedFault("PostgreSQL's connections cut", cut_connections, SERVICE_LIMIT_S),
        InjectedFault(
            f"PostgreSQL frozen for {frozen_s:g} s", lambda testbed: freeze_postgres(testbed, frozen_s), SERVICE_LIMIT_S
        ),
        InjectedFault(
            f"the prediction log's connections to PostgreSQL frozen for {frozen_s:g} s",
            lambda testbed: freeze_log(testbed, frozen_s),
            SERVICE_LIMIT_S,
            must_not_hurt=True,
        ),
        InjectedFault(
            f"model server frozen for {frozen_s:g} s", lambda testbed: freeze_model(testbed, frozen_s), SERVICE_LIMIT_S
        ),
        InjectedFault("model server killed", kill_model, MODEL_SERVER_LIMIT_S),
        InjectedFault("materialize running", materialize, SERVICE_LIMIT_S, must_not_hurt=True),
        InjectedFault("MLflow server down", end_mlflow, SERVICE_LIMIT_S, must_not_hurt=True),
    ]


def restart_postgres(testbed: Testbed) -> float:
    """Raises TimeoutError if PostgreSQL is not back in time."""
    postgres.stop(testbed.settings)
    with contextlib.suppress(StackError):  # the stack's supervisor was starting it already
        postgres.start(testbed.settings)
    deadline = time.monotonic() + BACK_TIMEOUT_S
    while not postgres.is_running(testbed.settings):
        if time.monotonic() > deadline:
            raise TimeoutError(f"PostgreSQL is not back {BACK_TIMEOUT_S:g} s after it was stopped")
        time.sleep(POLL_S)
    return time.monotonic()


def cut_connections(testbed: Testbed) -> float:
    postgres.cut_connections(testbed.settings)
    return time.monotonic()


def freeze_postgres(testbed: Testbed, seconds: float) -> float:
    postmaster = testbed.postmaster()
    return freeze([postmaster, *postmaster.children(recursive=True)], seconds)


def freeze_log(testbed: Testbed, seconds: float) -> float:
    return freeze([psutil.Process(pid) for pid in prediction_log.writers(testbed.settings)], seconds)


def freeze_model(testbed: Testbed, seconds: float) -> float:
    return freeze([testbed.model_server()], seconds)


def freeze(processes: Iterable[psutil.Process], seconds: float) -> float:
    stopped = list(processes)
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for process in stopped:
            if process.is_running():
                process.send_signal(signal.SIGCONT)
    return time.monotonic()


def kill_gateway(testbed: Testbed) -> float:
    """kill -9 of all its processes: the stack has to start it again. Returns the time of the kill."""
    gateway = testbed.service("gateway")
    for process in [gateway, *gateway.children(recursive=True)]:
        process.kill()
    return time.monotonic()


def kill_model(testbed: Testbed) -> float:
    """Returns the time of the kill: the stack has to restart the model server itself."""
    testbed.model_server().kill()
    return time.monotonic()


def materialize(testbed: Testbed) -> float:
    chain.mlflow_run(testbed.settings, ["-e", "materialize", "-P", f"as_of={AS_OF}"], lambda: None)
    return time.monotonic()


def end_mlflow(testbed: Testbed) -> float:
    """Kills the MLflow server and waits until the stack has restarted it. Raises TimeoutError."""
    testbed.service("MLflow").kill()
    deadline = time.monotonic() + BACK_TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        if testbed.answers("MLFLOW_PORT", "/health"):
            return time.monotonic()
    raise TimeoutError(f"The MLflow server was not back after {BACK_TIMEOUT_S:g} s")
