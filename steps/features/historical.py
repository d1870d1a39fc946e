"""A FeatureService's values as known at a month's as_of, joined by Feast."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from feature_store.store import apply_definitions, feature_types
from steps.cli.errors import BadParameter
from steps.features import engines

if TYPE_CHECKING:
    from feast import FeatureStore


@contextmanager
def applied_store(opened: Callable[[], "FeatureStore"] = engines.open_engine) -> Iterator["FeatureStore"]:
    """The feature store after applying features.py; its connections are closed at the end of the block. (Left to the
    process' end, each thread of the pool is waited for, 5 s long.)"""
    store = opened()
    try:
        apply_definitions(store)
        yield store
    finally:
        store.provider.online_store.close_connections()
        store.registry.write_engine.dispose()


def types_of(store: "FeatureStore", service_name: str) -> Mapping[str, str]:
    """Feast's type names by feature, in the model's order. Raises BadParameter for an undefined service."""
    names = sorted(service.name for service in store.list_feature_services())
    if service_name not in names:
        raise BadParameter(f"No FeatureService {service_name!r}. Allowed are: {', '.join(names)}")
    return feature_types(store, service_name)


def features(store: "FeatureStore", as_of: date, service_name: str) -> pd.DataFrame:
    """user_id and the service's features: one row per user with a profile at as_of, nulls for missing values.

    Values that became known after as_of are not used. Raises LakeDisagrees if the engine reads files and the month's
    files are not the recorded ones.
    """
    job = store.get_historical_features(
        entity_df=engines.entities(store.config.offline_store.type, as_of),
        features=store.get_feature_service(service_name),
        filter_by_created_timestamp=True,
    )
    frame: pd.DataFrame = job.to_df()
    return frame.drop(columns="event_timestamp")
