"""Our online store against Feast's own: the same rows, no older value over a newer one, and recovery from broken
connections. These tests notice when a new version of Feast stores anything differently."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import typeguard
from psycopg_pool import PoolTimeout

from configuration import names
from feature_store.plain_feast import import_feast
from feature_store.settings import UnsetVariables
from feature_store.store import apply_definitions, feature_types, open_store
from local_stack.settings import ROOT, Settings
from tests.sql import empty_registry_too, execute, fetch

SCHEMAS = {"feature_store.postgres.online_store.SteadyPostgreSQLOnlineStore": "steady", "postgres": "stock"}
JANUARY, FEBRUARY = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)
FEATURES = {
    "months_active": "Int64",
    "monthly_fee": "Float64",
    "paperless_billing": "Bool",
    "plan_stream_tv": "Bool",
    "plan_stream_movies": "Bool",
    "net_service": "String",
    "watch_hours_30d": "Float64",
    "avg_session_mins_7d": "Float64",
    "unique_devices_30d": "Int64",
    "skips_7d": "Int64",
    "rebuffer_events_7d": "Int64",
    "failed_payments_90d": "Int64",
    "support_tickets_90d": "Int64",
    "ticket_avg_resolution_hrs_90d": "Float64",
}
MAX_CONNECTIONS = 3
ODD_IDS = ["anna", "Zoé 1", 'say "hi"', "a,b", "\\x00", "007", "\U0001f600", "a" * 128]


class Online:
    """One online store with its tables in its own schema, and short methods for tests."""

    def __init__(self, settings: Settings, kind: str) -> None:
        feast = import_feast()
        from feast.infra.online_stores.helpers import get_online_store_from_config  # noqa: PLC0415

        from feature_repo.features import subs_profile_fv, user  # noqa: PLC0415 - both import feast

        self.schema, self.view = SCHEMAS[kind], subs_profile_fv
        self.config = feast.RepoConfig(
            project="streamflow",
            provider="local",
            registry="memory",
            entity_key_serialization_version=3,
            online_store={
                "type": kind,
                "host": settings["PGHOST"],
                "port": settings.port("PGPORT"),
                "database": settings["PGDATABASE"],
                "user": settings["PGUSER"],
                "password": settings["PGPASSWORD"],
                "sslmode": "prefer",
                "db_schema": self.schema,
                "max_conn": MAX_CONNECTIONS,
            },
        )
        self.store = get_online_store_from_config(self.config.online_store)
        self.store.update(self.config, [], [self.view], [], [user], partial=False)

    def write(self, *rows: tuple[str, dict[str, Any], datetime]) -> None:
        created = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
        self.store.online_write_batch(
            self.config,
            self.view,
            [
                (entity_key(user), {name: proto(value) for name, value in values.items()}, at, created)
                for user, values, at in rows
            ],
            None,
        )

    def read(self, user: str) -> dict[str, Any] | None:
        ((_moment, values),) = self.store.online_read(self.config, self.view, [entity_key(user)], list(ANNA))
        return values and {name: getattr(value, value.WhichOneof("val") or "", None) for name, value in values.items()}

    def table(self) -> list[tuple[Any, ...]]:
        return fetch(f"SELECT * FROM {self.schema}.streamflow_subs_profile_fv ORDER BY entity_key, feature_name")  # noqa: S608

    def close(self) -> None:
        if hasattr(self.store, "close_connections"):
            self.store.close_connections()
        elif self.store._conn:
            self.store._conn.close()


def entity_key(user: str) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: PLC0415 - imports feast

    return EntityKey(join_keys=["user_id"], entity_values=[proto(user)])


def proto(value: Any) -> Any:
    from feast.protos.feast.types.Value_pb2 import Value  # noqa: PLC0415 - imports feast

    names = {bool: "bool_val", int: "int64_val", float: "double_val", str: "string_val"}
    return Value() if value is None else Value(**{names[type(value)]: value})


@pytest.fixture
def no_tables(server: Settings) -> Iterator[Settings]:
    yield server
    execute("DROP SCHEMA IF EXISTS steady, stock CASCADE")


@pytest.fixture
def steady(no_tables: Settings) -> Iterator[Online]:
    online = Online(no_tables, "feature_store.postgres.online_store.SteadyPostgreSQLOnlineStore")
    yield online
    online.close()


@pytest.fixture
def stock(no_tables: Settings) -> Iterator[Online]:
    online = Online(no_tables, "postgres")
    yield online
    online.close()


@pytest.fixture
def definitions_applied(empty_warehouse: Settings) -> Iterator[Any]:
    empty_registry_too()
    execute("CREATE SCHEMA IF NOT EXISTS feast_registry; CREATE SCHEMA IF NOT EXISTS feast_online")
    store = open_store()
    apply_definitions(store)
    yield store
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()


ANNA = {
    "months_active": 24,
    "monthly_fee": 98.7,
    "paperless_billing": True,
    "plan_stream_tv": False,
    "plan_stream_movies": None,
    "net_service": "Fiber optic",
}
PARIS = timezone(timedelta(hours=1))
WRITES = {
    "values of every type": [("anna", ANNA, JANUARY)],
    "values at the edges": [
        ("ben", {"months_active": -(2**63), "monthly_fee": 5e-324, "net_service": ""}, JANUARY),
        ("cara", {"months_active": 2**63 - 1, "monthly_fee": float("nan"), "net_service": 'a\tb\n"c"\\.é'}, JANUARY),
    ],
    "odd user ids": [(user, ANNA, JANUARY) for user in ODD_IDS],
    "times of other zones": [
        ("anna", ANNA, JANUARY.astimezone(PARIS)),
        ("ben", ANNA, JANUARY.replace(tzinfo=None)),
    ],
    "nothing": [],
}


@pytest.mark.parametrize("rows", WRITES.values(), ids=WRITES)
def test_rows_are_those_of_feasts_own_store(steady: Online, stock: Online, rows: list[Any]) -> None:
    for online in (steady, stock):
        online.write(*rows)
    written = sum(len(values) for _, values, _ in rows)
    assert len(steady.table()) == written
    assert list(map(plain, steady.table())) == list(map(plain, stock.table()))


def test_newer_values_replace_older_ones_as_in_feasts_own_store(steady: Online, stock: Online) -> None:
    for online in (steady, stock):
        online.write(("anna", ANNA, JANUARY))
        online.write(("anna", {**ANNA, "monthly_fee": 99.9}, FEBRUARY))
    assert list(map(plain, steady.table())) == list(map(plain, stock.table()))


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def test_tables_have_the_columns_of_feasts_own_store(steady: Online, stock: Online) -> None:
    def columns(schema: str) -> list[tuple[Any, ...]]:
        return fetch(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "  # noqa: S608
            f"WHERE table_schema = '{schema}' ORDER BY 1, 2"
        )

    assert columns("steady") == columns("stock") != []


def test_tables_have_the_names_of_feasts_own_store(steady: Online, stock: Online) -> None:
    from feature_store.postgres.online_store import online_table  # noqa: PLC0415 - imports feast

    tables = fetch("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('steady', 'stock') ORDER BY 1")
    name = online_table("streamflow", steady.view)
    assert tables == [("steady", name), ("stock", name)]


def test_keys_are_those_of_feasts_own_store(stock: Online) -> None:
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports feast

    stock.write(*((user, {"months_active": 1}, JANUARY) for user in ODD_IDS))
    assert sorted(entity_keys(ODD_IDS)) == [bytes(row[0]) for row in stock.table()]


def test_each_store_reads_rows_of_the_other(steady: Online, stock: Online) -> None:
    for online in (steady, stock):
        online.write(("anna", {"months_active": 24, "monthly_fee": 98.7, "net_service": "No"}, JANUARY))
    assert steady.read("anna") == stock.read("anna") == {"months_active": 24, "monthly_fee": 98.7, "net_service": "No"}
    assert steady.read("nobody") is None


def test_older_values_never_replace_newer_ones(steady: Online) -> None:
    steady.write(("anna", ANNA, FEBRUARY))
    before = steady.table()
    steady.write(("anna", {**ANNA, "monthly_fee": 1.0}, JANUARY), ("ben", ANNA, JANUARY))
    assert [row for row in steady.table() if row in before] == before
    assert steady.read("ben") == ANNA


def test_a_value_of_the_same_moment_is_corrected(steady: Online) -> None:
    steady.write(("anna", {"monthly_fee": 98.7}, JANUARY))
    steady.write(("anna", {"monthly_fee": 99.9}, JANUARY))
    assert steady.read("anna") == {"monthly_fee": 99.9}


def test_writing_the_same_values_again_changes_no_row(steady: Online) -> None:
    where = "SELECT ctid::text, xmin::text FROM steady.streamflow_subs_profile_fv ORDER BY 1"
    steady.write(("anna", ANNA, JANUARY))
    before = fetch(where)
    steady.write(("anna", ANNA, JANUARY))
    assert fetch(where) == before


def test_the_same_value_of_a_newer_moment_gets_the_newer_event_time(steady: Online) -> None:
    steady.write(("anna", {"monthly_fee": 98.7}, JANUARY))
    steady.write(("anna", {"monthly_fee": 98.7}, FEBRUARY))
    assert [row[5] for row in steady.table()] == [FEBRUARY]


def test_of_two_rows_of_a_user_in_a_batch_the_newer_one_counts(steady: Online) -> None:
    steady.write(("anna", {"monthly_fee": 98.7}, JANUARY), ("anna", {"monthly_fee": 99.9}, FEBRUARY))
    assert steady.read("anna") == {"monthly_fee": 99.9}


def test_a_failed_batch_writes_nothing(steady: Online) -> None:
    execute("ALTER TABLE steady.streamflow_subs_profile_fv ADD CHECK (value_text <> 'forbidden')")
    with pytest.raises(Exception, match="violates check constraint"):
        steady.write(("anna", {"net_service": "No"}, JANUARY), ("ben", {"net_service": "forbidden"}, JANUARY))
    assert steady.table() == []


def test_progress_counts_rows(steady: Online) -> None:
    counts: list[int] = []
    rows = [(entity_key(user), {"months_active": proto(1)}, JANUARY, None) for user in ("anna", "ben")]
    steady.store.online_write_batch(steady.config, steady.view, rows, counts.append)
    assert counts == [2]


def connections() -> list[int]:
    """The process ids of the server's connections to this database, except that of this query."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    return [row[0] for row in fetch(query + "AND backend_type = 'client backend'")]


def cut(pids: list[int]) -> None:
    for pid in pids:
        fetch(f"SELECT pg_terminate_backend({pid}, 5000)")


@pytest.fixture
def new_connections(no_tables: Settings) -> Callable[[], list[int]]:
    """Returns the connections made since the fixture."""
    earlier = set(connections())
    return lambda: [pid for pid in connections() if pid not in earlier]


def test_reads_and_writes_survive_cut_connections(new_connections: Callable[[], list[int]], steady: Online) -> None:
    steady.write(("anna", {"months_active": 1}, JANUARY))
    cut(new_connections())
    assert steady.read("anna") == {"months_active": 1}
    cut(new_connections())
    steady.write(("anna", {"months_active": 2}, JANUARY))
    assert steady.read("anna") == {"months_active": 2}
    assert len(new_connections()) <= MAX_CONNECTIONS


def test_reads_recover_after_all_connections_of_a_full_pool_are_cut(
    new_connections: Callable[[], list[int]], steady: Online
) -> None:
    steady.write(("anna", {"months_active": 1}, JANUARY))
    with contextlib.ExitStack() as in_use:
        for _ in range(MAX_CONNECTIONS):
            in_use.enter_context(steady.store._get_conn(steady.config))
    cut(new_connections())
    with contextlib.suppress(PoolTimeout):
        steady.read("anna")
    assert steady.read("anna") == {"months_active": 1}
    assert len(new_connections()) <= MAX_CONNECTIONS


def test_errors_leak_no_connections(new_connections: Callable[[], list[int]], steady: Online) -> None:
    execute("ALTER TABLE steady.streamflow_subs_profile_fv RENAME TO away")
    for _ in range(3 * MAX_CONNECTIONS):
        with pytest.raises(Exception, match="does not exist"):
            steady.read("anna")
    execute("ALTER TABLE steady.away RENAME TO streamflow_subs_profile_fv")
    assert steady.read("anna") is None
    assert len(new_connections()) <= MAX_CONNECTIONS


def test_closed_connections_are_opened_again(new_connections: Callable[[], list[int]], steady: Online) -> None:
    steady.write(("anna", {"months_active": 1}, JANUARY))
    steady.store.close_connections()
    assert steady.read("anna") == {"months_active": 1}


def test_the_service_has_the_14_features_in_the_models_order(definitions_applied: Any) -> None:
    assert list(feature_types(definitions_applied, "churn_v1").items()) == list(FEATURES.items())


def test_the_second_service_adds_the_features_of_the_contract(definitions_applied: Any) -> None:
    expected = [*FEATURES.items(), ("contract_type", "String"), ("total_paid", "Float64")]
    assert list(feature_types(definitions_applied, "churn_v2").items()) == expected


def test_applying_the_definitions_again_changes_nothing(definitions_applied: Any) -> None:
    rows = "SELECT xmin::text, feature_view_name FROM feast_registry.feature_views ORDER BY 2"
    before = [name for _, name in fetch(rows)]
    apply_definitions(definitions_applied)
    assert [name for _, name in fetch(rows)] == before
    assert before == ["contract_fv", "payments_agg_90d_fv", "subs_profile_fv", "support_agg_90d_fv", "usage_agg_30d_fv"]


def test_unset_variables_are_named_before_a_connection_is_opened(
    server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST")
    monkeypatch.delenv("PGSSLMODE")
    with pytest.raises(UnsetVariables, match="Not set: PGHOST, PGSSLMODE"):
        open_store()


def test_an_empty_port_is_the_default_as_for_libpq(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "")
    assert open_store().config.online_store.port == names.POSTGRES_PORT


COUNT_INSTRUMENTED = """
import sys, typeguard._decorators as decorators
calls = 0
def counted(function):
    global calls
    calls += 1
    return "not now"  # typeguard then leaves the function as it is
decorators.instrument = counted
import warnings
warnings.simplefilter("ignore")
import feature_enricher.app, feature_store.online_views, steps.features.engines
from feature_store.plain_feast import import_feast
assert "feast" not in sys.modules, "programs start without Feast"
{}
print(calls)
"""


def instrumented_functions(statement: str) -> int:
    process = subprocess.run(
        [sys.executable, "-c", COUNT_INSTRUMENTED.format(statement)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(process.stdout)


def test_import_feast_avoids_the_instrumentation() -> None:
    assert instrumented_functions("import_feast()") == 0


def test_a_plain_import_instruments_feast() -> None:
    """If this fails, Feast no longer uses typeguard this way: remove import_feast()."""
    assert instrumented_functions("import feast") > 100


def test_import_feast_restores_typeguard() -> None:
    before = typeguard.typechecked
    import_feast()
    assert typeguard.typechecked is before
