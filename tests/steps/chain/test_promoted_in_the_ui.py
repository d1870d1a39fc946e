"""Versions that nobody examined before they came into Production: by clicks, and by a request to MLflow's artifact API.
Each test builds on the one before."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow.tracking import MlflowClient

from local_stack.settings import Settings
from rollout import processes
from steps import lineage
from steps.cli.errors import UnusableVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import loaded_version, seals, versions
from steps.runs.entry_points import arguments
from tests.conftest import free_port
from tests.rollout.conftest import RunningWatcher, watching
from tests.steps.states.database import last_run
from tests.steps.states.scores import forget_versions, load_january
from tests.steps.states.trainings import model_id
from tests.waiting import answers, wait_until

START_S = 180


@pytest.fixture(scope="module")
def runs(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    load_january(sample_months)
    forget_versions()
    MlflowClient().create_registered_model(MODEL_NAME)
    return trainings


@pytest.fixture(scope="module")
def watcher(
    runs: dict[str, str], server: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningWatcher]:
    with watching(MODEL_NAME, server, tmp_path_factory.mktemp("watcher")) as running:
        yield running


def promoted_by_clicks(run_id: str) -> str:
    """A version as MLflow's UI makes and promotes it."""
    client, model = MlflowClient(), model_id(run_id)
    number = str(client.create_model_version(MODEL_NAME, f"models:/{model}", model_id=model).version)
    client.transition_model_version_stage(MODEL_NAME, number, "Production", archive_existing_versions=True)
    return number


def test_a_version_promoted_without_verdict_is_examined_and_serves_if_it_passes(
    watcher: RunningWatcher, runs: dict[str, str], tracking: str
) -> None:
    number = promoted_by_clicks(runs["logistic_regression"])
    watcher.wait_until_serving(number)
    version = versions.get(number)
    sealed = seals.of_version(version)
    assert sealed is not None
    assert sealed.verdict is not None
    assert (version.tags["gate"], sealed.verdict.status, sealed.version) == ("passed", "passed", number)
    examination = last_run("examine", tracking)
    assert (examination.info.status, examination.data.tags["model_version"]) == ("FINISHED", number)


def test_a_version_that_fails_is_refused_and_what_served_goes_on(
    watcher: RunningWatcher, runs: dict[str, str], tracking: str
) -> None:
    number = promoted_by_clicks(runs["random_forest"])
    status = watcher.wait_for(lambda status: bool(status["problem"]))
    reason = f"Version {number} cannot serve: the gate refused it: no comparison with Production: too few users"
    assert status["problem"].startswith(reason)
    assert status["serving"]["version"] == "1"
    assert reason in watcher.log.read_text()
    version = wait_until(lambda: versions.get(number) if versions.get(number).description else None, 20)
    assert version is not None
    assert version.description.startswith("Not served: the gate refused it: ")
    assert (version.tags["gate"], version.current_stage) == ("refused", "Production")  # a demotion is not forced
    # the version that served before, not itself
    assert version.tags["gate_production_version"] == "1"


def test_it_is_examined_once(watcher: RunningWatcher, runs: dict[str, str], tracking: str) -> None:
    first = last_run("examine", tracking).info.run_id
    MlflowClient().set_model_version_tag(MODEL_NAME, "2", "touched", "now")  # a change in the registry: tried again
    watcher.wait_for(lambda _status: watcher.log.read_text().count("Version 2 cannot serve") > 1)
    assert last_run("examine", tracking).info.run_id == first


def test_the_first_version_is_served_again_by_clicks(watcher: RunningWatcher, runs: dict[str, str]) -> None:
    MlflowClient().transition_model_version_stage(MODEL_NAME, "1", "Production", archive_existing_versions=True)
    watcher.wait_for(lambda status: status["problem"] is None and status["serving"]["version"] == "1")


@pytest.fixture(scope="module")
def artifact_api(server: Settings, watcher: RunningWatcher) -> Iterator[str]:
    """MLflow's server on the artifacts of the tests; without a login, as on one machine."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).parent / "mlflow"), "server", "--port", str(port), "--workers", "1"]
    with (watcher.folder.parent / "mlflow").open("wb") as log:
        process = subprocess.Popen(
            command, env=server.child_environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: answers(f"{address}/health"), START_S, 0.5)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        processes.end_session(process.pid)


def test_code_replaced_over_the_artifact_api_is_never_run(
    watcher: RunningWatcher,
    artifact_api: str,
    server: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watcher.end()
    marker = tmp_path / "the attacker was here"
    model = mlflow.get_logged_model(versions.model_id(versions.get("1")))
    path = Path(model.artifact_location.removeprefix("file://")) / "served_model.py"
    whole = path.read_text()
    attack = whole.replace('"""', f'__import__("pathlib").Path({str(marker)!r}).touch()\n"""', 1)
    url = f"{artifact_api}/api/2.0/mlflow-artifacts/artifacts/{path.relative_to(server.artifacts)}"
    try:
        assert requests.put(url, data=attack, timeout=30).ok
        assert path.read_text() == attack
        mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/1")  # what served and ran it before there were seals
        assert marker.exists()
        marker.unlink()

        with watching(MODEL_NAME, server, tmp_path) as restarted:
            status = restarted.wait_for(lambda status: bool(status["problem"]))
        with pytest.raises(UnusableVersion, match=r"version 1 cannot be loaded: served_model\.py has sha256 "):
            loaded_version.load("1")
        lineage.main(arguments("lineage", {"version": "1"}))
    finally:
        path.write_text(whole)
    assert status["serving"] is None
    assert status["problem"].startswith("Version 1 cannot serve: served_model.py has sha256 ")
    out = capsys.readouterr().out
    assert re.search("seal +BROKEN: version 1 cannot be loaded: served_model.py has sha256 ", out)
    assert "[BROKEN] Broken links: seal, model." in out
    assert not marker.exists()


def test_files_of_another_model_under_the_number_are_refused(
    runs: dict[str, str], server: Settings, tmp_path: Path
) -> None:
    """All of them at once: each is a model that was trained here."""
    good, other = (mlflow.get_logged_model(model_id(runs[name])) for name in ("logistic_regression", "random_forest"))
    path, source = (
        Path(model.artifact_location.removeprefix("file://")) / "artifacts" / "pipeline.skops"
        for model in (good, other)
    )
    whole = path.read_bytes()
    path.write_bytes(source.read_bytes())
    try:
        with pytest.raises(UnusableVersion, match=r"artifacts/pipeline\.skops has sha256 "):
            loaded_version.load("1")
    finally:
        path.write_bytes(whole)
    assert loaded_version.load("1").pipeline is not None
