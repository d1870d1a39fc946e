"""Reading features online: a service's plan, a user's row of features, and what every reader can do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from feature_store.deadline import Deadline


@dataclass(frozen=True)
class Plan:
    """The fixed part of a service: its features in the model's order, and how each store is queried for them."""

    service: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    """Feast's names of the features' types: Int64, Float64, Bool, String"""
    views: tuple[str, ...]
    """The view of each feature"""
    largest_age: Mapping[str, timedelta]
    """View -> how much older than the newest its values may be; views without a limit are missing"""
    statement: bytes
    newest_statement: bytes
    key_of: Callable[[str], bytes]
    value_of: Callable[[bytes], Any]
    fields: tuple[bytes, ...] = ()
    """Of a user's hash in Redis: one per feature, then one per view for its event time"""


@dataclass(frozen=True)
class FeatureRow:
    """One user's features by name, in the plan's order."""

    features: dict[str, Any]
    """None where the store has no value"""
    event_times: dict[str, datetime]
    """View -> the event time of its values"""
    overridden: tuple[str, ...] = ()
    """Features whose values came with the request"""
    stale_features: tuple[str, ...] = ()
    """Older than their largest age"""


class Reader(Protocol):
    """Thread-safe."""

    def read(self, plan: Plan, user_ids: Sequence[str], deadline: Deadline) -> list[FeatureRow]:
        """One row per user, in order. Raises OnlineReadError."""

    def newest(self, plan: Plan, deadline: Deadline) -> datetime | None:
        """The newest event time among all users' values, None while nothing is online. Raises OnlineReadError."""

    def close(self) -> None: ...
