"""What reads features online: the plan of a service, a user's row of features, and what every reader can do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol


@dataclass(frozen=True)
class Plan:
    """What is fixed about a service: its features in the model's order, and how each store is asked for them."""

    service: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    """Feast's names of the features' types: Int64, Float64, Bool, String"""
    views: tuple[str, ...]
    """The view of each feature"""
    largest_age: Mapping[str, timedelta]
    """view -> how much older than the newest its values may be; a view without a limit is not in it"""
    statement: bytes
    newest_statement: bytes
    key_of: Callable[[str], bytes]
    value_of: Callable[[bytes], Any]
    fields: tuple[bytes, ...] = ()
    """Of a user's hash in Redis: one per feature, then one per view, of its event time"""


@dataclass(frozen=True)
class FeatureRow:
    """One user's features by name, in the plan's order."""

    features: dict[str, Any]
    """None where the store has no value"""
    event_times: dict[str, datetime]
    """view -> the event time of its values"""
    overridden: tuple[str, ...] = ()
    """Features whose values the request gave"""
    stale_features: tuple[str, ...] = ()
    """Older than their largest age"""


class Reader(Protocol):
    """Thread-safe. `until` is a time.monotonic()."""

    def read(self, plan: Plan, user_ids: Sequence[str], until: float) -> list[FeatureRow]:
        """One per user, in order. Raises OnlineReadError."""

    def newest(self, plan: Plan, until: float) -> datetime | None:
        """The newest event time among all users' values, None while nothing is online. Raises OnlineReadError."""

    def close(self) -> None: ...
