"""What the pages show: two real months, a version, scores, the monitor's run, and real servers beside the console."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pytest
from flask import Flask
from flask.testing import FlaskClient
from mlflow.tracking import MlflowClient

from configuration import names
from console.app import create_app
from console.settings import load_settings
from feature_enricher.app import create_app as create_gateway
from rollout import control
from steps import build_dataset, ingest, monitor, sample_months, score, warehouse
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.entry_points import arguments
from steps.warehouse import Cutover, Decision
from steps.warehouse.records.campaigns import CONTROL, LISTED, Campaign
from tests import sql
from tests.conftest import FEBRUARY, JANUARY
from tests.gateway.api.test_docs import served
from tests.gateway.fakes import AllUsersKnown, FakeModel, FixedTarget
from tests.steps.conftest import temporary_files_go
from tests.steps.states.scores import forget_versions
from tests.steps.states.trainings import train_quickly

__all__ = ["temporary_files_go"]

KEY, PERSON = "a-key-of-letters-0123", "Ann"
MARKUP = "<b onclick=alert(1)>&amp;'\""
GATE = {
    "gate_auc_candidate": "0.8412", "gate_auc_production": "0.8301", "gate_auc_gain": "0.0111",
    "gate_auc_gain_low": "0.0021", "gate_auc_gain_high": "0.0201", "gate_users_compared": "1760.0",
    "gate_production_version": "7", "gate_reason": f"a reason {MARKUP}", "gate": "passed",
}  # fmt: skip


@dataclass(frozen=True)
class Filled:
    """The state that the pages show."""

    version: str
    run_id: str
    user_id: str


@pytest.fixture(scope="module")
def filled(tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """January and February of 1,500 made-up users; a version that serves; February is scored and monitored."""
    sql.empty()
    forget_versions()
    folder = tmp_path_factory.mktemp("months")
    sample_months.main(["--out-dir", str(folder), "--users", "1500", "--months", "2", "--seed", "7"])
    load(folder)
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"}))
    run_id = train_quickly("hist_gradient_boosting", tracking)
    number = versions.version_of(mlflow.get_run(run_id))
    versions.tag(number, GATE)
    versions.put_in_stage(number, names.PRODUCTION)
    for step in (score, monitor):
        step.main(arguments(step.__name__.rpartition(".")[2], {"as_of": str(FEBRUARY)}))
    at = datetime(2024, 3, 1, 8, tzinfo=UTC)
    warehouse.record_cutover(MODEL_NAME, Cutover(at, number, run_id, "1" * 64, None, "promotion"))
    decision = Decision("gate", "passed", JANUARY, number, f"It is better {MARKUP}", {"AUC": 0.8}, "gate", "a")
    warehouse.record_decision(MODEL_NAME, decision)
    record_campaign(number, run_id)
    [[user_id]] = sql.fetch("SELECT min(user_id) FROM churn_scores")
    return Filled(number, run_id, user_id)


LISTED_USERS = (
    ("=bob", 30.5, 0.9), (MARKUP, 20.25, 0.8), *((f"user-{number:03d}", 10.0, 0.6) for number in range(120))
)  # fmt: skip
"""user_id, expected gain and probability, in the list's order"""
REASONS = {"=bob": ["=cmd (+0.9)", f"net_service={MARKUP} (-0.5)"], "user-000": ["months_active=2 (+0.3)"]}


def record_campaign(version: str, run_id: str) -> None:
    ids, gains, probabilities = map(list, zip(*LISTED_USERS, ("held-back", 40.0, 0.95), strict=True))
    users = {"user_id": ids, "role": [*[LISTED] * len(LISTED_USERS), CONTROL], "probability": probabilities,
             "expected_gain": gains,
             "reasons": [json.dumps(REASONS.get(user_id, [])) for user_id in ids]}  # fmt: skip
    warehouse.record_campaign(Campaign("spring", FEBRUARY, version, run_id), pa.table(users))


def load(folder: Path) -> None:
    for number, as_of in enumerate((JANUARY, FEBRUARY)):
        ingest.main(arguments("ingest", {"month_dir": str(folder / f"month_{number:03d}"), "as_of": str(as_of)}))


@contextmanager
def watcher(version: str | None, run_id: str = "") -> Iterator[str]:
    """The watcher's port, with a status that says that the version serves. Yields its address."""
    serving = {"url": "http://127.0.0.1:5010", "version": version, "run_id": run_id} if version else None
    status: dict[str, Any] = {"serving": serving, "warnings": [], "problem": None}
    running = control.serve("127.0.0.1", 0, lambda: status)
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """The gateway's application with a store and a model that know every user. Its address."""
    app = create_gateway({}, features=AllUsersKnown(), targets=FixedTarget(FakeModel()))
    with served(app) as address:
        yield address


@pytest.fixture(scope="module")
def addresses(filled: Filled, gateway: str) -> Iterator[dict[str, Any]]:
    """Settings of a console that reaches real servers."""
    with watcher(filled.version, filled.run_id) as address:
        yield {"GATEWAY_URL": gateway, "ROLLOUT_URL": address, "MLFLOW_URL": "http://127.0.0.1:9"}


MakeConsole = Callable[..., Flask]


@pytest.fixture(scope="module")
def make_console(addresses: dict[str, Any]) -> MakeConsole:
    return lambda **more: create_app(load_settings({**addresses, **more}))


@pytest.fixture
def client(make_console: MakeConsole) -> FlaskClient:
    return make_console().test_client()


def token(client: FlaskClient, path: str = "/sign-in") -> str:
    """The token of a form on the page."""
    return client.get(path).text.split('name="csrf" value="')[1].split('"')[0]


def sign_in(client: FlaskClient, key: str = KEY) -> int:
    return client.post("/sign-in", data={"csrf": token(client), "key": key}).status_code


def version_tag(number: str, name: str) -> str | None:
    tag: str | None = MlflowClient().get_model_version(MODEL_NAME, number).tags.get(name)
    return tag
