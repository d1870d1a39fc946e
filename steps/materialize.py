"""Put one month online. In: its snapshots. Out: Feast's online store holds that month's values and no others.

Whoever reads sees one month in all views, the old one or the new one, also while this runs or after it was killed in
the middle. Never goes back in time: a month older than the one online leaves everything as it is. Safe to repeat.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import mlflow

from feature_repo import OnlineView, apply_definitions, entity_keys, online_views, redis_url
from steps import console, engines, online_hashes, parameters, progress, run_words, tracking, warehouse
from steps.online_rows import online_rows

if TYPE_CHECKING:
    from feast import FeatureStore


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("materialize", f"materialize_{args.as_of}", {"as_of": args.as_of}):
        warehouse.require_month(args.as_of)
        store = engines.open_online()
        apply_definitions(store)
        run_words.conclude(materialize(store, args.as_of))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="materialize", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    return parser.parse_args(argv)


def materialize(store: "FeatureStore", as_of: date) -> str:
    views = online_views(store)
    online = _online_as_of(store, views)
    if online and online > as_of:
        mlflow.set_tag("outcome", f"left {online} online")
        return f"[OK] {online} is online already and newer than {as_of}: left as it is."
    moment = warehouse.event_time(as_of)
    rows = sum(warehouse.count_snapshot(view.snapshots, as_of) for view in views)
    with console.timed("write all views"), progress.bar("write", rows) as advance:
        values = _replace(store, views, as_of, advance)
    for view in views:
        store.registry.apply_materialization(store.get_feature_view(view.name), store.project, moment, moment)
    mlflow.log_metrics({"rows": rows, "values": values})
    return f"[OK] {as_of} is online: {len(views)} views, {rows} rows, {values} values; nothing else is."


def _online_as_of(store: "FeatureStore", views: Sequence[OnlineView]) -> date | None:
    return online_hashes.online_as_of(store) if redis_url() else warehouse.online_as_of(view.table for view in views)


def _replace(store: "FeatureStore", views: Sequence[OnlineView], as_of: date, advance: progress.Advance) -> int:
    if redis_url():
        return online_hashes.replace_online(store, views, as_of, advance)
    moment = warehouse.event_time(as_of).isoformat()
    return warehouse.replace_online([_table(view, moment) for view in views], as_of, advance)


def _table(view: OnlineView, event_time: str) -> warehouse.OnlineTable:
    to_online = partial(online_rows, event_time=event_time, keys=entity_keys, encoders=view.encoders)
    return warehouse.OnlineTable(view.table, view.snapshots, list(view.encoders), to_online)


if __name__ == "__main__":
    console.run(main)
