"""What the watcher decides, step by step, with attempts and servers that do what the test says."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rollout import watcher
from rollout.registry import RegistryPoll
from rollout.settings import load_settings
from rollout.watcher import Watcher
from tests.rollout.fakes import FakeBringUp, FakeHistory, FakeModelServer, wanted


class Scene:
    """A watcher, and everything around it in the test's hand."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings({"ROLLOUT_FOLDER": str(folder), "ROLLOUT_DRAIN_S": "0.001", "ROLLOUT_SILENCE_S": "9"})
        self.registry = RegistryPoll(None, "streamflow_churn", "Production", 1.0)
        self.history = FakeHistory()
        self.attempts: list[FakeBringUp] = []
        self.watcher = Watcher(settings, self.registry, self.history, self._bring_up)  # type: ignore[arg-type]
        folder.mkdir(exist_ok=True)

    def _bring_up(self, *arguments: Any) -> Any:
        self.attempts.append(FakeBringUp(*arguments))
        return self.attempts[-1]

    def promote(self, version: str, *beside: str, changed_ms: int = 0, source: str = "m-1") -> None:
        self.registry.asked, self.registry.none_since = True, None
        self.registry.wanted = wanted(version, *beside, changed_ms=changed_ms, source=source)
        self.watcher.step()

    def serve(self, version: str) -> FakeModelServer:
        self.promote(version)
        server = self.attempts[-1].succeed()
        self.watcher.step()
        return server

    @property
    def serving(self) -> str | None:
        says = self.watcher.says()["serving"]
        return says["version"] if says else None


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "rollout")


def test_nothing_serves_before_the_registry_has_spoken(scene: Scene) -> None:
    scene.watcher.step()
    assert (scene.attempts, scene.serving) == ([], None)


def test_the_version_in_production_serves_once_it_is_fit(scene: Scene) -> None:
    scene.promote("1")
    assert scene.serving is None
    scene.attempts[0].succeed()
    scene.watcher.step()
    assert scene.watcher.says()["serving"] == {
        "url": "http://model-1",
        "model_name": "streamflow_churn",
        "version": "1",
        "run_id": "run-1",
        "feature_service": "churn_v1",
    }


def test_the_old_version_serves_until_the_new_one_is_fit_and_is_then_ended(scene: Scene) -> None:
    old = scene.serve("1")
    scene.promote("2")
    assert (scene.serving, old.is_gone) == ("1", False)
    scene.attempts[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "2"
    scene.watcher._drain.end_all()
    assert old.is_gone


def test_a_version_that_is_not_fit_is_never_turned_to_and_the_reason_is_said(scene: Scene) -> None:
    old = scene.serve("1")
    scene.promote("2")
    scene.attempts[-1].fail("it answered its input example with status 500")
    scene.watcher.step()
    assert scene.serving == "1"
    assert not old.is_gone
    assert scene.watcher.says()["problem"] == (
        "Version 2 was not turned to: it answered its input example with status 500"
    )


def test_a_version_that_was_not_fit_is_tried_again_with_growing_pauses(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.backoff.time.monotonic", lambda: clock[0])
    scene.promote("1")
    tried_at = []
    for _tenth in range(200):
        if scene.attempts and not scene.attempts[-1].done:
            tried_at.append(round(clock[0] - 1000, 1))
            scene.attempts[-1].fail()
        scene.watcher.step()
        clock[0] += 0.1
    waits = [later - earlier for earlier, later in pairwise(tried_at[1:])]
    assert len(waits) >= 3
    assert waits == sorted(waits)
    assert waits[-1] > 3 * waits[0]


def test_moving_it_to_the_stage_again_earns_a_version_another_trial_at_once(scene: Scene) -> None:
    scene.serve("1")
    for _twice in range(2):
        scene.promote("2")
        scene.attempts[-1].fail()
        scene.watcher.step()
    tried = len(scene.attempts)
    scene.watcher.step()
    assert len(scene.attempts) == tried
    scene.promote("2", changed_ms=7)
    assert len(scene.attempts) == tried + 1


def test_another_model_under_the_number_that_serves_is_fetched_anew_and_takes_over(scene: Scene) -> None:
    old = scene.serve("2")
    scene.promote("2", source="m-anew")
    attempt = scene.attempts[-1]
    assert attempt.copy_of is None
    attempt.succeed()
    scene.watcher.step()
    scene.watcher._drain.end_all()
    assert scene.watcher.live is not None
    assert scene.watcher.live.server is attempt.server
    assert old.is_gone
    assert scene.history.told()[-1] == ("2", "2", "promotion")


def test_what_failed_under_a_number_is_not_held_against_another_model_of_that_number(scene: Scene) -> None:
    scene.serve("1")
    for _twice in range(2):
        scene.promote("2")
        scene.attempts[-1].fail()
        scene.watcher.step()
    tried = len(scene.attempts)
    scene.promote("2", source="m-anew")
    assert len(scene.attempts) == tried + 1


def test_another_promotion_while_one_is_on_its_way_cancels_it(scene: Scene) -> None:
    scene.serve("1")
    scene.promote("2")
    first = scene.attempts[-1]
    scene.promote("3")
    scene.watcher._drain.end_all()
    assert first.is_cancelled
    assert scene.attempts[-1].wanted.version == "3"


def test_a_promotion_taken_back_before_it_was_fit_changes_nothing(scene: Scene) -> None:
    scene.serve("1")
    scene.promote("2")
    scene.promote("1")
    scene.watcher.step()
    scene.watcher._drain.end_all()
    assert scene.attempts[-1].is_cancelled
    assert scene.serving == "1"
    assert len(scene.attempts) == 2


def test_a_server_that_died_is_restarted_from_its_own_copy(scene: Scene) -> None:
    server = scene.serve("1")
    server.is_dead = True
    scene.watcher.step()
    assert scene.serving is None
    assert "signal 9" in scene.watcher.says()["problem"]
    assert scene.attempts[-1].copy_of is server
    scene.attempts[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "1"
    assert scene.watcher.says()["problem"] is None


def test_the_old_version_is_restarted_while_a_new_one_hangs_on_its_way(scene: Scene) -> None:
    server = scene.serve("1")
    scene.promote("2")
    server.is_dead = True
    scene.watcher.step()
    assert [attempt.wanted.version for attempt in scene.attempts] == ["1", "2", "1"]
    scene.attempts[-1].succeed()
    scene.watcher.step()
    assert scene.serving == "1"


def test_a_restart_is_given_up_when_the_new_version_is_there_first(scene: Scene) -> None:
    server = scene.serve("1")
    scene.promote("2")
    server.is_dead = True
    scene.watcher.step()
    scene.attempts[1].succeed()
    scene.watcher.step()
    scene.watcher.step()
    scene.watcher._drain.end_all()
    assert scene.serving == "2"
    assert scene.attempts[2].is_cancelled


def test_a_server_that_dies_again_and_again_is_restarted_after_growing_pauses(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.backoff.time.monotonic", lambda: clock[0])
    server, restarted_at = scene.serve("1"), []
    for _tenth in range(200):
        server.is_dead = True
        if not scene.attempts[-1].done:
            restarted_at.append(round(clock[0], 1))
            server = scene.attempts[-1].succeed()
        scene.watcher.step()
        clock[0] += 0.1
    waits = [later - earlier for earlier, later in pairwise(restarted_at)]
    assert waits[-1] > 3 * waits[0]


def test_a_silent_server_is_replaced_beside_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = scene.serve("1")
    monkeypatch.setattr(type(scene.watcher._liveness), "is_silent", True)
    scene.watcher.step()
    assert scene.serving == "1"
    scene.attempts[-1].succeed()
    monkeypatch.setattr(type(scene.watcher._liveness), "is_silent", False)
    scene.watcher.step()
    scene.watcher._drain.end_all()
    assert scene.serving == "1"
    assert frozen.is_gone
    assert scene.watcher.live is not None
    assert scene.watcher.live.server is scene.attempts[-1].server


def test_a_stage_that_is_empty_for_a_moment_interrupts_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("rollout.watcher.time.monotonic", lambda: clock[0])
    scene.serve("1")
    scene.registry.wanted, scene.registry.none_since = None, clock[0]
    scene.watcher.step()
    assert scene.serving == "1"
    clock[0] += watcher.WITHDRAWAL_GRACE_S + 1
    scene.watcher.step()
    assert scene.serving is None
    assert scene.history.told()[-1] == ("1", None, "nothing is in Production")


def test_several_versions_in_the_stage_are_a_named_warning(scene: Scene) -> None:
    scene.promote("3", "1", "2")
    [warning] = scene.watcher.says()["warnings"]
    assert "Several versions are in Production: 3 serves (the highest), 1, 2 not" in warning


def test_history_tells_promotion_rollback_restart_and_stop_apart(scene: Scene) -> None:
    scene.serve("1")
    scene.serve("2")
    scene.serve("1").is_dead = True
    scene.watcher.step()
    scene.attempts[-1].succeed()
    scene.watcher.step()
    scene.watcher._stop()
    assert scene.history.told() == [
        (None, "1", "start"),
        ("1", "2", "promotion"),
        ("2", "1", "rollback"),
        ("1", None, "the model server ended with signal 9"),
        ("1", "1", "restart"),
        ("1", None, "stop"),
    ]
    assert scene.history.rows[1].run_id == "run-2"
    assert scene.history.rows[1].dataset_sha256 == "sha-2"
