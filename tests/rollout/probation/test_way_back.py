"""What a watcher knows at its start of a version that was turned back: by its file, or by the table."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.entities.paged_list import PagedList

from local_stack.settings import Settings
from rollout.probation import way_back
from rollout.probation.way_back import WayBack
from rollout.recorder import HistoryRecorder
from rollout.registry import RegistryPoll, TargetVersion
from steps import warehouse
from steps.warehouse import Cutover
from tests.rollout.fakes import FakeRecorder, target
from tests.waiting import wait_until

MODEL = "streamflow_churn"
OLD, NEW = target("1"), target("2", changed_ms=5, description="Trained")
FIGURES: dict[str, float | int | str | None] = {"answers": 412, "failed": 30}
REASON = "7.3% of 412 answers failed"


def find(number: str) -> TargetVersion | None:
    return {"1": OLD, "2": NEW}.get(number)


def turned_back(folder: Path) -> WayBack:
    turned = fresh(folder)
    turned.turn(NEW, OLD, REASON, FIGURES)
    return turned


def fresh(folder: Path) -> WayBack:
    folder.mkdir(exist_ok=True)
    return WayBack(folder, MODEL, FakeRecorder())  # type: ignore[arg-type]


@pytest.fixture
def recorded(with_roles: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WayBack]:
    """In the table, written by the watcher's role, which stays in the environment."""
    for name, value in with_roles.login("watcher").items():
        monkeypatch.setenv(name, value)
    recorder = HistoryRecorder(MODEL)
    recorder.start()
    turned = WayBack(tmp_path, MODEL, recorder)
    turned.turn(NEW, OLD, REASON, FIGURES)
    wait_until(lambda: recorder.behind == 0, 20)
    yield turned
    recorder.stop()


@pytest.fixture
def no_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_model: str) -> None:
        raise ConnectionError("connection refused")

    monkeypatch.setattr(warehouse, "decisions", refuse)


@pytest.mark.usefixtures("no_warehouse")
def test_the_file_needs_no_database_and_its_decision_is_recorded_again(tmp_path: Path) -> None:
    first = turned_back(tmp_path)
    again = fresh(tmp_path)
    again.load(NEW, find)

    assert again.turned_back == first.turned_back
    assert again.version_to_serve(NEW) == OLD
    assert [decision.inputs_sha256 for decision in again._recorder.decisions] == [  # type: ignore[attr-defined]
        first.turned_back.decision.inputs_sha256  # type: ignore[union-attr]
    ]


@pytest.mark.usefixtures("no_warehouse")
def test_without_file_and_database_nothing_may_be_served_yet(tmp_path: Path) -> None:
    client = Registry()
    registry = RegistryPoll(client, MODEL, "Production", 1.0, lambda _target: fresh(tmp_path).load(NEW, find))
    registry.poll()
    assert (registry.has_answered, registry.target) == (False, None)
    assert registry.warnings() == [
        "Nothing is launched until the table decisions can be read: ConnectionError: connection refused"
    ]


class Registry:
    """Nothing is in the stage."""

    def search_model_versions(self, *_arguments: Any, **_keywords: Any) -> Any:
        return PagedList([], None)


def test_a_watcher_in_a_new_container_reads_the_table(recorded: WayBack, tmp_path: Path) -> None:
    again = fresh(tmp_path / "new")
    again.load(NEW, find)
    assert again.turned_back == recorded.turned_back
    assert again.version_to_serve(NEW) == OLD


def test_a_version_that_has_served_since_is_not_turned_back(recorded: WayBack, tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(seconds=1)
    warehouse.record_cutover(MODEL, Cutover(later, NEW.version, NEW.run_id, None, OLD.version, "promotion"))
    again = fresh(tmp_path / "new")
    again.load(NEW, find)
    assert again.turned_back is None


@pytest.mark.parametrize(
    "other",
    [
        target("3"),
        TargetVersion("2", "another run", None, True, 5, (), "m-1", 2),  # the number was reused
        target("2", source="m-9"),
    ],
)
def test_another_version_is_not_turned_back(recorded: WayBack, tmp_path: Path, other: TargetVersion) -> None:
    again = fresh(tmp_path / "new")
    again.load(other, find)
    assert (again.turned_back, again.version_to_serve(other)) == (None, other)


def test_a_promotion_while_no_watcher_ran_ends_it_and_an_edit_does_not(recorded: WayBack, tmp_path: Path) -> None:
    edited = target("2", changed_ms=8, description="Edited")
    promoted = target("2", changed_ms=8, description="Trained")
    for name, now, served in (("edited", edited, OLD), ("promoted", promoted, promoted)):
        again = fresh(tmp_path / name)
        again.load(now, find)
        assert again.version_to_serve(now) == served


def test_without_the_version_to_go_back_to_nothing_is_served_and_the_warning_says_so(tmp_path: Path) -> None:
    turned_back(tmp_path)
    again = fresh(tmp_path)
    again.load(NEW, lambda _number: None)
    assert again.version_to_serve(NEW) is None
    assert "version 1 is gone" in str(again.warning())


def test_an_unusable_file_is_replaced_by_the_table(
    recorded: WayBack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / way_back.FILE).write_text("{")
    again = fresh(tmp_path)
    again.load(NEW, find)
    assert again.turned_back == recorded.turned_back
    assert "is unusable, the table of decisions is read instead" in caplog.text


def test_a_full_disk_does_not_keep_a_failing_version_live(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    turned = fresh(tmp_path)
    tmp_path.rmdir()
    turned.turn(NEW, OLD, REASON, FIGURES)
    assert turned.version_to_serve(NEW) == OLD
    assert "the way back is forgotten" in caplog.text
