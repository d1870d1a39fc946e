"""The feature views as bulk loading needs them: source table, online table, and the form of the stored values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class OnlineView:
    """A view: where its rows come from, where they go, and in which form."""

    name: str
    table: str
    """In the online schema"""
    snapshots: str
    """The table in the warehouse that holds the view's newest values"""
    encoders: Mapping[str, Callable[[Sequence[Any]], Iterator[tuple[bytes, str | None]]]]
    """Feature -> a function from values to what the online table holds of each: value and value_text"""


def online_views(store: "FeatureStore") -> list[OnlineView]:
    """All views, in the order in which the services read them: readers and writers lock tables in the same order."""
    from feature_store.postgres.online_store import online_table, stored_values  # noqa: PLC0415 - imports Feast

    services = sorted(store.list_feature_services(), key=lambda service: str(service.name))
    in_services = [projection.name for service in services for projection in service.feature_view_projections]
    views = {view.name: view for view in store.list_feature_views()}
    return [
        OnlineView(
            name,
            online_table(store.project, views[name]),
            str(views[name].batch_source.name),
            {field.name: partial(stored_values, dtype=field.dtype) for field in views[name].features},
        )
        for name in dict.fromkeys([*in_services, *views])
    ]
