"""The watcher's decisions step by step, with fake launches and servers."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest

from rollout import watcher
from rollout.model_server.launch import Launch
from rollout.settings import load_settings
from tests.rollout.fakes import FakeModelServer, Scene, target
from tests.waiting import wait_until


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "rollout")


def test_nothing_serves_before_the_registry_s_first_answer(scene: Scene) -> None:
    scene.watcher.step()
    assert (scene.launches, scene.serving) == ([], None)


def test_the_version_in_production_serves_once_it_is_ready(scene: Scene) -> None:
    scene.promote("1")
    assert scene.serving is None
    scene.launches[0].succeed()
    scene.watcher.step()
    assert scene.watcher.status()["serving"] == {
        "url": "http://model-1",
        "model_name": "streamflow_churn",
        "version": "1",
        "run_id": "run-1",
        "feature_service": "churn_v1",
    }


def test_the_old_version_serves_until_the_new_one_is_ready(scene: Scene) -> None:
    old = scene.serve("1")
    scene.promote("2")
    assert (scene.serving, old.has_ended) == ("1", False)
    scene.launches[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "2"
    scene.watcher._servers.drain.end_all()
    assert old.has_ended


def test_a_version_whose_launch_failed_never_serves_and_the_reason_is_reported(scene: Scene) -> None:
    old = scene.serve("1")
    scene.promote("2")
    scene.launches[-1].fail("it answered its input example with status 500")
    scene.watcher.step()
    assert scene.serving == "1"
    assert not old.has_ended
    assert scene.watcher.status()["problem"] == (
        "Version 2 cannot serve: it answered its input example with status 500"
    )


def test_a_failed_launch_is_repeated_with_growing_waits(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.backoff.time.monotonic", lambda: clock[0])
    scene.promote("1")
    launched_at = []
    for _tenth in range(200):
        if scene.launches and not scene.launches[-1].done:
            launched_at.append(round(clock[0] - 1000, 1))
            scene.launches[-1].fail()
        scene.watcher.step()
        clock[0] += 0.1
    waits = [later - earlier for earlier, later in pairwise(launched_at[1:])]
    assert len(waits) >= 3
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0]


def test_a_version_promoted_again_is_launched_again_at_once(scene: Scene) -> None:
    scene.serve("1")
    for _twice in range(2):
        scene.promote("2")
        scene.launches[-1].fail()
        scene.watcher.step()
    count = len(scene.launches)
    scene.watcher.step()
    assert len(scene.launches) == count
    scene.promote("2", changed_ms=7)
    assert len(scene.launches) == count + 1


def test_another_model_with_the_live_version_s_number_is_downloaded_and_replaces_it(scene: Scene) -> None:
    old = scene.serve("2")
    scene.promote("2", source="m-anew")
    launch = scene.launches[-1]
    assert launch.copy_from is None
    launch.succeed()
    scene.watcher.step()
    scene.watcher._servers.drain.end_all()
    assert scene.watcher._servers.live is not None
    assert scene.watcher._servers.live.server is launch.server
    assert old.has_ended
    assert scene.history.reasons()[-1] == ("2", "2", "promotion")


def test_a_failure_does_not_delay_another_model_with_the_same_number(scene: Scene) -> None:
    scene.serve("1")
    for _twice in range(2):
        scene.promote("2")
        scene.launches[-1].fail()
        scene.watcher.step()
    count = len(scene.launches)
    scene.promote("2", source="m-anew")
    assert len(scene.launches) == count + 1


def test_another_promotion_cancels_the_launch_before_it(scene: Scene) -> None:
    scene.serve("1")
    scene.promote("2")
    first = scene.launches[-1]
    scene.promote("3")
    scene.watcher._servers.drain.end_all()
    assert first.is_cancelled
    assert scene.launches[-1].target.version == "3"


def test_a_promotion_undone_before_it_is_ready_changes_nothing(scene: Scene) -> None:
    scene.serve("1")
    scene.promote("2")
    scene.promote("1")
    scene.watcher.step()
    scene.watcher._servers.drain.end_all()
    assert scene.launches[-1].is_cancelled
    assert scene.serving == "1"
    assert len(scene.launches) == 2


def test_a_server_that_died_is_restarted_from_its_own_copy(scene: Scene) -> None:
    server = scene.serve("1")
    server.is_dead = True
    scene.watcher.step()
    assert scene.serving is None
    assert "signal 9" in scene.watcher.status()["problem"]
    assert scene.launches[-1].copy_from is server
    scene.launches[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "1"
    assert scene.watcher.status()["problem"] is None


def test_the_old_version_is_restarted_while_a_new_one_launches(scene: Scene) -> None:
    server = scene.serve("1")
    scene.promote("2")
    server.is_dead = True
    scene.watcher.step()
    assert [launch.target.version for launch in scene.launches] == ["1", "2", "1"]
    scene.launches[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "1"


def test_a_restart_is_cancelled_when_the_new_version_is_ready_first(scene: Scene) -> None:
    server = scene.serve("1")
    scene.promote("2")
    server.is_dead = True
    scene.watcher.step()
    scene.launches[1].succeed()
    scene.watcher.step()
    scene.watcher.step()
    scene.watcher._servers.drain.end_all()
    assert scene.serving == "2"
    assert scene.launches[2].is_cancelled


def test_a_server_that_keeps_dying_is_restarted_after_growing_waits(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.backoff.time.monotonic", lambda: clock[0])
    server, restarted_at = scene.serve("1"), []
    for _tenth in range(200):
        server.is_dead = True
        if not scene.launches[-1].done:
            restarted_at.append(round(clock[0], 1))
            server = scene.launches[-1].succeed()
        scene.watcher.step()
        clock[0] += 0.1
    waits = [later - earlier for earlier, later in pairwise(restarted_at)]
    assert waits[-1] > 3 * waits[0]


def test_an_unresponsive_server_serves_until_its_replacement_is_ready(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = scene.serve("1")
    monkeypatch.setattr(type(scene.watcher._servers.liveness), "is_unresponsive", True)
    scene.watcher.step()
    assert scene.serving == "1"
    scene.launches[-1].succeed()
    monkeypatch.setattr(type(scene.watcher._servers.liveness), "is_unresponsive", False)
    scene.watcher.step()
    scene.watcher._servers.drain.end_all()
    assert scene.serving == "1"
    assert frozen.has_ended
    assert scene.watcher._servers.live is not None
    assert scene.watcher._servers.live.server is scene.launches[-1].server


def test_the_processes_of_a_launch_are_saved_for_the_watcher_after_a_killed_one(scene: Scene) -> None:
    scene.promote("1")
    scene.launches[-1].pids = [os.getpid()]  # of an examination, for example
    scene.watcher.step()
    saved = json.loads(scene.watcher._saved.file.read_text())
    assert [record["pid"] for record in saved] == [os.getpid()]


def test_a_briefly_empty_stage_interrupts_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.watcher.time.monotonic", lambda: clock[0])
    scene.serve("1")
    scene.registry.target, scene.registry.empty_since = None, clock[0]
    scene.watcher.step()
    assert scene.serving == "1"
    clock[0] += watcher.WITHDRAWAL_GRACE_S + 1
    scene.watcher.step()
    assert scene.serving is None
    assert scene.history.reasons()[-1] == ("1", None, "nothing is in Production")


def test_a_failed_launch_is_no_problem_once_the_stage_is_empty(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.watcher.time.monotonic", lambda: clock[0])
    scene.promote("1")
    scene.launches[-1].fail()
    scene.watcher.step()
    assert scene.watcher.status()["problem"] is not None
    scene.registry.target, scene.registry.empty_since = None, clock[0]
    clock[0] += watcher.WITHDRAWAL_GRACE_S + 1
    scene.watcher.step()
    assert scene.watcher.status()["problem"] is None


def test_a_folder_that_cannot_be_written_fails_the_launch_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    launch = Launch(load_settings({"ROLLOUT_FOLDER": str(tmp_path / "file" / "rollout")}), target("2"))
    launch.start()
    wait_until(lambda: launch.done)
    assert launch.result is None
    assert f"Not a directory: '{tmp_path}/file" in str(launch.reason)


def test_a_list_of_processes_that_cannot_be_written_ends_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FakeModelServer, "pid", os.getpid())
    (tmp_path / "rollout").rmdir()
    scene.serve("1")
    scene.watcher.step()
    assert scene.serving == "1"
    assert [str(tmp_path) in record.getMessage() for record in caplog.records if "killed" in record.msg] == [True]


def test_several_versions_in_the_stage_are_a_warning(scene: Scene) -> None:
    scene.promote("3", "1", "2")
    [warning] = scene.watcher.status()["warnings"]
    assert "Several versions are in Production: 3 serves (the highest), 1, 2 not" in warning


def test_the_history_distinguishes_promotion_rollback_restart_and_stop(scene: Scene) -> None:
    scene.serve("1")
    scene.serve("2")
    scene.serve("1").is_dead = True
    scene.watcher.step()
    scene.launches[-1].succeed()
    scene.watcher.step()
    scene.watcher._stop()
    assert scene.history.reasons() == [
        (None, "1", "start"),
        ("1", "2", "promotion"),
        ("2", "1", "rollback"),
        ("1", None, "the model server ended with signal 9"),
        ("1", "1", "restart"),
        ("1", None, "stop"),
    ]
    assert scene.history.rows[1].run_id == "run-2"
    assert scene.history.rows[1].dataset_sha256 == "sha-2"
