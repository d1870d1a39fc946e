"""A month online in Redis: its values are written under keys of their own, then one key switches readers over to them.

A killed run leaves values that are not read, and the next run deletes them. PostgreSQL's lock lets one run write at a
time, as for its own online tables.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import redis

from feature_store.online_views import OnlineView
from feature_store.postgres.online_store import entity_keys
from feature_store.redis import erasure as redis_erasure
from feature_store.redis.store import NextMonth, OvertakenError, online_moment
from steps import warehouse
from steps.cli.errors import OnlineStoreUnavailable
from steps.cli.progress import Advance
from steps.features.encoding import composed_keys, encoded

if TYPE_CHECKING:
    from feast import FeatureStore


def online_as_of(store: "FeatureStore") -> date | None:
    """The month that is online; None if there is none. Raises OnlineStoreUnavailable."""
    with _translated():
        moment = online_moment(store.config.online_store.connection_string, store.project)
        return moment.date() if moment else None


def replace_online(
    store: "FeatureStore",
    views: Sequence[OnlineView],
    as_of: date,
    advance: Advance,
    instead_of: date | None = None,
) -> int:
    """Puts the month's snapshots online. Returns the number of values.

    instead_of: a newer month that it may replace. Raises OnlineStoreUnavailable.
    """
    with _translated(), warehouse.month_state() as state:
        month = _next_month(store, as_of)
        month.begin()
        values = warehouse.side_by_side([partial(_write, month, view, as_of, state, advance) for view in views])
        month.switch_over(warehouse.event_time(instead_of) if instead_of else None)
        month.clear()
        month.close()
        return values


def clear_online(store: "FeatureStore", as_of: date) -> None:
    """Empties the online store. Raises OnlineStoreUnavailable."""
    with _translated(), warehouse.month_state():
        month = _next_month(store, as_of)
        month.begin()
        month.take_offline()
        month.clear()
        month.close()


def erase_user(store: "FeatureStore", entity_key: bytes, *, apply: bool) -> int:
    """The number of the user's keys. Under the lock of materialisations. Raises OnlineStoreUnavailable."""
    with _translated():
        return redis_erasure.erase_user(
            store.config.online_store.connection_string, store.project, entity_key, apply=apply
        )


def _next_month(store: "FeatureStore", as_of: date) -> NextMonth:
    return NextMonth(store.config.online_store.connection_string, store.project, warehouse.event_time(as_of))


def _write(month: NextMonth, view: OnlineView, as_of: date, state: str, advance: Advance) -> int:
    values = 0

    def write(rows: pa.Table) -> None:
        nonlocal values
        keys = composed_keys(entity_keys, rows["user_id"].to_pylist())
        columns = {name: encoded(rows[name].combine_chunks(), encoder) for name, encoder in view.encoders.items()}
        month.write(view.name, keys, columns)
        values += len(keys) * len(columns)
        advance(rows.num_rows)

    warehouse.read_snapshot(state, view.snapshots, list(view.encoders), as_of, write)
    return values


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OvertakenError as error:
        raise OnlineStoreUnavailable("Another materialisation overtook this one; its month is online") from error
    except redis.RedisError as error:
        raise OnlineStoreUnavailable(
            f"Redis at STREAMFLOW_REDIS: {error}. When it works again, run the step again"
        ) from error
