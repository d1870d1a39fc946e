"""The way back with real `mlflow models serve`, a real registry and two gateways. The tests build on each other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from flask.testing import FlaskClient
from mlflow.tracking import MlflowClient

from feature_enricher.app import create_app
from local_stack.settings import Settings
from steps import warehouse
from tests.gateway.fakes import FakeFeatures
from tests.rollout.conftest import RunningWatcher, log_good, stored, watching
from tests.rollout.seals import seal
from tests.waiting import wait_until

NAME = "churn_on_probation"
GOOD, HARD = "good", "hard"
USERS = {user: {"months_active": months, "monthly_fee": 20.5, "net_service": "DSL"} for user, months in
         ((GOOD, 5), (HARD, 9999))}  # fmt: skip
BEGIN = "        del context\n        marks"
FAULTS = {
    "raises": 'raise RuntimeError("too many months")',
    "sleeps": "import time; time.sleep(60)",
    "dies": "import os; os._exit(3)",
}
"""What a version does with the hard user's months"""
PROBATION = {"ROLLOUT_PROBATION_S": "600", "ROLLOUT_PROBATION_ANSWERS": "20"}


@pytest.fixture(scope="module")
def numbers(server: Settings, tracking: str) -> dict[str, str]:
    """A good version, and one for each fault: all pass their smoke test."""
    versions = {}
    for name, fault in {"first": "pass", **FAULTS}.items():
        with mlflow.start_run(experiment_id=tracking) as run:
            log_good(run.info.run_id)
        [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
        code = stored(server, logged.model_id, "served_model.py")
        faulty = f'        if 9999 in model_input["months_active"].tolist():\n            {fault}\n{BEGIN}'
        assert BEGIN in code.read_text()
        code.write_text(code.read_text().replace(BEGIN, faulty))
        versions[name] = str(mlflow.register_model(f"models:/{logged.model_id}", NAME).version)
        seal(NAME, versions[name])
    return versions


def promote(version: str) -> None:
    MlflowClient().transition_model_version_stage(NAME, version, "Production", archive_existing_versions=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probation")


@pytest.fixture(scope="module")
def running(numbers: dict[str, str], server: Settings, folder: Path) -> Iterator[RunningWatcher]:
    promote(numbers["first"])
    with watching(NAME, server, folder, **PROBATION) as watcher:
        watcher.wait_until_serving(numbers["first"])
        yield watcher


@pytest.fixture(scope="module")
def gateways(running: RunningWatcher) -> Iterator[list[FlaskClient]]:
    settings = {"ROLLOUT_URL": running.url, "MODEL_TIMEOUT_S": 0.6}
    apps = [create_app(settings, features=FakeFeatures(USERS)) for _nth in range(2)]
    clients: list[FlaskClient] = [app.test_client() for app in apps]
    wait_until(lambda: all(predict(client, GOOD)[0] == 200 for client in clients), 20)
    yield clients
    for app in apps:
        app.extensions["streamflow"].close()


def predict(client: FlaskClient, user: str) -> tuple[int, dict[str, Any]]:
    answer = client.post("/predict", json={"user_id": user})
    return answer.status_code, answer.get_json()


def ask_until_turned_back(running: RunningWatcher, gateways: list[FlaskClient], version: str) -> dict[str, Any]:
    """Asks both gateways for both users. Every 200 is by the version that the answer names."""

    def turned_back() -> dict[str, Any] | None:
        for client in gateways:
            for user in (GOOD, HARD):
                code, answer = predict(client, user)
                assert code in (200, 503), answer
                assert code == 503 or answer["model"]["version"]
        status = running.status()
        return status if (status["turned_back"] or {}).get("version") == version else None

    return wait_until(turned_back, 60) or {}


def test_a_version_that_raises_for_some_users_is_turned_back_to_the_warm_server(
    running: RunningWatcher, gateways: list[FlaskClient], numbers: dict[str, str]
) -> None:
    before = running.status()["serving"]
    promote(numbers["raises"])
    running.wait_until_serving(numbers["raises"])
    status = ask_until_turned_back(running, gateways, numbers["raises"])

    assert status["serving"] == before, "the same server, which never ended"
    assert re.fullmatch(r"\d\d\.\d% of \d+ answers failed, 0\.0% before|\d\d\.\d% of \d+ answers failed",
                        status["turned_back"]["reason"])  # fmt: skip
    for client in gateways:
        wait_until(lambda client=client: predict(client, HARD)[0] == 200)  # type: ignore[misc]
    assert {predict(client, HARD)[1]["model"]["version"] for client in gateways} == {numbers["first"]}


def test_the_way_back_is_recorded_and_measured(running: RunningWatcher, numbers: dict[str, str]) -> None:
    running.wait_for(lambda status: not any("behind" in warning for warning in status["warnings"]))
    [decision] = [decision for decision in warehouse.decisions(NAME) if decision.kind == "rollback"]
    cutover = warehouse.cutovers(NAME)[-1]
    assert (decision.outcome, decision.version, decision.decided_by) == ("turned_back", numbers["raises"], "watcher")
    assert (cutover.from_version, cutover.version) == (numbers["raises"], numbers["first"])
    assert cutover.reason == f"turned back: {decision.reason}"
    assert int(decision.figures["failed"] or 0) >= 3
    metrics = running.metrics()
    assert "watcher_automatic_rollbacks_total 1.0" in metrics
    assert f'watcher_version_turned_back{{model="{NAME}",version="{numbers["raises"]}"}} 1.0' in metrics


def test_another_watcher_does_not_serve_the_turned_back_version(
    running: RunningWatcher, numbers: dict[str, str], server: Settings, tmp_path: Path
) -> None:
    """As in a new container: it has the table alone."""
    assert (running.folder / "turned_back.json").exists()
    with watching(NAME, server, tmp_path, **PROBATION) as restarted:
        status = restarted.wait_for(lambda status: bool(status["serving"]))
        assert status["serving"]["version"] == numbers["first"]
        assert status["turned_back"]["version"] == numbers["raises"]
    assert len([decision for decision in warehouse.decisions(NAME) if decision.kind == "rollback"]) == 1


@pytest.mark.parametrize("fault", ["sleeps", "dies"])
def test_a_version_that_hangs_or_dies_is_turned_back(
    running: RunningWatcher, gateways: list[FlaskClient], numbers: dict[str, str], fault: str
) -> None:
    promote(numbers[fault])
    running.wait_until_serving(numbers[fault])
    new = running.live_server()
    status = ask_until_turned_back(running, gateways, numbers[fault])
    assert status["serving"]["version"] == numbers["first"]
    reason = status["turned_back"]["reason"]
    assert ("exit code" if fault == "dies" else "answers failed") in reason
    psutil.wait_procs([new], timeout=30)
    assert not new.is_running()


def test_the_version_promoted_instead_ends_the_way_back(running: RunningWatcher, numbers: dict[str, str]) -> None:
    promote(numbers["first"])
    status = running.wait_for(lambda status: status["turned_back"] is None)
    assert (status["serving"]["version"], status["warnings"]) == (numbers["first"], [])
    assert not (running.folder / "turned_back.json").exists()
