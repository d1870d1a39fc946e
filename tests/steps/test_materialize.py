"""One month online: the newest snapshot and nothing else, whatever happened before."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import psycopg
import pytest

from local_stack.settings import Settings
from steps import materialize as step
from steps.cli.errors import BadParameter, DatabaseUnavailable, NoSnapshot, OnlineStoreUnavailable
from steps.features import online_month
from tests.conftest import FEBRUARY, JANUARY, free_port
from tests.steps.states.database import fetch, last_run
from tests.steps.states.killed import held, kill, start, wait_until_stuck
from tests.steps.states.months import FILES, february_files, month_of, without_line, write_month
from tests.steps.states.online import in_snapshot, served

Ingest = Callable[[Path, date], None]

NOTHING = [None] * 14
ONLINE_TABLES = (
    "streamflow_contract_fv",
    "streamflow_payments_agg_90d_fv",
    "streamflow_subs_profile_fv",
    "streamflow_support_agg_90d_fv",
    "streamflow_usage_agg_30d_fv",
)


def materialize(as_of: date) -> None:
    step.main(["--as-of", str(as_of)])


def online_rows() -> list[object]:
    """Every stored value."""
    return [
        fetch(f"SELECT * FROM feast_online.{table} ORDER BY entity_key, feature_name")  # noqa: S608
        for table in ONLINE_TABLES
    ]


def tables() -> Sequence[object]:
    """The tables in the online schema with their indexes: readers must not notice the swap by them."""
    return fetch(
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'feast_online' ORDER BY 1, 2"
    )


@pytest.fixture
def february_loaded_january_online(january: Path, february_folder: Path, ingest: Ingest) -> Path:
    materialize(JANUARY)
    ingest(february_folder, FEBRUARY)
    return february_folder


TYPES = (int, float, bool, bool, bool, str, float, float, int, int, int, int, int, float)


@pytest.mark.parametrize(("service", "types"), [("churn_v1", TYPES), ("churn_v2", (*TYPES, str, float))])
def test_online_equals_the_snapshot_for_every_user_and_feature(
    january_loaded: Settings, sample_months: Path, ingest: Ingest, service: str, types: tuple[type, ...]
) -> None:
    ingest(sample_months / "month_001", FEBRUARY)
    for as_of in (JANUARY, FEBRUARY):
        materialize(as_of)
        expected = in_snapshot(as_of, service)
        online = served(list(expected), service)
        assert online == expected
        assert {tuple(map(type, row)) for row in online.values() if set(row) != {None}} == {types}


def test_repeating_changes_nothing_for_odd_user_ids_either(
    empty_warehouse: Settings, tmp_path: Path, ingest: Ingest
) -> None:
    user = 'Zoé, "用户"'
    ingest(write_month(tmp_path / "month", month_of(["anna", user])), JANUARY)
    materialize(JANUARY)
    before = online_rows(), tables()
    materialize(JANUARY)
    assert (online_rows(), tables()) == before
    assert served([user]) == {user: in_snapshot(JANUARY)[user]}


def test_january_after_february_leaves_the_values_of_february(
    february_loaded_january_online: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    materialize(FEBRUARY)
    before = online_rows()
    materialize(JANUARY)
    assert online_rows() == before
    assert "nothing changed" in capsys.readouterr().out


def test_a_newer_month_that_came_online_meanwhile_stays(
    february_loaded_january_online: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialize(FEBRUARY)
    before = online_rows()
    monkeypatch.setattr(
        online_month, "online_as_of", lambda *_arguments: JANUARY
    )  # what this run saw before it had the lock
    with pytest.raises(OnlineStoreUnavailable, match="a newer month online: 2024-02-29"):
        materialize(JANUARY)
    assert online_rows() == before


def test_what_is_gone_from_the_newest_snapshot_is_not_filled_from_the_month_before(
    february_loaded_january_online: Path, ingest: Ingest
) -> None:
    assert served(["cara"])["cara"] != NOTHING
    usage = without_line(february_files()["usage_agg_30d"], 2)
    ingest(write_month(february_loaded_january_online, february_files(), usage_agg_30d=usage), FEBRUARY)
    materialize(FEBRUARY)
    assert served(["anna", "cara", "dora"]) == {
        "anna": [24, 99.9, True, True, False, "Fiber optic", *[None] * 5, 1, 0, 13.6],
        "cara": NOTHING,
        "dora": in_snapshot(FEBRUARY)["dora"],
    }


def test_a_corrected_month_is_served_as_corrected_after_materialising_again(january: Path, ingest: Ingest) -> None:
    materialize(JANUARY)
    without_cara = {name: without_line(text, 4) for name, text in FILES.items()}
    payments = without_cara["payments_agg_90d"].replace("anna,1", "anna,7")
    ingest(write_month(january, without_cara, payments_agg_90d=payments), JANUARY)
    materialize(JANUARY)
    online = served(["anna", "ben", "cara"])
    assert online == in_snapshot(JANUARY)
    assert (online["anna"][11], online["cara"]) == (7, NOTHING)


@pytest.mark.parametrize("table", [ONLINE_TABLES[0], ONLINE_TABLES[3]])
def test_a_run_that_is_killed_in_the_middle_leaves_the_old_month_and_is_repaired_by_the_next(
    february_loaded_january_online: Path, server: Settings, table: str
) -> None:
    before = online_rows()
    # an open read of one table: the exchange of all of them waits for it, with some done already
    with held(f"LOCK TABLE feast_online.{table} IN ACCESS SHARE MODE"):
        process = start(server, "steps.materialize", "--as-of", str(FEBRUARY))
        try:
            wait_until_stuck(process)
            assert online_rows() == before
        finally:
            kill(process)
    assert online_rows() == before
    materialize(FEBRUARY)
    everybody = in_snapshot(FEBRUARY)
    assert served(list(everybody)) == everybody
    assert not [row for row in tables() if "next" in str(row)]


def test_other_readers_continue_while_the_swap_waits_for_a_long_one(
    february_loaded_january_online: Path, server: Settings
) -> None:
    with held(f"LOCK TABLE feast_online.{ONLINE_TABLES[3]} IN ACCESS SHARE MODE"):
        process = start(server, "steps.materialize", "--as-of", str(FEBRUARY))
        wait_until_stuck(process)
        in_time = psycopg.connect("", options="-c statement_timeout=5000 -c timezone=UTC")
        with contextlib.closing(in_time), in_time.cursor() as cursor:
            for table in ONLINE_TABLES:
                cursor.execute(f"SELECT max(event_ts) FROM feast_online.{table}")  # noqa: S608
                assert cursor.fetchall()[0][0].date() == JANUARY
                in_time.rollback()
    assert process.communicate(timeout=60)[0].count("[OK]") == 1
    assert served(["anna"]) == {"anna": in_snapshot(FEBRUARY)["anna"]}


READ = " UNION ALL ".join(
    f"SELECT event_ts FROM feast_online.{table} WHERE feature_name = '{feature}'"  # noqa: S608
    for table, feature in {
        "streamflow_subs_profile_fv": "monthly_fee",
        "streamflow_usage_agg_30d_fv": "skips_7d",
        "streamflow_payments_agg_90d_fv": "failed_payments_90d",
        "streamflow_support_agg_90d_fv": "support_tickets_90d",
    }.items()
)


def test_a_reader_never_sees_two_months_at_once(january_loaded: Settings, sample_months: Path, ingest: Ingest) -> None:
    ingest(sample_months / "month_001", FEBRUARY)
    materialize(JANUARY)
    seen, done = set[tuple[date, ...]](), threading.Event()

    def read() -> None:
        connection = psycopg.connect("", options="-c timezone=UTC")
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            while not done.is_set():
                cursor.execute(READ)
                seen.add(tuple(sorted({row[0].date() for row in cursor.fetchall()})))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    materialize(FEBRUARY)
    done.set()
    for reader in readers:
        reader.join()
    assert seen == {(JANUARY,), (FEBRUARY,)}


def test_a_month_that_was_never_ingested_names_the_loaded_ones_and_the_command(january: Path) -> None:
    command = r"mlflow run \. -e ingest -P month_dir=DIR -P as_of=2024-02-29"
    with pytest.raises(NoSnapshot, match=f"Loaded are: 2024-01-31.*{command}"):
        materialize(FEBRUARY)


def test_an_empty_warehouse_names_the_command(empty_warehouse: Settings, tracking: str) -> None:
    with pytest.raises(NoSnapshot, match=r"No month is loaded.*-e ingest"):
        materialize(JANUARY)
    assert last_run("materialize", tracking).info.status == "FAILED"


def test_a_database_that_is_down_is_reported_at_once(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", str(free_port()))
    with pytest.raises(DatabaseUnavailable):
        materialize(JANUARY)


def test_a_variable_of_libpq_that_is_not_set_is_named(january: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGSSLMODE")
    with pytest.raises(BadParameter, match=r"^Not set: PGSSLMODE\. Run: \. \.venv/bin/activate"):
        materialize(JANUARY)
