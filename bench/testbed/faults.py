"""What goes wrong, on purpose. Each fault does its harm and returns the moment (time.monotonic()) the part was back."""

import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from bench.testbed.testbed import Ground
from local_stack import chain
from local_stack.database import postgres

MODEL_SERVER_LIMIT_S, PART_LIMIT_S = 15.0, 5.0
BACK_TIMEOUT_S = 90.0
POLL_S = 0.1
AS_OF = "2024-01-31"


@dataclass(frozen=True)
class Fault:
    name: str
    do: Callable[[Ground], float]
    limit_s: float
    """Service is to be back so long after the part"""
    must_not_hurt: bool = False
    """No request may fail at all"""


def all_faults(frozen_s: float) -> list[Fault]:
    return [
        Fault("PostgreSQL restarted", restart_postgres, PART_LIMIT_S),
        Fault("PostgreSQL's connections cut", cut_connections, PART_LIMIT_S),
        Fault(f"PostgreSQL frozen for {frozen_s:g} s", lambda ground: freeze_postgres(ground, frozen_s), PART_LIMIT_S),
        Fault(f"model server frozen for {frozen_s:g} s", lambda ground: freeze_model(ground, frozen_s), PART_LIMIT_S),
        Fault("model server killed", kill_model, MODEL_SERVER_LIMIT_S),
        Fault("materialize running", materialize, PART_LIMIT_S, must_not_hurt=True),
        Fault("MLflow server down", end_mlflow, PART_LIMIT_S, must_not_hurt=True),
    ]


def restart_postgres(ground: Ground) -> float:
    postgres.stop(ground.settings)
    postgres.start(ground.settings)
    return time.monotonic()


def cut_connections(ground: Ground) -> float:
    postgres.cut_connections(ground.settings)
    return time.monotonic()


def freeze_postgres(ground: Ground, seconds: float) -> float:
    head = ground.postmaster()
    return freeze([head, *head.children(recursive=True)], seconds)


def freeze_model(ground: Ground, seconds: float) -> float:
    return freeze([ground.model_server()], seconds)


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


def kill_model(ground: Ground) -> float:
    """Counts from the kill: nobody but the stack itself brings it back."""
    ground.model_server().kill()
    return time.monotonic()


def materialize(ground: Ground) -> float:
    chain.mlflow_run(ground.settings, ["-e", "materialize", "-P", f"as_of={AS_OF}"], lambda: None)
    return time.monotonic()


def end_mlflow(ground: Ground) -> float:
    """The stack starts it again, which takes its time: it is down until then."""
    before = ground.part("MLflow")
    before.kill()
    deadline = time.monotonic() + BACK_TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        if ground.answers("MLFLOW_PORT", "/health"):
            return time.monotonic()
    raise TimeoutError(f"The MLflow server was not back after {BACK_TIMEOUT_S:g} s")
