"""The watcher as a process, with real `mlflow models serve` and a real registry. The tests follow one another."""

import psutil
import pytest
import requests

from rollout import processes
from rollout.registry import wanted_version
from steps import warehouse
from tests.rollout.conftest import NAME, ROWS, TYPES, RunningWatcher, Versions

COLUMNS = {name: ROWS[name].tolist() for name in TYPES}


def answer(watcher: RunningWatcher) -> list[dict[str, object]]:
    url = watcher.says()["serving"]["url"]
    predictions: list[dict[str, object]] = requests.post(
        f"{url}/invocations", json={"inputs": COLUMNS}, timeout=10
    ).json()["predictions"]
    return predictions


def test_with_nothing_in_production_it_says_what_to_run(watcher: RunningWatcher) -> None:
    said = watcher.wait_for(lambda said: bool(said["warnings"]))
    assert said["serving"] is None
    assert said["warnings"] == [f"No version of {NAME} is in Production. Run: mlflow run . -e register"]


def test_a_promoted_version_serves_and_says_who_it_is(watcher: RunningWatcher, versions: Versions) -> None:
    versions.promote(versions.first)
    said = watcher.wait_until_serving(versions.first)
    assert said["serving"]["run_id"] == versions.run_ids[versions.first]
    assert said["serving"]["feature_service"] == "churn_v1"
    assert {row["model_version"] for row in answer(watcher)} == {versions.first}


def test_the_next_promotion_takes_over_and_nothing_is_left_of_the_old(
    watcher: RunningWatcher, versions: Versions
) -> None:
    old = watcher.live_server()
    versions.promote(versions.second)
    watcher.wait_until_serving(versions.second)
    assert {row["model_version"] for row in answer(watcher)} == {versions.second}
    means = versions.client.get_model_version_by_alias(NAME, "Production")
    assert str(means.version) == versions.second
    old.wait(20)
    watcher.wait_for(lambda _said: not list(watcher.folder.glob(f"v{versions.first}-*")))


@pytest.mark.parametrize(("broken", "reason"), [("raises", "status 400"), ("damaged", "exit code 1")])
def test_a_broken_version_is_never_turned_to_and_the_reason_is_said(
    watcher: RunningWatcher, versions: Versions, broken: str, reason: str
) -> None:
    version = getattr(versions, broken)
    versions.promote(version)
    said = watcher.wait_for(lambda said: bool(said["problem"]))
    assert said["problem"].startswith(f"Version {version} was not turned to: ")
    assert reason in said["problem"]
    assert said["serving"]["version"] == versions.second
    assert {row["model_version"] for row in answer(watcher)} == {versions.second}
    versions.promote(versions.second)
    watcher.wait_for(lambda said: said["serving"]["version"] == versions.second and not said["problem"])


@pytest.mark.parametrize("whom", ["the leader", "the worker"])
def test_a_killed_server_is_back_by_itself(watcher: RunningWatcher, versions: Versions, whom: str) -> None:
    before = watcher.says()["serving"]["url"]
    leader = watcher.live_server()
    family = [leader, *leader.children(recursive=True)]
    (leader if whom == "the leader" else family[-1]).kill()
    said = watcher.wait_for(lambda said: bool(said["serving"]) and said["serving"]["url"] != before)
    assert said["serving"]["version"] == versions.second
    assert answer(watcher)
    _gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_of_two_in_production_the_one_that_mlflow_means_serves(watcher: RunningWatcher, versions: Versions) -> None:
    import mlflow  # noqa: PLC0415 - where it is used

    versions.promote(versions.first, archive=False)
    said = watcher.wait_for(lambda said: any("Several versions" in warning for warning in said["warnings"]))
    means = wanted_version(versions.client, NAME, "Production")
    assert means is not None
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(ROWS[list(TYPES)].head(1))
    assert means.version == loaded["model_version"][0] == said["serving"]["version"] == versions.second


def test_history_tells_who_served(watcher: RunningWatcher, versions: Versions) -> None:
    watcher.wait_for(lambda said: not any("behind" in warning for warning in said["warnings"]))
    told = [(row.from_version, row.version, row.reason) for row in warehouse.cutovers(NAME)]
    first, second = versions.first, versions.second
    assert told[:2] == [(None, first, "start"), (first, second, "promotion")]
    assert (second, second, "restart") in told
    assert {row.run_id for row in warehouse.cutovers(NAME) if row.version == second} == {versions.run_ids[second]}


def test_the_end_leaves_no_process_and_no_file(watcher: RunningWatcher) -> None:
    servers = [process for server in watcher.servers() for process in [server, *server.children(recursive=True)]]
    assert servers
    watcher.end()
    assert [process for process in servers if process.is_running()] == []
    assert list(watcher.folder.iterdir()) == []


def test_what_a_killed_watcher_left_behind_can_be_ended(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("left") / "servers.json"
    left = psutil.Popen(["sleep", "600"], start_new_session=True)
    processes.remember(file, [left.pid])
    assert processes.end_remembered(file) == 1
    assert not left.is_running()
    left.poll()  # or Popen would warn of a process that nobody has waited for
    assert not file.exists()
