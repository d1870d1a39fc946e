"""Our online store against Feast's own: the same values at the same places, never back in time, steady when
connections break. A new Feast that stores anything in another way shows here."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import typeguard
from psycopg_pool import PoolTimeout

from feature_store.plain_feast import import_feast
from feature_store.settings import UnsetVariables
from feature_store.store import apply_definitions, feature_types, open_store
from local_stack.settings import ROOT, Settings
from tests.sql import execute, fetch

SCHEMAS = {"feature_store.postgres.online_store.SteadyPostgreSQLOnlineStore": "ours", "postgres": "stock"}
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
    """One online store with its tables in a schema of its own, and short words for what tests do with it."""

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
    execute("DROP SCHEMA IF EXISTS ours, stock CASCADE")


@pytest.fixture
def ours(no_tables: Settings) -> Iterator[Online]:
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
    fetch("CREATE SCHEMA feast_registry; CREATE SCHEMA feast_online; SELECT 1")
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
def test_what_is_stored_is_what_feasts_own_store_would_store(ours: Online, stock: Online, rows: list[Any]) -> None:
    for online in (ours, stock):
        online.write(*rows)
    written = sum(len(values) for _, values, _ in rows)
    assert len(ours.table()) == written
    assert list(map(plain, ours.table())) == list(map(plain, stock.table()))


def test_newer_values_replace_older_ones_as_in_feasts_own_store(ours: Online, stock: Online) -> None:
    for online in (ours, stock):
        online.write(("anna", ANNA, JANUARY))
        online.write(("anna", {**ANNA, "monthly_fee": 99.9}, FEBRUARY))
    assert list(map(plain, ours.table())) == list(map(plain, stock.table()))


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def test_the_tables_are_the_same_column_for_column(ours: Online, stock: Online) -> None:
    def columns(schema: str) -> list[tuple[Any, ...]]:
        return fetch(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "  # noqa: S608
            f"WHERE table_schema = '{schema}' ORDER BY 1, 2"
        )

    assert columns("ours") == columns("stock") != []


def test_the_name_of_a_table_is_the_one_feast_makes(ours: Online, stock: Online) -> None:
    from feature_store.postgres.online_store import online_table  # noqa: PLC0415 - imports feast

    made = fetch("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('ours', 'stock') ORDER BY 1")
    name = online_table("streamflow", ours.view)
    assert made == [("ours", name), ("stock", name)]


def test_keys_are_those_that_feasts_own_store_writes(stock: Online) -> None:
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports feast

    stock.write(*((user, {"months_active": 1}, JANUARY) for user in ODD_IDS))
    assert sorted(entity_keys(ODD_IDS)) == [bytes(row[0]) for row in stock.table()]


def test_each_reads_what_the_other_wrote(ours: Online, stock: Online) -> None:
    for online in (ours, stock):
        online.write(("anna", {"months_active": 24, "monthly_fee": 98.7, "net_service": "No"}, JANUARY))
    assert ours.read("anna") == stock.read("anna") == {"months_active": 24, "monthly_fee": 98.7, "net_service": "No"}
    assert ours.read("nobody") is None


def test_older_values_never_replace_newer_ones(ours: Online) -> None:
    ours.write(("anna", ANNA, FEBRUARY))
    before = ours.table()
    ours.write(("anna", {**ANNA, "monthly_fee": 1.0}, JANUARY), ("ben", ANNA, JANUARY))
    assert [row for row in ours.table() if row in before] == before
    assert ours.read("ben") == ANNA


def test_a_value_of_the_same_moment_is_corrected(ours: Online) -> None:
    ours.write(("anna", {"monthly_fee": 98.7}, JANUARY))
    ours.write(("anna", {"monthly_fee": 99.9}, JANUARY))
    assert ours.read("anna") == {"monthly_fee": 99.9}


def test_writing_the_same_again_writes_nothing(ours: Online) -> None:
    where = "SELECT ctid::text, xmin::text FROM ours.streamflow_subs_profile_fv ORDER BY 1"
    ours.write(("anna", ANNA, JANUARY))
    before = fetch(where)
    ours.write(("anna", ANNA, JANUARY))
    assert fetch(where) == before


def test_the_same_value_of_a_newer_moment_has_the_newer_moment(ours: Online) -> None:
    ours.write(("anna", {"monthly_fee": 98.7}, JANUARY))
    ours.write(("anna", {"monthly_fee": 98.7}, FEBRUARY))
    assert [row[5] for row in ours.table()] == [FEBRUARY]


def test_a_user_who_is_twice_in_a_batch_gets_the_newest_values(ours: Online) -> None:
    ours.write(("anna", {"monthly_fee": 98.7}, JANUARY), ("anna", {"monthly_fee": 99.9}, FEBRUARY))
    assert ours.read("anna") == {"monthly_fee": 99.9}


def test_a_batch_that_fails_leaves_nothing(ours: Online) -> None:
    fetch("ALTER TABLE ours.streamflow_subs_profile_fv ADD CHECK (value_text <> 'forbidden'); SELECT 1")
    with pytest.raises(Exception, match="violates check constraint"):
        ours.write(("anna", {"net_service": "No"}, JANUARY), ("ben", {"net_service": "forbidden"}, JANUARY))
    assert ours.table() == []


def test_progress_counts_rows(ours: Online) -> None:
    counts: list[int] = []
    rows = [(entity_key(user), {"months_active": proto(1)}, JANUARY, None) for user in ("anna", "ben")]
    ours.store.online_write_batch(ours.config, ours.view, rows, counts.append)
    assert counts == [2]


def connections() -> list[int]:
    """The server's processes behind the connections to this database, but for the one that asks."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    return [row[0] for row in fetch(query + "AND backend_type = 'client backend'")]


def cut(pids: list[int]) -> None:
    for pid in pids:
        fetch(f"SELECT pg_terminate_backend({pid}, 5000)")


@pytest.fixture
def before_ours(no_tables: Settings) -> Callable[[], list[int]]:
    """Asked later: the connections made since."""
    there = set(connections())
    return lambda: [pid for pid in connections() if pid not in there]


def test_reads_and_writes_survive_cut_connections(before_ours: Callable[[], list[int]], ours: Online) -> None:
    ours.write(("anna", {"months_active": 1}, JANUARY))
    cut(before_ours())
    assert ours.read("anna") == {"months_active": 1}
    cut(before_ours())
    ours.write(("anna", {"months_active": 2}, JANUARY))
    assert ours.read("anna") == {"months_active": 2}
    assert len(before_ours()) <= MAX_CONNECTIONS


def test_a_read_survives_when_all_connections_of_a_full_pool_are_cut(
    before_ours: Callable[[], list[int]], ours: Online
) -> None:
    ours.write(("anna", {"months_active": 1}, JANUARY))
    with contextlib.ExitStack() as in_use:
        for _ in range(MAX_CONNECTIONS):
            in_use.enter_context(ours.store._get_conn(ours.config))
    cut(before_ours())
    with contextlib.suppress(PoolTimeout):
        ours.read("anna")
    assert ours.read("anna") == {"months_active": 1}
    assert len(before_ours()) <= MAX_CONNECTIONS


def test_errors_use_up_no_connections(before_ours: Callable[[], list[int]], ours: Online) -> None:
    fetch("ALTER TABLE ours.streamflow_subs_profile_fv RENAME TO away; SELECT 1")
    for _ in range(3 * MAX_CONNECTIONS):
        with pytest.raises(Exception, match="does not exist"):
            ours.read("anna")
    fetch("ALTER TABLE ours.away RENAME TO streamflow_subs_profile_fv; SELECT 1")
    assert ours.read("anna") is None
    assert len(before_ours()) <= MAX_CONNECTIONS


def test_closed_connections_are_opened_again(before_ours: Callable[[], list[int]], ours: Online) -> None:
    ours.write(("anna", {"months_active": 1}, JANUARY))
    ours.store.close_connections()
    assert ours.read("anna") == {"months_active": 1}


def test_the_service_has_the_14_features_in_the_models_order(definitions_applied: Any) -> None:
    assert list(feature_types(definitions_applied, "churn_v1").items()) == list(FEATURES.items())


def test_the_second_service_has_the_features_of_the_first_and_then_the_contract(definitions_applied: Any) -> None:
    expected = [*FEATURES.items(), ("contract_type", "String"), ("total_paid", "Float64")]
    assert list(feature_types(definitions_applied, "churn_v2").items()) == expected


def test_applying_the_definitions_again_changes_nothing(definitions_applied: Any) -> None:
    rows = "SELECT xmin::text, feature_view_name FROM feast_registry.feature_views ORDER BY 2"
    before = [name for _, name in fetch(rows)]
    apply_definitions(definitions_applied)
    assert [name for _, name in fetch(rows)] == before
    assert before == ["contract_fv", "payments_agg_90d_fv", "subs_profile_fv", "support_agg_90d_fv", "usage_agg_30d_fv"]


def test_an_unset_variable_is_named_before_anything_is_opened(
    server: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST")
    monkeypatch.delenv("PGSSLMODE")
    with pytest.raises(UnsetVariables, match="Not set: PGHOST, PGSSLMODE"):
        open_store()


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


def instrumented(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_INSTRUMENTED.format(how)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_feast_is_not_instrumented_when_we_import_it() -> None:
    assert instrumented("import_feast()") == 0


def test_feast_would_instrument_itself_otherwise() -> None:
    """When this fails, feast no longer uses typeguard so: import_feast() can go."""
    assert instrumented("import feast") > 100


def test_typeguard_is_itself_again_afterwards() -> None:
    before = typeguard.typechecked
    import_feast()
    assert typeguard.typechecked is before
