"""The days of the prediction log are partitions: made ahead and afterwards, and dropped, without the loss of a row."""

import threading
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from local_stack.database import prediction_log as stack
from local_stack.settings import Settings
from steps import warehouse
from steps.warehouse.records import prediction_log
from steps.warehouse.records.prediction_log import DAYS_AHEAD
from tests.steps.states.database import execute, fetch
from tests.waiting import wait_until

INSERT = "INSERT INTO prediction_log (answered_at, request_id, user_id, code, milliseconds) VALUES"
DAYS = "SELECT relid::text FROM pg_partition_tree('prediction_log') WHERE relid::text ~ '[0-9]$' ORDER BY 1"
PLACES = "SELECT user_id, tableoid::regclass::text FROM prediction_log ORDER BY answered_at"
DAY = date(2026, 3, 5)


def log_row(user_id: str, moment: str) -> None:
    execute(f"{INSERT} ('{moment}', 'r', '{user_id}', 'ok', 1)")


def today() -> date:
    return datetime.now(UTC).date()


def name_of(day: date) -> str:
    return f"prediction_log_{day:%Y%m%d}"


def test_today_and_the_days_until_the_next_month_is_loaded_are_made_once(with_roles: Settings) -> None:
    made = warehouse.make_log_days()
    assert made == [today() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]
    assert [name for (name,) in fetch(DAYS)] == [name_of(day) for day in made]
    assert warehouse.make_log_days() == []


def test_a_day_begins_and_ends_at_midnight_utc(with_roles: Settings) -> None:
    warehouse.make_log_days(DAY)
    for moment in ("2026-03-05 00:00:00+00", "2026-03-05 23:59:59.999999+00", "2026-03-06 00:00:00+00"):
        log_row("a", moment)
    log_row("a", "2026-03-07 00:30:00+01")
    assert [place for _user, place in fetch(PLACES)] == [
        "prediction_log_20260305", "prediction_log_20260305", "prediction_log_20260306", "prediction_log_20260306",
    ]  # fmt: skip


def test_rows_of_days_that_nobody_made_in_time_move_into_them(with_roles: Settings) -> None:
    late = [today() - timedelta(days=days) for days in (3, 1, 0)]
    for day in late:
        log_row("before noon", f"{day} 11:59:59+00")
        log_row("at the end", f"{day} 23:59:59.999999+00")
    kept = fetch("SELECT * FROM prediction_log ORDER BY answered_at")
    assert {place for _user, place in fetch(PLACES)} == {"prediction_log_default"}

    assert warehouse.make_log_days()[:3] == late

    assert [place for _user, place in fetch(PLACES)] == [name_of(day) for day in late for _row in range(2)]
    assert fetch("SELECT * FROM prediction_log ORDER BY answered_at") == kept


def test_a_wrong_clock_loses_no_row_and_makes_no_days(with_roles: Settings) -> None:
    log_row("years ahead", "2099-01-01 12:00+00")
    log_row("before there was a log", "1999-01-01 12:00+00")
    assert len(warehouse.make_log_days()) == DAYS_AHEAD + 1
    assert {place for _user, place in fetch(PLACES)} == {"prediction_log_default"}


def test_a_day_that_cannot_be_made_keeps_its_rows(with_roles: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    log_row("a", f"{today()} 12:00+00")
    end = {"make_log_day": "SELECT 1 / 0"}
    monkeypatch.setattr(prediction_log, "statement", lambda name: warehouse.statement(name) + end.get(name, ""))
    with pytest.raises(psycopg.errors.DivisionByZero):
        warehouse.make_log_days()
    assert fetch(PLACES) == [("a", "prediction_log_default")]


def test_two_at_once_make_each_day_once(with_roles: Settings) -> None:
    results: list[list[date]] = []
    threads = [threading.Thread(target=lambda: results.append(warehouse.make_log_days(DAY))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results[0] + results[1]) == [DAY + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)]


def test_old_days_and_old_rows_without_a_day_are_dropped_and_nothing_else(with_roles: Settings) -> None:
    warehouse.make_log_days(DAY)
    users = {"old": "2026-03-06 23:59:59.999999+00", "kept": "2026-03-07 00:00+00", "older": "2020-01-01 12:00+00",
             "ahead": "2099-01-01 12:00+00"}  # fmt: skip
    for user_id, moment in users.items():
        log_row(user_id, moment)

    old = warehouse.old_log(date(2026, 3, 7))
    assert [day.day for day in old.days] == [DAY, date(2026, 3, 6)]
    assert old.rows_without_a_day == 1
    assert old.bytes >= 8192
    assert len(fetch(PLACES)) == 4, "nothing is deleted before prune says apply"

    warehouse.delete_old_log(old)

    assert fetch(PLACES) == [("kept", "prediction_log_20260307"), ("ahead", "prediction_log_default")]
    assert fetch(DAYS)[0] == ("prediction_log_20260307",)


def test_days_are_kept_as_long_as_the_setting_says(with_roles: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_PREDICTION_LOG_DAYS", "7")
    assert warehouse.oldest_kept() == today() - timedelta(days=7)


def test_a_hostile_session_of_the_role_does_not_keep_a_day_from_being_made(
    with_roles: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "PATIENCE_S", 0.5)
    login = with_roles.login("log")
    unlimited = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
    with closing(psycopg.connect(user=login["PGUSER"], password=login["PGPASSWORD"], options=unlimited)) as session:
        session.execute(f"{INSERT} ('2031-01-01', 'r', 'u', 'ok', 1)")
        assert len(warehouse.make_log_days(DAY)) == DAYS_AHEAD + 1
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_the_stack_makes_them_while_it_runs(
    with_roles: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stack, "EVERY_S", 0.1)
    execute("ALTER TABLE prediction_log RENAME TO hidden")
    days = stack.LogDays(with_roles)
    days.start()
    try:
        wait_until(lambda: "days of the prediction log were not made" in capfd.readouterr().out, 60)
        execute("ALTER TABLE hidden RENAME TO prediction_log")
        wait_until(lambda: len(fetch(DAYS)) == DAYS_AHEAD + 1, 60)
    finally:
        days.stop()
