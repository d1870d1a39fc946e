"""One month into PostgreSQL: all or nothing, twice the same, corrected by corrected files."""

import io
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow as pa
import pytest

from local_stack.settings import Settings
from steps import ingest as step
from steps import warehouse
from steps.cli.errors import DatabaseUnavailable, FaultyMonth, RowRefused
from steps.features import lake
from steps.month import digest
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY, free_port
from tests.steps.states.database import contents, execute, fetch, last_run
from tests.steps.states.killed import held, kill, start, wait_until_stuck
from tests.steps.states.months import FILES, month_of, with_cell, without_line, write_month

Ingest = Callable[[Path, date], None]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_every_row_of_the_files_is_in_the_database(january: Path) -> None:
    profile = fetch("SELECT * FROM subscriptions_profile_snapshots ORDER BY user_id")
    assert profile == [
        (
            "anna",
            midnight(JANUARY),
            24,
            True,
            False,
            "Month-to-month",
            True,
            98.7,
            2368.8,
            "Fiber optic",
            midnight(JANUARY),
        ),
        ("ben", midnight(JANUARY), 25, False, False, "Two year", False, 19.95, 498.75, "No", midnight(JANUARY)),
        ("cara", midnight(JANUARY), 26, False, True, "One year", True, 56.95, 1480.7, "DSL", midnight(JANUARY)),
    ]
    assert fetch("SELECT user_id, period_start, churn_label FROM labels ORDER BY user_id") == [
        ("anna", JANUARY, True),
        ("ben", JANUARY, False),
        ("cara", JANUARY, False),
    ]
    assert fetch("SELECT user_id, signup_date, user_is_senior, has_dependents FROM users ORDER BY user_id") == [
        ("anna", date(2022, 2, 5), False, False),
        ("ben", date(2022, 1, 3), True, False),
        ("cara", date(2021, 12, 31), False, True),
    ]


def test_floats_arrive_exactly(empty_warehouse: Settings, tmp_path: Path, ingest: Ingest) -> None:
    floats = ["0.1", "29.14104464084511", "1e-7", "719.9999999999999", "1e-90", "0.30000000000000004", "1e2", "3"]
    files = month_of([f"user-{number}" for number in range(len(floats))])
    for line, value in enumerate(floats, start=2):
        files["usage_agg_30d"] = with_cell(files["usage_agg_30d"], line, "watch_hours_30d", value)
        files["subscriptions"] = with_cell(files["subscriptions"], line, "total_paid", value)
    ingest(write_month(tmp_path / "month", files), JANUARY)
    stored = fetch(
        "SELECT watch_hours_30d, total_paid FROM usage_agg_30d JOIN subscriptions USING (user_id) ORDER BY user_id"
    )
    assert [tuple(map(repr, row)) for row in stored] == [(repr(float(value)), repr(float(value))) for value in floats]


def test_odd_user_ids_arrive_as_they_are(empty_warehouse: Settings, tmp_path: Path, ingest: Ingest) -> None:
    odd = ["NA", "null", "NULL", "Zoé 1", 'say "hi"', "a,b", "\\.", "\\N", "007", "\U0001f600", "$1 %s {x}"]
    ingest(write_month(tmp_path / "month", month_of(odd)), JANUARY)
    assert sorted(row[0] for row in fetch("SELECT user_id FROM labels")) == sorted(odd)


def test_no_column_is_numeric(january: Path) -> None:
    types = dict(
        fetch(
            "SELECT DISTINCT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' "
            "AND column_name ~ '^(monthly_fee|total_paid|watch_hours|avg_session|ticket_avg|skips|months_active)'"
        )
    )
    assert types == {
        "monthly_fee": "double precision",
        "total_paid": "double precision",
        "watch_hours_30d": "double precision",
        "avg_session_mins_7d": "double precision",
        "ticket_avg_resolution_hrs_90d": "double precision",
        "skips_7d": "integer",
        "months_active": "integer",
    }


def test_loading_twice_changes_nothing(january: Path, ingest: Ingest, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents()
    ingest(january, JANUARY)
    assert contents() == before
    assert "nothing changed" in capsys.readouterr().out


def test_a_corrected_value_is_corrected_and_nothing_else_is_written(january: Path, ingest: Ingest) -> None:
    before = contents()
    ingest(
        write_month(january, payments_agg_90d=with_cell(FILES["payments_agg_90d"], 2, "failed_payments_90d", "3")),
        JANUARY,
    )
    after = contents()
    assert fetch("SELECT failed_payments_90d FROM payments_agg_90d WHERE user_id = 'anna'") == [(3,)]
    changed = {table: len(set(after[table]) - set(before[table])) for table in before}
    assert {table for table, count in changed.items() if count} == {"months", "payments_agg_90d_snapshots"}
    assert changed["payments_agg_90d_snapshots"] == 1


def test_rows_that_a_corrected_file_no_longer_has_are_gone(january: Path, ingest: Ingest) -> None:
    ingest(write_month(january, {name: without_line(text, 4) for name, text in FILES.items()}), JANUARY)
    left = {
        table: [row[0] for row in fetch(f"SELECT user_id FROM {table} ORDER BY 1")]  # noqa: S608
        for table in ("subscriptions", "usage_agg_30d", "payments_agg_90d", "support_agg_90d", "labels")
    }
    assert left == {table: ["anna", "ben"] for table in left}


def test_a_correction_leaves_the_other_month_alone(january: Path, february_folder: Path, ingest: Ingest) -> None:
    ingest(february_folder, FEBRUARY)
    of_february = "SELECT ctid::text, xmin::text, * FROM usage_agg_30d_snapshots WHERE as_of > '2024-02-01' ORDER BY 1"
    before = fetch(of_february)
    ingest(write_month(january, usage_agg_30d=without_line(FILES["usage_agg_30d"], 2)), JANUARY)
    assert fetch(of_february) == before
    assert len(fetch("SELECT * FROM usage_agg_30d_snapshots WHERE as_of < '2024-02-01'")) == 2


def test_labels_of_january_stay_when_february_is_loaded(january: Path, february_folder: Path, ingest: Ingest) -> None:
    ingest(february_folder, FEBRUARY)
    assert fetch("SELECT period_start, churn_label FROM labels WHERE user_id = 'anna' ORDER BY 1") == [
        (JANUARY, True),
        (FEBRUARY, False),
    ]


CURRENT = {
    "users": "SELECT * FROM users WHERE user_id <> 'cara' ORDER BY user_id",
    "subscriptions": "SELECT * FROM subscriptions ORDER BY user_id",
    "usage_agg_30d": "SELECT * FROM usage_agg_30d ORDER BY user_id",
    "payments_agg_90d": "SELECT * FROM payments_agg_90d ORDER BY user_id",
    "support_agg_90d": "SELECT * FROM support_agg_90d ORDER BY user_id",
}


def test_loading_january_after_february_leaves_what_is_current_at_february(
    empty_warehouse: Settings, tmp_path: Path, february_folder: Path, ingest: Ingest
) -> None:
    ingest(february_folder, FEBRUARY)
    at_february = {name: fetch(query) for name, query in CURRENT.items()}
    ingest(write_month(tmp_path / "month_000"), JANUARY)
    assert {name: fetch(query) for name, query in CURRENT.items()} == at_february
    assert fetch("SELECT has_dependents FROM users WHERE user_id = 'anna'") == [(True,)]
    assert fetch("SELECT count(*) FROM usage_agg_30d_snapshots WHERE as_of < '2024-02-01'") == [(3,)]


def test_current_values_are_those_of_the_newest_month(january: Path, february_folder: Path, ingest: Ingest) -> None:
    ingest(february_folder, FEBRUARY)
    assert fetch("SELECT user_id, monthly_fee FROM subscriptions ORDER BY user_id") == [
        ("anna", 99.9),
        ("ben", 19.95),
        ("dora", 56.95),
    ]


def test_a_month_with_faults_changes_nothing_and_says_so(january: Path, ingest: Ingest, tracking: str) -> None:
    before = contents()
    faulty = write_month(
        january,
        usage_agg_30d=with_cell(FILES["usage_agg_30d"], 2, "skips_7d", "9"),  # a good change in another file
        labels=with_cell(FILES["labels"], 3, "churn_label", "maybe"),
    )
    with pytest.raises(FaultyMonth, match=r"labels.csv, line 3, churn_label: 'maybe' is not True or False"):
        ingest(faulty, JANUARY)
    run = last_run("ingest", tracking)
    assert contents() == before
    assert run.info.status == "FAILED"
    faults = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/faults.csv")
    assert faults.splitlines() == [
        "file,line,column,value,problem",
        "labels.csv,3,churn_label,maybe,is not True or False",
    ]


def test_a_faulty_first_month_leaves_no_table(empty_warehouse: Settings, tmp_path: Path, ingest: Ingest) -> None:
    with pytest.raises(FaultyMonth):
        ingest(write_month(tmp_path / "month", labels=""), JANUARY)
    tables = fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {name for (name,) in tables} <= {"seals"}  # those of earlier tests' models


def test_a_row_that_the_database_refuses_leaves_all_tables_as_they_were(
    january: Path, february_folder: Path, ingest: Ingest, tracking: str
) -> None:
    execute("ALTER TABLE support_agg_90d_snapshots ADD CHECK (as_of < '2024-02-01' OR user_id <> 'dora')")
    before = contents()
    with pytest.raises(RowRefused, match="nothing was loaded"):
        ingest(february_folder, FEBRUARY)
    assert contents() == before
    assert last_run("ingest", tracking).info.status == "FAILED"


def test_an_error_in_the_middle_of_a_correction_leaves_all_tables_as_they_were(january: Path, ingest: Ingest) -> None:
    execute("ALTER TABLE labels ADD CHECK (user_id <> 'ben' OR NOT churn_label)")
    before = contents()
    corrected = write_month(
        january,
        usage_agg_30d=without_line(FILES["usage_agg_30d"], 2),
        labels=with_cell(FILES["labels"], 3, "churn_label", "True"),
    )
    with pytest.raises(RowRefused, match="ben"):
        ingest(corrected, JANUARY)
    assert contents() == before


def test_a_server_that_goes_away_in_the_middle_leaves_all_tables_as_they_were(
    january: Path, february_folder: Path, ingest: Ingest
) -> None:
    execute(
        "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';"
        "CREATE TRIGGER leave BEFORE INSERT ON support_agg_90d_snapshots FOR EACH ROW EXECUTE FUNCTION leave()"
    )
    before = contents()
    with pytest.raises(DatabaseUnavailable):
        ingest(february_folder, FEBRUARY)
    assert contents() == before


@pytest.mark.parametrize("table", ["users", "support_agg_90d_snapshots", "labels"])
def test_a_load_that_is_killed_in_the_middle_leaves_all_as_it_was_and_is_repeated_as_if_nothing_had_been(
    january: Path, february_folder: Path, ingest: Ingest, server: Settings, table: str
) -> None:
    before = contents()
    options = arguments("ingest", {"month_dir": str(february_folder), "as_of": str(FEBRUARY)})
    with held(f"LOCK TABLE {table} IN SHARE MODE"):
        process = start(server, "steps.ingest", *options)
        try:
            wait_until_stuck(process)
        finally:
            kill(process)
    assert contents() == before
    ingest(february_folder, FEBRUARY)
    lake.require_month(FEBRUARY)
    assert fetch("SELECT count(*) FROM labels WHERE period_start = '2024-02-29'") == [(3,)]
    assert fetch("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'") == [(0,)]


@pytest.mark.parametrize("once_before", [False, True])
def test_two_months_can_be_loaded_at_the_same_moment(
    empty_warehouse: Settings, tmp_path: Path, february_folder: Path, ingest: Ingest, once_before: bool
) -> None:
    folders = {JANUARY: write_month(tmp_path / "month_000"), FEBRUARY: february_folder}
    if once_before:
        ingest(folders[JANUARY], JANUARY)
    start, failures = threading.Barrier(2), list[BaseException]()

    def load(as_of: date) -> None:
        start.wait()
        try:
            ingest(folders[as_of], as_of)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            failures.append(error)

    threads = [threading.Thread(target=load, args=(as_of,)) for as_of in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert fetch("SELECT as_of::date, count(*) FROM usage_agg_30d_snapshots GROUP BY 1 ORDER BY 1") == [
        (JANUARY, 3),
        (FEBRUARY, 3),
    ]
    assert fetch("SELECT has_dependents FROM users WHERE user_id = 'anna'") == [(True,)]


def test_a_database_that_is_down_is_said_at_once(
    server: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    folder = write_month(tmp_path / "month")
    monkeypatch.setenv("PGPORT", port)
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=f"{port}.*make up"):
        step.main(arguments("ingest", {"month_dir": str(folder), "as_of": "2024-01-31"}))
    assert time.monotonic() - started < 2


def test_the_run_says_what_was_loaded(january: Path, tracking: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = last_run("ingest", tracking)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["rows_labels"] == 3
    assert run.data.params["as_of"] == "2024-01-31"
    assert len(run.data.tags["files_sha256"]) == 64
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/rows.json")["labels"] == {
        "rows": 3,
        "written": 3,
        "deleted": 0,
        "erased": 0,
    }


def test_the_closing_line_counts(january: Path, ingest: Ingest, capsys: pytest.CaptureFixture[str]) -> None:
    ingest(write_month(january, labels=without_line(FILES["labels"], 4)), JANUARY)
    assert (
        "[OK] Ingested 2024-01-31: 3 users, 17 rows in six files; 0 rows written, 1 deleted." in capsys.readouterr().out
    )


def past_all_checks(files: Mapping[str, str]) -> dict[str, list[pa.RecordBatch]]:
    """The month as loading takes it."""
    frames = {name: pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False) for name, text in files.items()}
    filled = {name: frame.replace("", "False") for name, frame in frames.items()}
    return {name: pa.Table.from_pandas(frame, preserve_index=False).to_batches() for name, frame in filled.items()}


@pytest.mark.parametrize(
    ("user", "reason"), [("dora", "of support_agg_90d is of user 'dora'"), ("anna", "Key .*anna.* is duplicated")]
)
def test_who_is_unknown_or_there_twice_is_refused_by_the_database_too(january: Path, user: str, reason: str) -> None:
    before, load = contents(), warehouse.MonthLoad(JANUARY, JANUARY, "made up")
    faulty = {**FILES, "support_agg_90d": with_cell(FILES["support_agg_90d"], 3, "user_id", user)}
    with pytest.raises(RowRefused, match=reason):
        warehouse.load_month(load, past_all_checks(faulty), lambda _cur, _changes: None)
    assert contents() == before


def test_files_as_spreadsheets_write_them_load_the_same_rows(
    empty_warehouse: Settings, ingest: Ingest, tmp_path: Path
) -> None:
    columns = "user_id, months_active, monthly_fee, net_service"
    everything = f"SELECT {columns} FROM subscriptions JOIN labels USING (user_id) ORDER BY 1"  # noqa: S608
    ingest(write_month(tmp_path / "plain"), JANUARY)
    expected = fetch(everything)
    header, *rows = FILES["subscriptions"].splitlines()
    noted = [f"{header},note,,note", *(f'{row},"first\r\nsecond",,' for row in rows), "," * 11, ""]
    spreadsheet = "\r\n".join(noted).replace(",24,", ",24.0,").replace(",25,", ",2.5e1,")
    labels = "".join(f"{line},,\n" for line in FILES["labels"].splitlines()) + ",,,\n\n"
    ingest(write_month(tmp_path / "spreadsheet", subscriptions=spreadsheet, labels=labels), JANUARY)
    assert fetch(everything) == expected
    assert [months for _user, months, *_rest in expected] == [24, 25, 26]


@pytest.mark.parametrize("text", [with_cell(FILES["subscriptions"], 2, "monthly_fee", "11.1"), None])
def test_a_file_that_changes_after_the_check_is_refused(
    empty_warehouse: Settings, tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """files_sha256 would be that of other rows."""
    folder = write_month(tmp_path / "month")

    def change(month: Path) -> str:
        write_month(folder, {}, labels=text) if text is None else write_month(folder, {}, subscriptions=text)
        return digest.origin_of(month)

    monkeypatch.setattr(step, "origin_of", change)
    with pytest.raises(FaultyMonth, match="changed during the load; nothing was loaded"):
        ingest(folder, JANUARY)
    assert warehouse.loaded_months() == []
