"""A month is exactly its day: training sets have that day's rows only, however near other months are."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local_stack.settings import Settings
from steps import build_dataset, materialize
from steps import ingest as ingest_step
from steps.features import lake
from steps.runs.entry_points import arguments
from tests.conftest import JANUARY, REAL_DATA, needs_real_data
from tests.steps.features.test_engines import SHARED_WAREHOUSE, features, identity, needs_spark, numbers
from tests.steps.states.database import empty, last_run
from tests.steps.states.histories import USERS, Event, expected, in_files, known_files, play_again
from tests.steps.states.months import FILES, month_of, without_line, write_month
from tests.steps.states.online import in_snapshot, served

Ingest = Callable[[Path, date], None]
MID_FEBRUARY = date(2024, 2, 15)


def on(day: date, known_after: int, files: dict[str, dict[str, int]]) -> Event:
    return Event(day, day + timedelta(days=known_after), files)


def near_months() -> st.SearchStrategy[list[Event]]:
    """Loads, in any order, of months a day to sixty days apart; some are known ten days later."""
    steps = st.lists(st.integers(1, 60), min_size=1, max_size=3)
    days = steps.map(lambda gaps: [JANUARY + timedelta(days=sum(gaps[:number])) for number in range(len(gaps) + 1)])
    return days.flatmap(
        lambda chosen: st.lists(
            st.builds(on, st.sampled_from(chosen), st.sampled_from([0, 0, 10]), in_files()), min_size=2, max_size=5
        )
    )


def sparse(value: int, without: str = "") -> dict[str, dict[str, int]]:
    """All users in every file, except `without`, who is in users, labels and subscriptions only."""
    all_users = dict.fromkeys(USERS, value)
    some_users = {user: value for user in USERS if user != without}
    return {
        name: all_users
        if name == "subscriptions"
        else dict.fromkeys(USERS, 0)
        if name in {"users", "labels"}
        else some_users
        for name in FILES
    }


A_DAY_APART = [
    on(JANUARY + timedelta(days=1), 0, sparse(7, "ann")),
    on(JANUARY, 0, sparse(5)),
    on(JANUARY, 10, sparse(6, "bob")),
]


@pytest.mark.usefixtures("newest_schema")
@SHARED_WAREHOUSE
@given(history=near_months())
@example(history=A_DAY_APART)
def test_rows_are_of_exactly_the_requested_day(use: pytest.MonkeyPatch, history: list[Event]) -> None:
    play_again(history)
    for as_of in {event.as_of for event in history if known_files(history, event.as_of)["subscriptions"]}:
        for engine in ("postgres", "duckdb"):
            assert numbers(features(use, engine, as_of)) == expected(history, as_of)


@needs_spark
@pytest.mark.usefixtures("newest_schema")
@settings(SHARED_WAREHOUSE, max_examples=5)
@given(history=near_months())
@example(history=A_DAY_APART)
def test_sparks_rows_are_of_exactly_the_day_too(use: pytest.MonkeyPatch, history: list[Event]) -> None:
    play_again(history)
    for as_of in {event.as_of for event in history if known_files(history, event.as_of)["subscriptions"]}:
        assert numbers(features(use, "spark", as_of)) == expected(history, as_of)


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
def test_users_without_usage_have_missing_features_however_near_the_previous_month_is(
    january: Path, ingest: Ingest, tracking: str, use: pytest.MonkeyPatch, engine: str
) -> None:
    usage = without_line(FILES["usage_agg_30d"], 2)
    ingest(write_month(january, usage_agg_30d=usage), MID_FEBRUARY)
    use.setenv("STREAMFLOW_OFFLINE_ENGINE", engine)
    build_dataset.main(arguments("build_dataset", {"as_of": str(MID_FEBRUARY)}))
    metrics = last_run("build_dataset", tracking).data.metrics
    assert (metrics["rows"], metrics["users_missing_features"]) == (2, 1)
    assert lake.path("usage_agg_30d_snapshots", JANUARY).is_file()


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
def test_loading_the_day_before_does_not_change_a_month(
    empty_warehouse: Settings, tmp_path: Path, ingest: Ingest, use: pytest.MonkeyPatch, engine: str
) -> None:
    new_year, eve = date(2023, 12, 31), date(2023, 12, 30)
    sparse_month = {**month_of(["ann", "bob"]), "usage_agg_30d": month_of(["ann"])["usage_agg_30d"]}
    ingest(write_month(tmp_path / "new_year", sparse_month), new_year)
    before = identity(use, engine, new_year)
    ingest(write_month(tmp_path / "eve", month_of(["ann", "bob"])), eve)
    assert identity(use, engine, new_year) == before


def test_a_near_month_completes_no_other_online_either(january: Path, ingest: Ingest) -> None:
    materialize.main(["--as-of", str(JANUARY)])
    usage = without_line(FILES["usage_agg_30d"], 2)
    ingest(write_month(january, usage_agg_30d=usage), JANUARY + timedelta(days=1))
    materialize.main(["--as-of", str(JANUARY + timedelta(days=1))])
    online = served(["anna", "ben", "cara"])
    assert online == in_snapshot(JANUARY + timedelta(days=1))
    assert online["anna"][6:11] == [None] * 5


@needs_real_data
def test_the_real_january_has_its_sha256_before_and_after_february(use: pytest.MonkeyPatch, tracking: str) -> None:
    empty()
    hashes = []
    for as_of, folder in {JANUARY: "month_000", date(2024, 2, 29): "month_001"}.items():
        ingest_step.main(arguments("ingest", {"month_dir": str(REAL_DATA / folder), "as_of": str(as_of)}))
        build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY)}))
        hashes.append(last_run("build_dataset", tracking).data.tags["dataset_sha256"][:8])
    assert hashes == ["7bebd5bf", "7bebd5bf"]
