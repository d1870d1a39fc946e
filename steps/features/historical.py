"""A FeatureService's values as they were at a month's as_of, through Feast."""

from collections.abc import Iterator, Mapping
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
def applied_store() -> Iterator["FeatureStore"]:
    """The feature store, knowing features.py as it is now; its connections are closed when the block is left."""
    store = engines.open_engine()
    try:
        apply_definitions(store)
        yield store
    finally:
        store.provider.online_store.close_connections()
        store.registry.write_engine.dispose()


def types_of(store: "FeatureStore", service_name: str) -> Mapping[str, str]:
    """Feast's type names by feature, in the model's order. Raises BadParameter for a service that is not defined."""
    known = sorted(service.name for service in store.list_feature_services())
    if service_name not in known:
        raise BadParameter(f"No FeatureService {service_name!r}. There are: {', '.join(known)}")
    return feature_types(store, service_name)


def features(store: "FeatureStore", as_of: date, service_name: str) -> pd.DataFrame:
    """user_id and the service's features, one row a user with a profile at as_of; null where there is no value.

    Nothing that became known after as_of is used. Raises LakeDisagrees where the engine reads files and those of the
    month are not right.
    """
    job = store.get_historical_features(
        entity_df=engines.entities(store.config.offline_store.type, as_of),
        features=store.get_feature_service(service_name),
        filter_by_created_timestamp=True,
    )
    frame: pd.DataFrame = job.to_df()
    return frame.drop(columns="event_timestamp")
