"""The compared systems: the gateway, the baseline as tutorials build it, and two servers that do no work."""

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import psutil
import requests

from bench.checker import Offline
from bench.load.loops import LoadTarget
from bench.testbed.empty_app import ANSWER_VARIABLE
from bench.testbed.testbed import Testbed
from local_stack import processes
from local_stack.processes import Service, free_port
from local_stack.services import make_services
from local_stack.settings import LOOPBACK, Settings
from steps.training.model.served_model import TRUSTED_TYPES

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0
PATIENCE_S = 60.0  # long enough to measure slow answers instead of cutting them off
# One process, because each loads its own forest; more threads made the baseline slower.
GUNICORN = ("--worker-class", "gthread", "--threads", "8", "--timeout", "60", "--no-control-socket")

Answer = dict[str, Any]


@contextmanager
def all_systems(testbed: Testbed) -> Iterator[dict[str, LoadTarget]]:
    """All systems by name, up and answering. Those outside the stack end with the block."""
    example = answer_of(testbed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = [
            without_log(testbed),
            published(testbed, example, folder),
            empty(example, folder),
            empty_stock(example, folder),
        ]
        with running(testbed, parts) as targets:
            yield {"gateway": testbed.target(PATIENCE_S), **targets}


@contextmanager
def running(testbed: Testbed, parts: Iterable[Service]) -> Iterator[dict[str, LoadTarget]]:
    """Starts these systems and ends them with the block."""
    with ExitStack() as started:
        targets = {}
        for part in parts:
            settings = Settings({**testbed.settings.values, "GATEWAY_PORT": str(part.port)})
            part.start(settings)
            started.callback(_end, part)
            part.wait_until_healthy(settings, START_TIMEOUT_S, lambda: None)
            _warm(part)
            targets[part.name] = replace(testbed.target(PATIENCE_S), port=part.port)
        yield targets


def answer_of(testbed: Testbed) -> Answer:
    """The gateway's answer for one user. Raises requests.HTTPError unless it is a success."""
    answer = requests.post(
        f"{testbed.settings.address('GATEWAY_PORT')}/predict",
        json={"user_id": testbed.users[0]},
        timeout=ANSWER_TIMEOUT_S,
    )
    answer.raise_for_status()
    body: Answer = answer.json()
    return body


def without_log(testbed: Testbed) -> Service:
    """The same gateway of the same stack, without the prediction log."""
    [gateway] = [service for service in make_services(testbed.settings) if service.name == "gateway"]
    port = free_port()
    environment = {**gateway.environment, "ENRICHER_PREDICTION_LOG": "0"}
    return replace(gateway, name="without_log", port=port, health=_health(port), environment=environment)


def published(testbed: Testbed, example: Answer, folder: Path) -> Service:
    """With the owner's login, as tutorials have it."""
    feature_list = save_for_all_cores(example["model"]["version"], folder / "model")
    app = f"bench.testbed.published_app:create_app({str(folder / 'model')!r}, {feature_list!r})"
    service = _under_gunicorn("published", app)
    login = {name: testbed.settings[name] for name in ("PGUSER", "PGPASSWORD")}
    return replace(service, environment=login)


def empty_stock(example: Answer, folder: Path) -> Service:
    return _under_gunicorn("empty_stock", f"bench.testbed.empty_app:create_app({_file_with(example, folder)!r})")


def empty(example: Answer, folder: Path) -> Service:
    """Reads its port from GATEWAY_PORT, as the gateway does."""
    port, environment = free_port(), {ANSWER_VARIABLE: _file_with(example, folder)}
    return Service("empty", [sys.executable, "-m", "bench.testbed.empty_app"], port, _health(port), environment)


def _under_gunicorn(name: str, app: str) -> Service:
    port = free_port()
    command = [str(Path(sys.executable).with_name("gunicorn")), "--bind", f"{LOOPBACK}:{port}", *GUNICORN, app]
    return Service(name, command, port, _health(port))


def _health(port: int) -> str:
    return f"http://{LOOPBACK}:{port}/health"


def _file_with(example: Answer, folder: Path) -> str:
    path = folder / "answer.json"
    path.write_text(json.dumps(example))
    return str(path)


def save_for_all_cores(version: str, folder: Path) -> str:
    """Saves the version's pipeline with `mlflow.sklearn` and n_jobs=-1. Returns the name of its feature list."""
    offline = Offline.load(version)
    pipeline = offline.pipeline.set_params(classify__n_jobs=-1)
    mlflow.sklearn.save_model(pipeline, str(folder), skops_trusted_types=TRUSTED_TYPES, pip_requirements=[])
    return offline.feature_service


def _warm(part: Service) -> None:
    address = part.health.replace("/health", "/predict")
    requests.post(address, json={"user_id": "nobody"}, timeout=ANSWER_TIMEOUT_S)


def _end(part: Service) -> None:
    if part.process is not None and not part.ended():
        processes.end(psutil.Process(part.process.pid))
        part.process.wait(ANSWER_TIMEOUT_S)
