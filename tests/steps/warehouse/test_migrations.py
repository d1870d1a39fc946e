"""Schema versions: a migrated old warehouse equals a new one and gives the same answers; others are refused."""

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from local_stack.database import loaded_months
from local_stack.settings import Settings, StackError
from steps import build_dataset, warehouse
from steps.cli.errors import SchemaMismatch
from steps.runs.entry_points import arguments
from steps.warehouse.connection import SCHEMA_LOCK
from steps.warehouse.migrations import MIGRATIONS_FOLDER, apply_schema, migrations_in
from tests.conftest import FEBRUARY, JANUARY
from tests.sql import empty_registry_too
from tests.steps.states.database import contents, execute, fetch, last_run
from tests.steps.states.months import february_files, write_month

WAREHOUSES = Path(__file__).with_name("landed")
LANDINGS = ["first_landing", "second_landing", "third_landing"]
SCHEMAS = ["public", "feast_online", "feast_registry", "staging"]
SHAPE = {
    "columns": """
        SELECT attrelid::regclass::text, row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname,
               format_type(atttypid, atttypmod), attcollation::regcollation::text, attnotnull, attidentity,
               attgenerated, pg_get_expr(adbin, adrelid)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped AND relnamespace::regnamespace::text = ANY(%s)""",
    "relations": """
        SELECT oid::regclass::text, relkind, relpersistence, relacl::text, relowner::regrole::text,
               CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) WHEN relkind = 'i' THEN pg_get_indexdef(oid) END
        FROM pg_class WHERE relnamespace::regnamespace::text = ANY(%s)""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace::regnamespace::text = ANY(%s)""",
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace::regnamespace::text = ANY(%s)",
    "schemas": "SELECT nspname, nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = ANY(%s)",
    "types": "SELECT typname FROM pg_type WHERE typtype <> 'b' AND typnamespace::regnamespace::text = ANY(%s)",
}

Datasets = dict[date, tuple[str, str]]


@pytest.fixture(scope="module", autouse=True)
def sealed_models_of_other_tests(server: Settings) -> Iterator[None]:
    """Are sealed afterwards, too."""
    kept = fetch("SELECT to_regclass('seals')") != [(None,)]
    execute("CREATE SCHEMA aside; " + ("CREATE TABLE aside.seals AS TABLE seals" if kept else ""))
    yield
    make_empty()
    warehouse.apply_schema()
    if kept:
        execute("INSERT INTO seals OVERRIDING SYSTEM VALUE TABLE aside.seals")
        execute("SELECT setval(pg_get_serial_sequence('seals', 'id'), (SELECT max(id) FROM seals))")
    execute("DROP SCHEMA aside CASCADE")


def make_empty() -> None:
    """A database in which nothing was ever made."""
    empty_registry_too()
    execute("DROP TABLE IF EXISTS seals")


@pytest.fixture
def nothing(server: Settings) -> None:
    make_empty()
    execute("DROP SCHEMA IF EXISTS staging CASCADE")


@pytest.fixture
def load_old(nothing: None) -> Callable[[str], None]:
    return lambda landing: execute((WAREHOUSES / f"{landing}.sql").read_text())


@pytest.fixture
def datasets(tracking: str) -> Callable[[], Datasets]:
    """By month, the sha256 of its training set and of its source rows."""

    def build() -> Datasets:
        built = {}
        for as_of in (JANUARY, FEBRUARY):
            build_dataset.main(arguments("build_dataset", {"as_of": str(as_of)}))
            tags = last_run("build_dataset", tracking).data.tags
            built[as_of] = (tags["dataset_sha256"], warehouse.month_fingerprint(as_of))
        return built

    return build


def shape() -> dict[str, list[tuple[Any, ...]]]:
    """The catalogues' description of the warehouse, without generated numbers."""
    return {kind: sorted(fetch(query, [SCHEMAS] * query.count("%s")), key=repr) for kind, query in SHAPE.items()}


@pytest.mark.parametrize("landing", LANDINGS)
def test_an_old_warehouse_migrated_equals_a_new_one(load_old: Callable[[str], None], landing: str) -> None:
    warehouse.apply_schema()
    new = shape()
    make_empty()
    execute("DROP SCHEMA staging")
    load_old(landing)
    warehouse.apply_schema()
    assert {kind: set(new[kind]) ^ set(rows) for kind, rows in shape().items()} == {kind: set() for kind in SHAPE}
    assert {kind: len(rows) for kind, rows in shape().items()} == {kind: len(rows) for kind, rows in new.items()}
    assert min(map(len, new.values())) > 0


def test_old_warehouses_give_the_training_sets_of_a_new_one_and_take_their_months_again(
    load_old: Callable[[str], None],
    datasets: Callable[[], Datasets],
    ingest: Callable[[Path, date], None],
    tmp_path: Path,
) -> None:
    january, february = write_month(tmp_path / "january"), write_month(tmp_path / "february", february_files())
    ingest(january, JANUARY)
    ingest(february, FEBRUARY)
    new = datasets()
    for landing in LANDINGS:
        make_empty()
        load_old(landing)
        assert datasets() == new
        before = contents()
        ingest(january, JANUARY)
        ingest(february, FEBRUARY)
        assert {table: rows for table, rows in contents().items() if table != "months"} == {
            table: rows for table, rows in before.items() if table != "months"
        }


def test_make_up_brings_an_old_warehouse_up_to_date(
    load_old: Callable[[str], None], server: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    load_old("first_landing")
    loaded_months.migrate(server)
    assert capfd.readouterr().out.startswith("[OK] Warehouse: schema version")
    assert [(month.as_of, month.origin) for month in loaded_months.list_months(server)] == [
        (JANUARY, "files"),
        (FEBRUARY, "files"),
    ]


def test_make_up_stops_where_the_warehouse_is_newer(
    nothing: None, folder: Path, next_number: int, server: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    apply_schema(added(folder, next_number, "CREATE TABLE more (n integer);"))
    with pytest.raises(StackError, match="could not be migrated"):
        loaded_months.migrate(server)
    assert "this code knows versions up to" in "".join(capfd.readouterr())


@pytest.mark.parametrize("landing", LANDINGS[1:])
def test_history_and_scores_stay_as_they_were(load_old: Callable[[str], None], landing: str) -> None:
    load_old(landing)
    queries = ["SELECT * FROM serving_history ORDER BY id", "SELECT * FROM churn_scores ORDER BY user_id"]
    before = [fetch(query) for query in queries]
    warehouse.apply_schema()
    assert [fetch(query) for query in queries] == before
    assert [cutover.version for cutover in warehouse.cutovers("streamflow_churn")] == ["1", "2"]


def test_each_migration_is_recorded_with_its_file_and_printed(
    nothing: None, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.apply_schema()
    [first] = migrations_in(MIGRATIONS_FOLDER)[:1]
    [(number, name, sha256, recent)] = fetch(
        "SELECT number, name, sha256, applied_at > now() - interval '5 minutes' FROM schema_migrations LIMIT 1"
    )
    assert (number, name, sha256, recent) == (1, "warehouse", first.sha256, True)
    assert re.search(r"\[OK\] Warehouse: schema version \d+ \(applied: warehouse.*\)\.", capsys.readouterr().out)


def test_a_warehouse_that_is_up_to_date_is_left_alone_and_waits_for_no_load(
    nothing: None, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.apply_schema()
    capsys.readouterr()
    with warehouse.transaction() as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        warehouse.apply_schema()
    assert capsys.readouterr().out == ""


def test_of_several_at_once_one_applies_each_migration(nothing: None, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(warehouse.apply_schema) for _ in range(4)]:
            done.result()
    migrations = [migration.name for migration in migrations_in(MIGRATIONS_FOLDER)]
    assert fetch("SELECT count(*) FROM schema_migrations") == [(len(migrations),)]
    printed = re.findall(r"\(applied: (.*)\)", capsys.readouterr().out)
    assert sorted(", ".join(printed).split(", ")) == sorted(migrations)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations."""
    return shutil.copytree(MIGRATIONS_FOLDER, tmp_path / "migrations")


@pytest.fixture
def next_number(folder: Path) -> int:
    return len(list(folder.iterdir())) + 1


def added(folder: Path, number: int, statements: str) -> Path:
    """A copy of the folder with one more migration, because a process caches each folder."""
    copied = shutil.copytree(folder, folder.with_name(f"migrations_{number}"))
    (copied / f"{number:04d}_more.sql").write_text(statements)
    return copied


def test_later_migrations_are_applied_in_their_order(nothing: None, folder: Path, next_number: int) -> None:
    warehouse.apply_schema()
    more = added(folder, next_number, "CREATE TABLE more (n integer);")
    apply_schema(added(more, next_number + 1, "INSERT INTO more VALUES (1);"))
    assert fetch("SELECT n FROM more") == [(1,)]
    assert fetch("SELECT max(number) FROM schema_migrations") == [(next_number + 1,)]


def test_a_migration_that_fails_changes_nothing(nothing: None, folder: Path, next_number: int) -> None:
    broken = added(folder, next_number, "CREATE TABLE more (n integer); INSERT INTO more VALUES (1 / 0);")
    with pytest.raises(SchemaMismatch, match=rf"refuses migration {next_number:04d}_more.*division by zero"):
        apply_schema(broken)
    assert fetch("SELECT to_regclass('more'), max(number) FROM schema_migrations") == [(None, next_number - 1)]


def test_a_warehouse_newer_than_the_code_is_refused(nothing: None, folder: Path, next_number: int) -> None:
    apply_schema(added(folder, next_number, "CREATE TABLE more (n integer);"))
    with pytest.raises(SchemaMismatch, match=rf"has schema version {next_number} .*this code knows versions up to"):
        warehouse.apply_schema()


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(nothing: None, folder: Path) -> None:
    warehouse.apply_schema()
    with (folder / "0001_warehouse.sql").open("a") as file:
        file.write("-- one more comment\n")
    with pytest.raises(SchemaMismatch, match=r"was changed by migration 0001_warehouse.*its file is now"):
        apply_schema(folder)


def test_windows_line_ends_make_no_other_migration(nothing: None, folder: Path) -> None:
    warehouse.apply_schema()
    path = folder / "0001_warehouse.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    apply_schema(folder)


@pytest.mark.parametrize("name", ["9999_gap.sql", "2_short.sql", "0001_again.sql", "later.sql"])
def test_migrations_are_numbered_without_a_gap(folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="must be named"):
        migrations_in(folder)
