"""PostgreSQL, DuckDB and Spark join the same training set from the same history, without values from the future."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pandas as pd
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given, settings

from feature_store.spark import spark_conf
from feature_store.store import apply_definitions
from local_stack.settings import Settings
from steps import warehouse
from steps.cli.errors import BadParameter, EngineUnavailable, LakeDisagrees, NoSnapshot
from steps.features import engines, historical, lake
from steps.runs.entry_points import arguments
from steps.training import dataset
from tests.conftest import FEBRUARY, JANUARY, REAL_DATA, needs_real_data
from tests.steps.states.database import empty, execute
from tests.steps.states.histories import HISTORIES, LATER, USERS, Event, expected, known_files, play, play_again
from tests.steps.states.months import FILES

NUMBERS = ["months_active", "skips_7d", "failed_payments_90d", "support_tickets_90d"]
SHARED_WAREHOUSE = settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="PySpark or Java is missing"
)
OTHER_ENGINES = pytest.mark.parametrize(
    "other_engines", [["duckdb"], pytest.param(["duckdb", "spark"], marks=needs_spark)]
)


@contextmanager
def opened() -> Iterator[FeatureStore]:
    """The store with the engine that is set. features.py is applied once: that takes longer than a join."""
    store = engines.open_engine()
    try:
        if not store.list_feature_services():
            apply_definitions(store)
        yield store
    finally:
        store.provider.online_store.close_connections()
        store.registry.write_engine.dispose()


def joined(use: pytest.MonkeyPatch, engine: str, as_of: date) -> tuple[pd.DataFrame, str]:
    """The users with their features, and the identity of their training set."""
    use.setenv("STREAMFLOW_OFFLINE_ENGINE", engine)
    with opened() as store:
        types = dict(historical.types_of(store, "churn_v2"))
        rows = historical.features(store, as_of, "churn_v2")
    return rows, dataset.sha256(dataset.assemble(rows, warehouse.labels_of(as_of).to_pandas(), types))


def features(use: pytest.MonkeyPatch, engine: str, as_of: date) -> pd.DataFrame:
    return joined(use, engine, as_of)[0]


def identity(use: pytest.MonkeyPatch, engine: str, as_of: date) -> str:
    return joined(use, engine, as_of)[1]


def numbers(frame: pd.DataFrame) -> dict[str, tuple[int | None, ...]]:
    return {
        row[0]: tuple(None if pd.isna(value) else int(value) for value in row[1:])
        for row in frame[["user_id", *NUMBERS]].itertuples(index=False)
    }


@pytest.mark.usefixtures("newest_schema")
@SHARED_WAREHOUSE
@given(history=HISTORIES)
def test_any_history_is_joined_equally_and_with_values_known_then(
    use: pytest.MonkeyPatch, history: list[Event]
) -> None:
    play_again(history)
    for as_of in {event.as_of for event in history}:
        if not known_files(history, as_of)["subscriptions"]:
            with pytest.raises(NoSnapshot, match="was known on that day"):
                features(use, "postgres", as_of)
            continue
        by_postgres, by_duckdb = (joined(use, engine, as_of) for engine in ("postgres", "duckdb"))
        assert numbers(by_postgres[0]) == numbers(by_duckdb[0]) == expected(history, as_of)
        assert by_postgres[1] == by_duckdb[1]


@needs_spark
@pytest.mark.usefixtures("newest_schema")
@settings(SHARED_WAREHOUSE, max_examples=8)
@given(history=HISTORIES)
def test_spark_joins_any_history_as_postgresql_does(use: pytest.MonkeyPatch, history: list[Event]) -> None:
    play_again(history)
    for as_of in {event.as_of for event in history}:
        if known_files(history, as_of)["subscriptions"]:
            rows, sha256 = joined(use, "spark", as_of)
            assert numbers(rows) == expected(history, as_of)
            assert sha256 == identity(use, "postgres", as_of)


def test_local_spark_has_memory_for_a_million_users_and_a_cluster_keeps_its_own_settings() -> None:
    local, cluster = (spark_conf(master) for master in ("local[*]", "spark://HOST:7077"))
    assert local["spark.driver.memory"] == "4g"
    assert set(local) - set(cluster) == {
        "spark.driver.memory", "spark.driver.host", "spark.driver.bindAddress", "spark.sql.shuffle.partitions",
    }  # fmt: skip


def sparse(value: int, *left_out: str) -> dict[str, dict[str, int]]:
    """All users in every file, except left_out, who are only in users and labels."""
    present = {user: value + number for number, user in enumerate(USERS) if user not in left_out}
    return {name: present if name not in ("users", "labels") else dict.fromkeys(USERS, 0) for name in FILES}


# users join and leave, rows arrive late, values are corrected, known from the start or later
A_HISTORY = [
    Event(JANUARY, JANUARY, {**sparse(10), "usage_agg_30d": {"ann": 5, "7": 6}}),
    Event(FEBRUARY, FEBRUARY, sparse(20, "bob")),
    Event(JANUARY, LATER[JANUARY], sparse(30, "7")),
    Event(FEBRUARY, FEBRUARY, {**sparse(40, "ann"), "payments_agg_90d": {"bob": 1}}),
    Event(FEBRUARY, LATER[FEBRUARY], sparse(50)),
]


@OTHER_ENGINES
def test_all_engines_agree_on_a_history_with_everything_in_it(
    use: pytest.MonkeyPatch, other_engines: list[str]
) -> None:
    play(A_HISTORY)
    for as_of in (JANUARY, FEBRUARY):
        results = [joined(use, engine, as_of) for engine in ["postgres", *other_engines]]
        assert [numbers(frame) for frame, _identity in results] == [expected(A_HISTORY, as_of)] * len(results)
        assert len({identity for _frame, identity in results}) == 1


@needs_real_data
@OTHER_ENGINES
def test_all_engines_agree_on_the_real_months(use: pytest.MonkeyPatch, tracking: str, other_engines: list[str]) -> None:
    from steps import ingest  # noqa: PLC0415 - mlflow

    empty()
    for as_of, folder in {JANUARY: "month_000", FEBRUARY: "month_001"}.items():
        ingest.main(arguments("ingest", {"month_dir": str(REAL_DATA / folder), "as_of": str(as_of)}))
    for as_of in (JANUARY, FEBRUARY):
        assert len({identity(use, engine, as_of) for engine in ["postgres", *other_engines]}) == 1


def test_postgresql_reads_entities_by_a_query_and_uploads_nothing(use: pytest.MonkeyPatch) -> None:
    play(A_HISTORY)
    use.setattr("feast.infra.offline_stores.contrib.postgres_offline_store.postgres.df_to_postgres_table", None)
    assert len(features(use, "postgres", JANUARY)) > 0


def test_files_that_differ_from_the_database_are_refused(use: pytest.MonkeyPatch, server: Settings) -> None:
    play(A_HISTORY)
    execute("DELETE FROM payments_agg_90d_snapshots WHERE user_id = 'bob'")
    with pytest.raises(LakeDisagrees, match="rows, the database"):
        features(use, "duckdb", FEBRUARY)


def test_the_registry_does_not_depend_on_the_engine(use: pytest.MonkeyPatch, server: Settings) -> None:
    play(A_HISTORY)
    use.setenv("STREAMFLOW_OFFLINE_ENGINE", "duckdb")
    with historical.applied_store() as store:
        historical.features(store, JANUARY, "churn_v2")
        sources = {type(view.batch_source).__name__ for view in store.list_feature_views()}
    assert sources == {"PostgreSQLSource"}


def test_an_invalid_engine_is_named_with_the_allowed_ones(use: pytest.MonkeyPatch) -> None:
    use.setenv("STREAMFLOW_OFFLINE_ENGINE", "oracle")
    with pytest.raises(BadParameter, match="STREAMFLOW_OFFLINE_ENGINE='oracle': must be postgres, duckdb or spark"):
        engines.open_engine()


def test_an_engine_over_files_requires_the_lakes_folder(use: pytest.MonkeyPatch) -> None:
    use.setenv("STREAMFLOW_OFFLINE_ENGINE", "duckdb")
    use.delenv("STREAMFLOW_LAKE")
    with pytest.raises(BadParameter, match="STREAMFLOW_LAKE is not set"):
        engines.open_engine()


def test_spark_without_java_is_an_error_with_the_command(use: pytest.MonkeyPatch) -> None:
    use.setattr(importlib.util, "find_spec", str)
    use.setattr(shutil, "which", {}.get)
    use.delenv("JAVA_HOME", raising=False)
    with pytest.raises(EngineUnavailable, match=r"needs Java 17.*default-jre-headless"):
        engines.require_spark()


def test_spark_without_pyspark_is_an_error_with_the_command(use: pytest.MonkeyPatch) -> None:
    use.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(EngineUnavailable, match=r"requirements-spark\.txt"):
        engines.require_spark()


def test_the_lake_is_in_the_configured_folder(server: Settings) -> None:
    assert lake.folder() == server.state / "lake"
