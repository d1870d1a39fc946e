"""The gateway as it is deployed: gunicorn with the project's own configuration, over real HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from .fakes import FakeServer, reply

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Deployed:
    url: str
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def without_a_database(tmp_path: Path, model_server: FakeServer, registry_server: FakeServer) -> Iterator[Deployed]:
    """gunicorn, with a model server and a registry that answer, and no PostgreSQL."""
    model_server.replies = [reply(b"\n")]
    tags = [{"key": "feature_service", "value": "churn_v1"}]
    production = {"version": "3", "current_stage": "Production", "tags": tags}
    registry_server.replies = [reply({"registered_model": {"latest_versions": [production]}})]
    port = str(free_port())
    environment = os.environ | {"HOME": str(tmp_path), "GATEWAY_PORT": port, "ENRICHER_THREADS": "4"}
    environment |= {
        "ENRICHER_ROLLOUT_URL": "",
        "ENRICHER_MODEL_URL": model_server.url,
        "ENRICHER_REGISTRY_URL": registry_server.url,
    }
    environment |= {f"ENRICHER_{part}_TIMEOUT_S": "0.5" for part in ("STORE", "MODEL", "REGISTRY")}
    environment |= {"PGHOST": str(tmp_path), "PGPORT": "1", "PGUSER": "x", "PGPASSWORD": "x"}
    environment |= {"PGDATABASE": "x", "PGSSLMODE": "prefer"}
    command = [sys.executable, "-m", "gunicorn", "-c", "feature_enricher/gunicorn_conf.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        yield Deployed(f"http://127.0.0.1:{port}", process)
        process.terminate()


def wait_until_it_answers(url: str) -> requests.Response:
    deadline = time.monotonic() + 20
    while True:
        try:
            return requests.get(f"{url}/health", timeout=2)
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_gunicorn_serves_and_says_what_is_not_ready(without_a_database: Deployed) -> None:
    url = without_a_database.url

    assert wait_until_it_answers(url).json() == {"status": "ok"}
    ready = requests.get(f"{url}/ready", timeout=5)
    assert (ready.status_code, ready.json()["error"]) == (503, "Not ready: store")
    assert requests.post(f"{url}/predict", json={"user_id": "x"}, timeout=5).status_code == 503


def test_gunicorn_refuses_a_large_body_and_stops_in_time_despite_an_idle_client(
    without_a_database: Deployed, tmp_path: Path
) -> None:
    url = without_a_database.url
    wait_until_it_answers(url)
    chunks = iter([b"x" * 300_000])

    with requests.Session() as idle:
        refused = idle.post(f"{url}/predict", data=chunks, headers={"Content-Type": "application/json"}, timeout=5)
        without_a_database.process.send_signal(signal.SIGTERM)
        ended_with = without_a_database.process.wait(10)

    assert (refused.status_code, ended_with) == (413, 0)
    assert list(tmp_path.iterdir()) == []
