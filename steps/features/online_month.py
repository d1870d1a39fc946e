"""The month in the configured online store: read which one it is, replace it, or take it offline."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from feature_store.online_views import OnlineView, online_views
from feature_store.settings import redis_url
from steps import warehouse
from steps.cli import progress
from steps.features.encoding import online_rows

if TYPE_CHECKING:
    from feast import FeatureStore


def online_as_of(store: "FeatureStore") -> date | None:
    """Raises OnlineStoreUnavailable."""
    if redis_url():
        from steps.features import online_redis  # noqa: PLC0415 - Redis' client is an extra

        return online_redis.online_as_of(store)
    return warehouse.online_as_of(view.table for view in online_views(store))


def put_online(store: "FeatureStore", as_of: date, instead_of: date | None = None) -> tuple[int, int]:
    """Puts the month online in all views by one atomic swap. Returns the numbers of rows and values.

    instead_of: a newer month that it may replace. Raises OnlineStoreUnavailable, also if another newer month is online.
    """
    views, moment = online_views(store), warehouse.event_time(as_of)
    rows = sum(warehouse.count_snapshot(view.snapshots, as_of) for view in views)
    with progress.timed("write all views"), progress.bar("write", rows) as advance:
        values = _replace(store, views, as_of, advance, instead_of)
    for view in views:
        store.registry.apply_materialization(store.get_feature_view(view.name), store.project, moment, moment)
    return rows, values


def take_offline(store: "FeatureStore", as_of: date) -> None:
    """Empties the online store; the month must be the only one that could be in it. Raises OnlineStoreUnavailable."""
    if redis_url():
        from steps.features import online_redis  # noqa: PLC0415 - Redis' client is an extra

        online_redis.clear_online(store, as_of)
    else:
        warehouse.clear_online([view.table for view in online_views(store)])


def erase_from_redis(store: "FeatureStore", entity_key: bytes, *, apply: bool) -> dict[str, int]:
    """Place -> number of keys; empty with PostgreSQL as online store. Without apply it only counts."""
    if not redis_url():
        return {}
    from steps.features import online_redis  # noqa: PLC0415 - Redis' client is an extra

    return {"Redis": online_redis.erase_user(store, entity_key, apply=apply)}


def entity_key(user_id: str) -> bytes:
    """The user's key in the online store."""
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports Feast

    return next(iter(entity_keys([user_id])))


def _replace(
    store: "FeatureStore",
    views: Sequence[OnlineView],
    as_of: date,
    advance: progress.Advance,
    instead_of: date | None,
) -> int:
    if redis_url():
        from steps.features import online_redis  # noqa: PLC0415 - Redis' client is an extra

        return online_redis.replace_online(store, views, as_of, advance, instead_of)
    moment = warehouse.event_time(as_of).isoformat()
    return warehouse.replace_online([_table(view, moment) for view in views], as_of, advance, instead_of)


def _table(view: OnlineView, event_time: str) -> warehouse.OnlineTable:
    from feature_store.postgres.online_store import entity_keys  # noqa: PLC0415 - imports Feast

    to_online = partial(online_rows, event_time=event_time, keys=entity_keys, encoders=view.encoders)
    return warehouse.OnlineTable(view.table, view.snapshots, list(view.encoders), to_online)
