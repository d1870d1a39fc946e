"""When the watcher turns back from a promoted version, step by step, with fake launches and servers."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from configuration.answer_report import AnswerCounts, AnswerReport
from tests.rollout.fakes import FakeModelServer, Scene

GOOD, BAD = AnswerCounts(1000, 1, 1000, 1, 10.0), AnswerCounts(412, 30, 412, 30, 4.0)
SLOW = AnswerCounts(60, 0, 60, 0, 50.0)


class Probation(Scene):
    """Version 1 has served before version 2, which was promoted just now."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **{"PROBATION_S": "60"} | settings)
        self.old = self.serve("1")
        self.report(self.old, GOOD)
        self.new = self.serve("2")

    def report(self, server: FakeModelServer, counts: AnswerCounts) -> None:
        report = AnswerReport(server.url, "gateway", server.answers_key, counts)
        assert self.answers.take(json.dumps(asdict(report)).encode()) == 204

    def fail(self, counts: AnswerCounts = BAD) -> None:
        self.report(self.new, counts)
        self.watcher.step()

    def end_all(self) -> None:
        self.watcher._servers.drain.end_all()


@pytest.fixture
def probation(tmp_path: Path) -> Probation:
    return Probation(tmp_path / "rollout")


def test_failing_answers_turn_back_to_the_old_server_at_once(probation: Probation) -> None:
    launches = len(probation.launches)
    probation.fail()
    probation.watcher.step()
    probation.end_all()

    assert (probation.serving, len(probation.launches)) == ("1", launches)
    assert (probation.old.has_ended, probation.new.has_ended) == (False, True)
    assert probation.history.reasons()[-1] == ("2", "1", "turned back: 7.3% of 412 answers failed, 0.1% before")


def test_slow_answers_turn_back_too(probation: Probation) -> None:
    probation.fail(SLOW)
    assert probation.serving == "1"
    assert probation.history.reasons()[-1][2] == "turned back: 60 answers took 0.83 s on average, 0.01 s before"


def test_one_death_within_the_probation_turns_back_without_a_restart(probation: Probation) -> None:
    probation.new.is_dead = True
    probation.watcher.step()
    assert probation.serving == "1"
    assert probation.history.reasons()[-1] == ("2", "1", "turned back: the model server ended with signal 9")
    assert len(probation.launches) == 2


def test_an_unresponsive_server_turns_back(probation: Probation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(probation.watcher._servers.liveness), "is_unresponsive", True)
    probation.watcher.step()
    assert probation.serving == "1"
    assert probation.history.reasons()[-1][2] == "turned back: it has not answered for 9 s"


def test_the_decision_names_the_version_and_what_decided(probation: Probation) -> None:
    probation.fail()
    [decision] = probation.history.decisions
    assert (decision.kind, decision.outcome, decision.version, decision.decided_by) == (
        "rollback", "turned_back", "2", "watcher",
    )  # fmt: skip
    assert decision.reason == "7.3% of 412 answers failed, 0.1% before"
    assert {name: decision.figures[name] for name in ("answers", "failed", "answers_before", "to_version")} == {
        "answers": 412, "failed": 30, "answers_before": 1000, "to_version": "1",
    }  # fmt: skip


def test_live_says_in_plain_words_what_was_turned_back_and_what_to_do(probation: Probation) -> None:
    probation.fail()
    status = probation.watcher.status()
    [warning] = status["warnings"]
    assert warning.startswith("Version 2 was turned back at 20")
    assert warning.endswith(
        "UTC: 7.3% of 412 answers failed, 0.1% before; version 1 serves. Production still names version 2. "
        "Run: make rollback VERSION=1, or promote another version"
    )
    assert (status["turned_back"]["version"], status["turned_back"]["to_version"]) == ("2", "1")
    assert (status["problem"], probation.way_back.times) == (None, 1)


def test_a_version_that_stands_its_probation_ends_the_old_server(probation: Probation) -> None:
    probation.report(probation.new, GOOD)
    probation.watcher.step()
    assert not probation.old.has_ended
    trial = probation.watcher._servers.probation._trial
    assert trial is not None
    probation.watcher._servers.probation._trial = replace(trial, until=0)
    probation.watcher.step()
    probation.end_all()
    assert probation.old.has_ended
    probation.fail()
    assert probation.serving == "2", "its time is over"


def test_without_a_probation_the_old_server_ends_at_once_and_a_death_is_a_restart(tmp_path: Path) -> None:
    scene = Probation(tmp_path / "rollout", PROBATION_S="0")
    scene.end_all()
    assert scene.old.has_ended
    scene.fail()
    scene.new.is_dead = True
    scene.watcher.step()
    assert (scene.serving, scene.launches[-1].target.version) == (None, "2")


def test_a_rollback_by_a_person_is_not_on_probation(probation: Probation) -> None:
    probation.promote("1")
    probation.end_all()
    assert (probation.serving, probation.old.has_ended, probation.new.has_ended) == ("1", False, True), "it was warm"
    probation.old.is_dead = True
    probation.watcher.step()
    assert (probation.serving, probation.way_back.times) == (None, 0)
    assert probation.history.reasons()[-2] == ("2", "1", "rollback")


def test_a_third_version_within_the_probation_is_held_against_the_first(probation: Probation) -> None:
    third = probation.serve("3")
    probation.end_all()
    assert (probation.new.has_ended, probation.old.has_ended) == (True, False)
    probation.report(third, BAD)
    probation.watcher.step()
    assert probation.serving == "1"


def test_the_turned_back_version_does_not_serve_by_itself_again(probation: Probation) -> None:
    probation.fail()
    for _step in range(3):
        probation.watcher.step()
    probation.old.is_dead = True
    probation.watcher.step()
    assert probation.launches[-1].target.version == "1", "the old version is restarted"
    probation.launches[-1].succeed()
    probation.watcher.step()
    assert probation.serving == "1"


def test_a_new_description_is_no_promotion_and_a_new_change_of_the_stage_is_one(probation: Probation) -> None:
    probation.fail()
    probation.promote("2", changed_ms=5, description="edited")
    assert (probation.serving, len(probation.launches)) == ("1", 2)
    probation.promote("2", changed_ms=6, description="edited")
    assert probation.launches[-1].target.version == "2"
    probation.new = probation.launches[-1].succeed()
    probation.watcher.step()
    assert (probation.serving, probation.watcher.status()["turned_back"]) == ("2", None)
    assert probation.watcher.status()["warnings"] == []


def test_a_version_promoted_anew_is_on_probation_anew(probation: Probation) -> None:
    probation.fail()
    probation.promote("2", changed_ms=6)
    probation.new = probation.launches[-1].succeed()
    probation.watcher.step()
    assert probation.history.reasons()[-1] == ("1", "2", "promotion")
    probation.new.is_dead = True
    probation.watcher.step()
    assert (probation.serving, probation.way_back.times) == ("1", 2)
    assert len({decision.inputs_sha256 for decision in probation.history.decisions}) == 2


def test_another_version_in_production_ends_the_way_back(probation: Probation) -> None:
    probation.fail()
    probation.promote("1")
    assert (probation.serving, probation.watcher.status()["turned_back"]) == ("1", None)
    probation.promote("3")
    probation.launches[-1].succeed()
    probation.watcher.step()
    assert probation.serving == "3"


def test_an_old_server_that_died_meanwhile_is_launched_again(probation: Probation) -> None:
    probation.old.is_dead = True
    probation.fail()
    assert probation.serving == "2", "better than nothing until then"
    assert probation.launches[-1].target.version == "1"
    probation.new.is_dead = True
    probation.watcher.step()
    assert [launch.target.version for launch in probation.launches] == ["1", "2", "1"], "2 is not restarted"
    probation.launches[-1].succeed()
    probation.watcher.step()
    assert probation.serving == "1"
    assert probation.history.reasons()[-1][2].startswith("turned back: ")


def test_the_end_of_the_watcher_ends_both_servers(probation: Probation) -> None:
    probation.watcher._stop()
    assert probation.old.has_ended
    assert probation.new.has_ended
