"""Whether each part of the system answers, asked at the same time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.settings import Settings
from console.sources.gateway import Gateway
from console.sources.http import Answer, send
from steps import warehouse
from steps.cli.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Part:
    name: str
    ok: bool
    text: str


@dataclass(frozen=True)
class Health:
    parts: tuple[Part, ...]
    ready: Answer
    """Of the gateway"""
    live: Answer
    """Of the watcher"""


def check(settings: Settings, gateway: Gateway) -> Health:
    mlflow = f"{settings.mlflow_health_url or settings.mlflow_url}/health"
    calls: tuple[Callable[[], Answer], ...] = (
        gateway.ready,
        lambda: send("GET", f"{settings.rollout_url}/live", settings.timeout_s),
        lambda: send("GET", mlflow, settings.timeout_s),
        _database,
    )
    with ThreadPoolExecutor(len(calls)) as pool:
        ready, live, tracking, database = pool.map(lambda call: call(), calls)
    parts = (
        _part("Gateway", ready, "ready"),
        _model_server(live),
        _part("Watcher", live, "answers"),
        _part("MLflow", tracking, "answers"),
        _part("PostgreSQL", database, "answers"),
    )
    return Health(parts, ready, live)


def _part(name: str, answer: Answer, text: str) -> Part:
    return Part(name, answer.ok, text if answer.ok else answer.problem)


def _model_server(live: Answer) -> Part:
    serving, problem = live.body.get("serving"), str(live.body.get("problem") or "")
    if serving:
        return Part("Model server", not problem, problem or f"serves version {serving.get('version')}")
    return Part("Model server", ok=False, text=problem or live.problem or "nothing serves")


def _database() -> Answer:
    try:
        warehouse.ping()
    except StepError as error:
        return Answer(None, problem=str(error))
    return Answer(200)
