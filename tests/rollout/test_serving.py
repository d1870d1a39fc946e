"""The watcher as a process, with real `mlflow models serve` and a real registry. Each test builds on the one before."""

import os
import re
import socket
from pathlib import Path

import psutil
import pytest

from rollout import processes
from rollout.registry import target_version
from steps import warehouse
from tests.rollout.conftest import NAME, RAISING_MODEL, ROWS, TYPES, RunningWatcher, Versions

COLUMNS = {name: ROWS[name].tolist() for name in TYPES}


def predictions(watcher: RunningWatcher) -> list[dict[str, object]]:
    return watcher.predictions(COLUMNS)


def test_with_nothing_in_production_a_warning_names_the_command(watcher: RunningWatcher) -> None:
    status = watcher.wait_for(lambda status: bool(status["warnings"]))
    assert status["serving"] is None
    assert status["warnings"] == [f"No version of {NAME} is in Production. Run: mlflow run . -e register"]


def test_a_promoted_version_serves_under_its_own_identity(watcher: RunningWatcher, versions: Versions) -> None:
    versions.promote(versions.first)
    status = watcher.wait_until_serving(versions.first)
    assert status["serving"]["run_id"] == versions.run_ids[versions.first]
    assert status["serving"]["feature_service"] == "churn_v1"
    assert {row["model_version"] for row in predictions(watcher)} == {versions.first}


def test_the_next_promotion_replaces_the_old_server_and_its_files(watcher: RunningWatcher, versions: Versions) -> None:
    old = watcher.live_server()
    versions.promote(versions.second)
    watcher.wait_until_serving(versions.second)
    assert {row["model_version"] for row in predictions(watcher)} == {versions.second}
    aliased = versions.client.get_model_version_by_alias(NAME, "Production")
    assert str(aliased.version) == versions.second
    old.wait(20)
    watcher.wait_for(lambda _status: not list(watcher.folder.glob(f"v{versions.first}-*")))


BROKEN = {
    "raises": "status 400",
    "damaged": "exit code 1",
    "changed": "served_model.py has sha256 ",
    "unsealed": "it has no seal: it was logged without `train`, or before seals. Train it again, or accept",
    "refused": "the gate refused it: AUC 0.6 is below min_auc 0.7",
}


@pytest.mark.parametrize(("broken", "reason"), BROKEN.items())
def test_a_broken_version_never_serves_and_the_reason_is_reported(
    watcher: RunningWatcher, versions: Versions, broken: str, reason: str
) -> None:
    version = getattr(versions, broken)
    versions.promote(version)
    status = watcher.wait_for(lambda status: bool(status["problem"]))
    assert status["problem"].startswith(f"Version {version} cannot serve: ")
    assert reason in status["problem"]
    assert reason in watcher.log.read_text()
    assert status["serving"]["version"] == versions.second
    assert {row["model_version"] for row in predictions(watcher)} == {versions.second}
    description = versions.client.get_model_version(NAME, version).description or ""
    assert (f"Not served: {reason}" in description) == (broken not in ("raises", "damaged"))
    versions.promote(versions.second)
    watcher.wait_for(lambda status: status["serving"]["version"] == versions.second and not status["problem"])


def test_the_model_server_knows_no_password_and_no_key(watcher: RunningWatcher) -> None:
    leader = watcher.live_server()
    own = watcher.folder / Path(leader.cwd()).parent.name
    for process in (leader, *leader.children(recursive=True)):
        environment = process.environ()
        assert [
            name
            for name in environment
            if re.match("PG|MLFLOW_(TRACKING|BACKEND|REGISTRY)|STREAMFLOW_|ENRICHER_|ROLLOUT_", name)
        ] == []
        assert [value for value in environment.values() if "streamflow:streamflow" in value] == []
        assert process.cwd() == str(own / "work")
        assert (environment["HOME"], environment["TMPDIR"]) == (str(own / "tmp"), str(own / "tmp"))


NOBODY = 65534


def connecting(path: Path, user: int) -> str:
    """What a process of the user gets: "connected", or the error's name."""
    reader, writer = os.pipe()
    if not os.fork():
        try:
            if user != os.getuid():
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            socket.socket(socket.AF_UNIX).connect(str(path))
            os.write(writer, b"connected")
        except OSError as error:
            os.write(writer, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.wait()
    return os.read(reader, 100).decode()


def test_only_the_users_own_processes_reach_the_model_server(watcher: RunningWatcher) -> None:
    leader, path = watcher.live_server(), Path(watcher.socket())
    family = [leader, *leader.children(recursive=True)]
    assert [connection.laddr for process in family for connection in process.net_connections("inet")] == []
    assert (path.parent.stat().st_mode & 0o777, path.parent.stat().st_uid) == (0o700, os.getuid())
    assert connecting(path, os.getuid()) == "connected"
    if os.getuid() == 0:  # others cannot change their user
        assert connecting(path, NOBODY) == "PermissionError"


def test_a_server_whose_files_changed_is_restarted_from_the_registry(
    watcher: RunningWatcher, versions: Versions
) -> None:
    leader = watcher.live_server()
    model = Path(leader.cwd()).parent / "model"
    (model / "served_model.py").write_text(RAISING_MODEL)
    leader.kill()
    url = watcher.status()["serving"]["url"]
    watcher.wait_for(lambda status: bool(status["serving"]) and status["serving"]["url"] != url)
    assert predictions(watcher)
    assert "is unusable, downloading it again: served_model.py has sha256 " in watcher.log.read_text()


@pytest.mark.parametrize("victim", ["the leader", "the worker"])
def test_a_killed_server_is_restarted(watcher: RunningWatcher, versions: Versions, victim: str) -> None:
    before, logged = watcher.status()["serving"]["url"], len(watcher.log.read_text())
    leader = watcher.live_server()
    family = [leader, *leader.children(recursive=True)]
    (leader if victim == "the leader" else family[-1]).kill()
    status = watcher.wait_for(lambda status: bool(status["serving"]) and status["serving"]["url"] != before)
    assert status["serving"]["version"] == versions.second
    assert predictions(watcher)
    # its own copy serves: a restart needs neither registry nor database
    assert "is unusable" not in watcher.log.read_text()[logged:]
    _gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_of_two_versions_in_production_the_one_that_mlflow_loads_serves(
    watcher: RunningWatcher, versions: Versions
) -> None:
    import mlflow  # noqa: PLC0415 - used by this test alone

    versions.promote(versions.first, archive=False)
    status = watcher.wait_for(lambda status: any("Several versions" in warning for warning in status["warnings"]))
    target = target_version(versions.client, NAME, "Production")
    assert target is not None
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(ROWS[list(TYPES)].head(1))
    assert target.version == loaded["model_version"][0] == status["serving"]["version"] == versions.second


def test_the_history_shows_which_version_served(watcher: RunningWatcher, versions: Versions) -> None:
    watcher.wait_for(lambda status: not any("behind" in warning for warning in status["warnings"]))
    rows = warehouse.cutovers(NAME)
    start = max(number for number, row in enumerate(rows) if row.reason == "start")  # of this file's watcher
    history = [(row.from_version, row.version, row.reason) for row in rows[start:]]
    first, second = versions.first, versions.second
    assert history[:2] == [(None, first, "start"), (first, second, "promotion")]
    assert (second, second, "restart") in history
    assert {row.dataset_sha256 for row in rows if row.version} == {"abc"}
    assert {row.run_id for row in rows if row.version == second} == {versions.run_ids[second]}


def test_the_end_of_the_watcher_leaves_no_process_and_no_file(watcher: RunningWatcher) -> None:
    servers = [process for server in watcher.servers() for process in [server, *server.children(recursive=True)]]
    assert servers
    sockets = Path(watcher.socket()).parent
    watcher.end()
    assert not sockets.exists()
    assert [process for process in servers if process.is_running()] == []
    assert list(watcher.folder.iterdir()) == []


def test_processes_left_by_a_killed_watcher_are_ended(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("left") / "servers.json"
    left = psutil.Popen(["sleep", "600"], start_new_session=True)
    processes.save_identities(file, [left.pid])
    assert processes.end_saved(file) == 1
    assert not left.is_running()
    left.poll()  # else Popen warns of an unwaited process
    assert not file.exists()
