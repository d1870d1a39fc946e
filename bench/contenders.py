"""The three that are compared: our gateway, the way it is usually published, and a gateway that does no work."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import mlflow
import psutil
import requests

from bench.checker import Offline
from bench.ground import Ground, free_port
from bench.load import Target
from local_stack import processes
from local_stack.processes import Part
from local_stack.settings import LOOPBACK, Settings
from steps.served_model import TRUSTED_TYPES

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0
OURS = ("--config", "feature_enricher/gunicorn_conf.py")
# one process, for each has a forest of its own; more threads made it slower
PUBLISHED = ("--worker-class", "gthread", "--threads", "8", "--timeout", "60", "--no-control-socket")


@contextmanager
def contenders(ground: Ground) -> Iterator[dict[str, Target]]:
    """All three up and answering, by name; those that are not of the stack end with the block."""
    ours = ground.target(patience_s=60.0)  # slow is to be measured, not cut off
    answer = requests.post(
        f"{ground.settings.address('GATEWAY_PORT')}/predict",
        data=ours.bodies[0],
        headers={"Content-Type": "application/json"},
        timeout=ANSWER_TIMEOUT_S,
    )
    answer.raise_for_status()
    with tempfile.TemporaryDirectory() as folder:
        feature_list = save_for_all_cores(answer.json()["model"]["version"], Path(folder) / "model")
        published = f"bench.published_app:create_app({str(Path(folder) / 'model')!r}, {feature_list!r})"
        empty = f"bench.empty_app:create_app({json.dumps(answer.json())!r})"
        parts = {"published": part("published", published, PUBLISHED), "empty": part("empty", empty, OURS)}
        try:
            for each in parts.values():
                its_own = Settings({**ground.settings.values, "GATEWAY_PORT": str(each.port)})
                each.start(its_own)
                each.wait_until_healthy(its_own, START_TIMEOUT_S, lambda: None)
                _warm(each)
            yield {"ours": ours, **{name: replace(ours, port=each.port) for name, each in parts.items()}}
        finally:
            for each in parts.values():
                if each.process is not None and not each.ended():
                    processes.end(psutil.Process(each.process.pid))


def part(name: str, app: str, options: Sequence[str]) -> Part:
    port = free_port()
    command = [str(Path(sys.executable).with_name("gunicorn")), "--bind", f"{LOOPBACK}:{port}", *options, app]
    return Part(name, command, port, f"http://{LOOPBACK}:{port}/health")


def save_for_all_cores(version: str, folder: Path) -> str:
    """The version's pipeline as `mlflow.sklearn` saves it, with n_jobs=-1. Returns its list of features."""
    offline = Offline.load(version)
    pipeline = offline.pipeline.set_params(classify__n_jobs=-1)
    mlflow.sklearn.save_model(pipeline, str(folder), skops_trusted_types=TRUSTED_TYPES, pip_requirements=[])
    return offline.feature_service


def _warm(of: Part) -> None:
    address = of.health.replace("/health", "/predict")
    requests.post(address, json={"user_id": "nobody"}, timeout=ANSWER_TIMEOUT_S)
