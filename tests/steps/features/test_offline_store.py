"""The project's offline store against Feast's own: the same rows for any entities and times."""

from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from feast import FeatureStore
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres import PostgreSQLOfflineStore
from hypothesis import HealthCheck, assume, given, settings
from psycopg.errors import UndefinedObject

from feature_store.postgres.offline_store import CopyingJob, SortingPostgreSQLOfflineStore
from feature_store.store import FOLDER
from local_stack.settings import Settings
from steps.features import historical
from tests.conftest import JANUARY
from tests.steps.features.test_engines import A_HISTORY, opened
from tests.steps.states.database import execute, fetch
from tests.steps.states.histories import HISTORIES, Event, play, play_again

# the month's day, when corrections are known, and days on which another month's rows are near
MOMENTS = """
    SELECT DISTINCT user_id, as_of + days * interval '1 day' AS event_timestamp, days AS days_after
    FROM (SELECT user_id, as_of FROM subscriptions_profile_versions
          UNION SELECT user_id, as_of FROM usage_agg_30d_versions) AS present,
         unnest(ARRAY[-1, 0, 9, 10, 27, 28]) AS days
"""
SHARED_WAREHOUSE = settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def rows(store: FeatureStore, offline: type[PostgreSQLOfflineStore], *, only_known: bool = True) -> pd.DataFrame:
    service = store.get_feature_service("churn_v2")
    job = offline.get_historical_features(
        store.config,
        [store.get_feature_view(view.name) for view in service.feature_view_projections],
        [f"{view.name}:{field.name}" for view in service.feature_view_projections for field in view.features],
        MOMENTS,
        store.registry,
        store.project,
        filter_by_created_timestamp=only_known,
    )
    frame: pd.DataFrame = job.to_df()
    return frame.sort_values(["user_id", "event_timestamp"], ignore_index=True)


@pytest.mark.usefixtures("newest_schema")
@SHARED_WAREHOUSE
@given(history=HISTORIES)
def test_any_history_has_the_rows_that_feasts_own_store_finds(server: Settings, history: list[Event]) -> None:
    play_again(history)
    assume(fetch(MOMENTS))
    with opened() as store:
        for only_known in (True, False):
            actual, stock = (
                rows(store, offline, only_known=only_known)
                for offline in (SortingPostgreSQLOfflineStore, PostgreSQLOfflineStore)
            )
            pd.testing.assert_frame_equal(actual, stock)


@pytest.mark.parametrize("text", ["", "NULL", 'say "hi", \\N', "two\nlines", "Zoé \U0001f600"])
def test_unusual_texts_are_read_as_stored(server: Settings, text: str) -> None:
    play(A_HISTORY)
    for table in ("snapshots", "superseded"):
        execute(f"UPDATE subscriptions_profile_{table} SET contract_type = $odd${text}$odd$")  # noqa: S608
    with opened() as store:
        stores = (SortingPostgreSQLOfflineStore, PostgreSQLOfflineStore)
        actual, stock = (rows(store, offline) for offline in stores)
    pd.testing.assert_frame_equal(actual, stock)
    assert text in set(actual["contract_type"])


def test_a_training_set_is_joined_with_the_parameters_that_feature_store_yaml_declares(server: Settings) -> None:
    play(A_HISTORY)
    declared = {"enable_nestloop": "off", "work_mem": "128MB", "jit": "off", "timezone": "UTC"}
    columns = ", ".join(f"current_setting('{name}') AS {name}" for name in declared)
    with opened() as store:
        [session] = CopyingJob(f"SELECT {columns}", store.config, full_feature_names=False).to_df().to_dict("records")
    assert session == declared


def test_a_parameter_unknown_to_postgresql_is_an_error(server: Settings) -> None:
    play(A_HISTORY)
    with opened() as store:
        changed = store.config.offline_store.model_copy(update={"session": {"enable_nestlop": "off"}})
        job = CopyingJob("SELECT 1", SimpleNamespace(offline_store=changed), full_feature_names=False)
        with pytest.raises(UndefinedObject, match="enable_nestlop"):
            job.to_df()


def test_a_schema_setting_is_a_name_only() -> None:
    stores = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    assert {stores[name]["db_schema"] for name in ("offline_store", "online_store")} == {"public", "feast_online"}


def test_the_projects_store_is_configured(server: Settings) -> None:
    play(A_HISTORY)
    with historical.applied_store() as store:
        assert isinstance(store.provider.offline_store, SortingPostgreSQLOfflineStore)
        assert historical.features(store, JANUARY, "churn_v1").shape == (4, 15)
