"""Labels from separate, later files: of some users, with corrections that have their own known_at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_stack.settings import Settings
from steps import build_dataset, ingest, labels, materialize, warehouse
from steps.cli.errors import BadParameter, FaultyMonth, NoLabels, NoSnapshot
from steps.registry.links import month_links
from steps.runs import tracking as step_tracking
from steps.runs.entry_points import arguments
from steps.training import dataset_runs
from tests.conftest import FEBRUARY, JANUARY
from tests.steps.states.database import empty, execute, fetch, last_run
from tests.steps.states.histories import Event, without_rows
from tests.steps.states.killed import held, kill, start, wait_until_stuck
from tests.steps.states.months import FILES, with_cell, without_line, write_month
from tests.steps.states.online import in_snapshot, served

LATER, LATER_STILL = date(2024, 3, 15), date(2024, 4, 15)
WHOLE = FILES["labels"]

Load = Callable[..., None]
Rebuild = Callable[..., dict[str, Any]]


def file_of(folder: Path, labels_by_user: Mapping[str, bool]) -> Path:
    path = folder / "late.csv"
    path.write_text("user_id,churn_label\n" + "".join(f"{user},{left}\n" for user, left in labels_by_user.items()))
    return path


@pytest.fixture
def load(tmp_path: Path, tracking: str) -> Load:
    """Loads labels of January alone."""

    def run(known_at: date | str = "", as_of: date = JANUARY, **by_user: bool) -> None:
        values = {"labels_file": str(file_of(tmp_path, by_user)), "as_of": str(as_of), "known_at": str(known_at)}
        labels.main(arguments("labels", values))

    return run


@pytest.fixture
def ingest_january(tmp_path: Path, tracking: str) -> Callable[..., None]:
    """Loads January's folder, with or without labels.csv."""

    def run(known_at: str = "", **changed: str | None) -> None:
        folder = write_month(tmp_path / "again", FILES, **changed)
        ingest.main(arguments("ingest", {"month_dir": str(folder), "as_of": str(JANUARY), "known_at": known_at}))

    return run


@pytest.fixture
def built(tracking: str) -> Rebuild:
    """The facts of January's training set, with a label for each user of it."""

    def run(labels_known_at: date | str = "") -> dict[str, Any]:
        values = {"as_of": str(JANUARY), "labels_known_at": str(labels_known_at)}
        build_dataset.main(arguments("build_dataset", values))
        rows, facts = dataset_runs.read(last_run("build_dataset", tracking).info.run_id)
        return {**facts, "labels": dict(zip(rows["user_id"], rows["churn_label"], strict=True))}

    return run


@pytest.fixture
def without_labels(empty_warehouse: Settings, ingest_january: Callable[..., None]) -> None:
    ingest_january(labels=None)


def now() -> dict[str, bool]:
    return dict(fetch("SELECT user_id, churn_label FROM labels WHERE period_start = '2024-01-31' ORDER BY 1"))


def everything() -> list[Any]:
    return [
        fetch(f"SELECT ctid::text, xmin::text, * FROM {table} ORDER BY user_id, created_at")  # noqa: S608
        for table in ("labels", "labels_superseded")
    ]


def test_a_month_without_labels_loads_and_goes_online(
    empty_warehouse: Settings, ingest_january: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    ingest_january(labels=None)
    assert "rows in five files; without labels.csv" in capsys.readouterr().out
    materialize.main(["--as-of", str(JANUARY)])
    assert served(["anna", "ben", "cara"]) == in_snapshot(JANUARY)
    assert now() == {}


def test_the_dataset_of_such_a_month_names_the_missing_labels_and_the_command(
    without_labels: None, built: Rebuild, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    command = r"mlflow run \. -e labels -P labels_file=FILE -P as_of=2024-01-31"
    with pytest.raises(NoLabels, match=f"No label of the 3 users of 2024-01-31 is loaded.*{command}"):
        built()
    load(anna=True)
    assert built()["users_without_label"] == 2
    assert "2 labels are missing. Load them: mlflow run . -e labels" in capsys.readouterr().out


def test_the_training_set_is_the_same_whether_labels_came_with_the_month_or_later(
    without_labels: None, ingest_january: Callable[..., None], load: Load, built: Rebuild
) -> None:
    load(LATER, anna=True, cara=False)
    load(LATER_STILL, ben=False)
    late = built()
    empty()
    ingest_january()
    together = built()
    for name in ("dataset_sha256", "month_fingerprint", "labels_fingerprint"):
        assert late[name] == together[name]


def test_features_and_labels_have_fingerprints_of_their_own(
    without_labels: None, load: Load, ingest_january: Callable[..., None]
) -> None:
    before = dataset_runs.data_identity(JANUARY, None)
    load(anna=True)
    labelled = dataset_runs.data_identity(JANUARY, None)
    assert labelled["month_fingerprint"] == before["month_fingerprint"]
    assert labelled["labels_fingerprint"] != before["labels_fingerprint"]
    corrected = with_cell(FILES["payments_agg_90d"], 2, "failed_payments_90d", "9")
    ingest_january(labels=None, payments_agg_90d=corrected)
    after = dataset_runs.data_identity(JANUARY, None)
    assert after["month_fingerprint"] != labelled["month_fingerprint"]
    assert after["labels_fingerprint"] == labelled["labels_fingerprint"]


def test_a_late_correction_is_in_a_training_set_only_with_its_labels_known_at(
    january: Path, load: Load, built: Rebuild, tracking: str
) -> None:
    before = built()
    load(LATER, anna=False)
    after = built()
    assert after["dataset_sha256"] == before["dataset_sha256"]
    assert after["labels_known_at"] == "as first known"
    assert now()["anna"] is False
    corrected = built(LATER)
    assert (corrected["labels"]["anna"], corrected["labels_known_at"]) == (False, "2024-03-15")
    assert built(LATER - timedelta(days=1))["labels"]["anna"] is True
    assert last_run("build_dataset", tracking).data.tags["labels_known_at"] == "2024-03-14"
    with tracking_run():
        assert dataset_runs.find_or_build(JANUARY, "churn_v1", None) != dataset_runs.find_or_build(
            JANUARY, "churn_v1", LATER
        )


def tracking_run() -> Any:
    return step_tracking.step_run("look for a dataset", "test", {})


def test_a_correction_without_a_day_replaces_what_was_known(january: Path, load: Load, built: Rebuild) -> None:
    load(anna=False)
    assert (now()["anna"], built()["labels"]["anna"]) == (False, False)


@pytest.mark.parametrize("labels_again", [WHOLE, None, without_line(WHOLE, 2)])
def test_reloading_the_month_loses_no_late_label(
    january: Path, ingest_january: Callable[..., None], load: Load, labels_again: str | None
) -> None:
    ingest_january(labels=without_line(WHOLE, 3))  # ben has none
    load(LATER, ben=True, anna=False)
    ingest_january(labels=labels_again)
    assert (now()["ben"], now()["anna"]) == (True, False)


def test_a_corrected_month_corrects_and_withdraws_what_it_loaded_itself(
    january: Path, ingest_january: Callable[..., None], load: Load, built: Rebuild
) -> None:
    load(LATER, ben=True)
    ingest_january(labels="user_id,churn_label\nanna,False\nben,False\n")  # cara is withdrawn
    assert now() == {"anna": False, "ben": True}
    assert built()["labels"] == {"anna": False, "ben": False}, "ben's month said so first"


def test_a_month_again_without_labels_keeps_those_it_came_with(
    january: Path, ingest_january: Callable[..., None]
) -> None:
    before = everything()
    ingest_january(labels=None)
    assert everything() == before


def test_loading_labels_twice_changes_nothing(january: Path, load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    load(LATER, anna=False, ben=False)
    load(LATER_STILL, anna=True)
    before = everything()
    load(LATER_STILL, anna=True)
    load(LATER, anna=False, ben=False)
    assert everything() == before
    assert "nothing changed; every user of the month has a label" in capsys.readouterr().out


def test_faults_are_named_with_file_line_and_value_and_nothing_is_loaded(
    without_labels: None, tmp_path: Path, tracking: str
) -> None:
    path = tmp_path / "late.csv"
    path.write_text("user_id,churn_label\nanna,maybe\nzoe,True\nben,True\nben,False\n")
    options = arguments("labels", {"labels_file": str(path), "as_of": str(JANUARY)})
    with pytest.raises(FaultyMonth) as faulty:
        labels.main(options)
    assert [str(fault) for fault in faulty.value.faults] == [
        "late.csv, line 2, churn_label: 'maybe' is not True or False",
        "late.csv, line 3, user_id: 'zoe' is not a user of 2024-01-31",
        "late.csv, line 5, user_id: 'ben' is repeated",
    ]
    assert now() == {}
    run = last_run("labels", tracking)
    assert run.info.status == "FAILED"
    assert "zoe" in mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/faults.csv")


def test_labels_of_another_month_stay(january: Path, february_folder: Path, load: Load, ingest: Any) -> None:
    ingest(write_month(february_folder, labels=None), FEBRUARY)
    load(as_of=FEBRUARY, anna=False)
    assert now()["anna"] is True


def test_a_month_that_is_not_there_and_a_day_before_its_end_are_refused(january: Path, load: Load) -> None:
    with pytest.raises(NoSnapshot, match="Loaded are: 2024-01-31"):
        load(as_of=FEBRUARY, anna=True)
    with pytest.raises(BadParameter, match="known_at 2024-01-30 is before as_of 2024-01-31"):
        load(date(2024, 1, 30), anna=True)
    with pytest.raises(BadParameter, match="known_at 2342-01-30 is after today"):
        load(date(2342, 1, 30), anna=True)


def test_a_killed_load_of_labels_changes_nothing(january: Path, tmp_path: Path, load: Load, server: Settings) -> None:
    before = everything()
    values = {"labels_file": str(file_of(tmp_path, {"anna": False})), "as_of": str(JANUARY), "known_at": str(LATER)}
    with held("LOCK TABLE labels_superseded IN SHARE MODE"):
        process = start(server, "steps.labels", *arguments("labels", values))
        try:
            wait_until_stuck(process)
        finally:
            kill(process)
    assert everything() == before
    load(LATER, anna=False)
    assert now()["anna"] is False


def test_the_training_set_names_the_files_of_its_labels(
    without_labels: None, load: Load, built: Rebuild, tracking: str, tmp_path: Path
) -> None:
    load(LATER, anna=True)
    sha256 = last_run("labels", tracking).data.tags["labels_sha256"]
    facts = built()
    assert facts["labels_sha256"] == [sha256]
    assert facts["files_sha256"] == last_run("ingest", tracking).data.tags["files_sha256"]
    links = month_links(str(JANUARY), last_run("build_dataset", tracking))
    assert {link.name: link.state for link in links} == dict.fromkeys(("month", "rows", "ingest", "labels"), "same")
    assert f"sha256 {sha256}, run {last_run('labels', tracking).info.run_id}, from {tmp_path / 'late.csv'}" in [
        link.text for link in links
    ]


def test_labels_from_before_they_had_a_moment_are_known_from_their_month_on(
    january: Path, ingest: Any, built: Rebuild
) -> None:
    before = built()
    execute("DROP VIEW labels_versions; DROP TABLE labels_superseded, label_files, schema_migrations")
    execute("ALTER TABLE labels DROP COLUMN created_at, DROP COLUMN late")
    assert built()["dataset_sha256"] == before["dataset_sha256"]
    assert {row[0] for row in fetch("SELECT created_at::date FROM labels")} == {JANUARY}


@dataclass(frozen=True)
class LateLoad:
    """A load of labels: with the month's files, or from a separate file."""

    late: bool
    known_at: date
    by_user: Mapping[str, bool]


def days() -> st.SearchStrategy[date]:
    return st.sampled_from([JANUARY, LATER, LATER_STILL])


LOADS = st.lists(
    st.builds(LateLoad, st.booleans(), days(), st.dictionaries(st.sampled_from(["a", "b"]), st.booleans(), min_size=1)),
    min_size=1,
    max_size=6,
)


class Story:
    """The rule in plain Python: per user and layer the label from each day on (None: withdrawn)."""

    def __init__(self) -> None:
        self.labels: dict[tuple[str, bool], dict[date, bool | None]] = {}

    def load(self, event: LateLoad) -> None:
        for user in ("a", "b"):
            label, history = event.by_user.get(user), self.labels.setdefault((user, event.late), {})
            if event.late and (label is None or self.layer(user, True, event.known_at) == (label, True)):
                continue
            for day in [day for day in history if day >= event.known_at]:
                del history[day]
            if self.layer(user, event.late, event.known_at)[0] != label:
                history[event.known_at] = label

    def layer(self, user: str, late: bool, day: date) -> tuple[bool | None, bool]:
        """The layer's label on the day, and whether it had any by then."""
        times = [at for at in self.labels.get((user, late), {}) if at <= day]
        return (self.labels[user, late][max(times)], True) if times else (None, False)

    def on(self, user: str, day: date) -> bool | None:
        held = []
        for late in (False, True):
            value, _ever = self.layer(user, late, day)
            if value is not None:
                at = max(at for at, _label in self.labels[user, late].items() if at <= day)
                held.append((at, late, value))
        return max(held)[2] if held else None

    def first(self, user: str) -> bool | None:
        labels = [
            (at, not late, value)
            for late in (False, True)
            for at, value in self.labels.get((user, late), {}).items()
            if value is not None
        ]
        return min(labels)[2] if labels else None


@pytest.mark.usefixtures("newest_schema")
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(loads=LOADS)
def test_any_order_of_loads_gives_the_labels_that_were_known_when(server: Settings, loads: list[LateLoad]) -> None:
    without_rows()
    everybody = {"users": {"a": 0, "b": 0}, **{name: {} for name in FILES if name not in {"users", "labels"}}}
    month = Event(JANUARY, JANUARY, {**everybody, "labels": {}})
    batches = {name: [month._batch(name)] for name in FILES if name != "labels"}
    warehouse.load_month(warehouse.MonthLoad(JANUARY, JANUARY, "made up"), batches, lambda _cur, _changes: None)
    story = Story()
    for load in loads:
        load_into_warehouse(load)
        story.load(load)
        for day in (JANUARY, LATER, LATER_STILL):
            on_day = warehouse.labels_of(JANUARY, day).to_pandas().set_index("user_id")["churn_label"].to_dict()
            assert on_day == {user: label for user in ("a", "b") if (label := story.on(user, day)) is not None}
        first = warehouse.labels_of(JANUARY).to_pandas().set_index("user_id")["churn_label"].to_dict()
        assert first == {user: label for user in ("a", "b") if (label := story.first(user)) is not None}
        assert now() == on_day


def load_into_warehouse(event: LateLoad) -> None:
    batch = pa.record_batch(
        {
            "user_id": pa.array(list(event.by_user)),
            "churn_label": pa.array([str(left) for left in event.by_user.values()]),
        }
    )
    load = warehouse.LabelsLoad(JANUARY, event.known_at, str(event), event.late)
    if event.late:
        warehouse.load_late_labels(load, [batch])
    else:
        month = Event(JANUARY, JANUARY, {"users": {"a": 0, "b": 0}})
        warehouse.load_month(
            warehouse.MonthLoad(JANUARY, event.known_at, str(event)),
            {"users": [month._batch("users")], "labels": [batch]},
            lambda _cur, _changes: None,
        )
