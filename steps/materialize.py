"""Put one month online. In: its snapshots. Out: Feast's online store holds that month's values and no others.

Never goes back in time: a month older than the one online leaves everything as it is. Safe to repeat, also after
a run that was killed in the middle.
"""

import argparse
import contextlib
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import mlflow

from feature_repo import apply_definitions, entity_keys, online_table, open_store
from steps import console, parameters, tracking, warehouse

if TYPE_CHECKING:
    from feast import FeatureStore

# Feast's window includes both ends; one second keeps any other day's snapshot out of it.
WINDOW = timedelta(seconds=1)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("materialize", f"materialize_{args.as_of}", {"as_of": args.as_of}):
        warehouse.require_month(args.as_of)
        store = open_store()
        apply_definitions(store)
        console.say(materialize(store, args.as_of))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="materialize", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    return parser.parse_args(argv)


def materialize(store: "FeatureStore", as_of: date) -> str:
    tables = {view.name: online_table(store, view.name) for view in store.list_feature_views()}
    online = warehouse.online_as_of(tables.values())
    if online and online > as_of:
        mlflow.set_tag("outcome", f"left {online} online")
        return f"[OK] {online} is online already and newer than {as_of}: left as it is."
    end = warehouse.event_time(as_of)
    for view in sorted(tables):
        # Feast prints three lines a view that say less than our one
        with console.timed(f"write {view}"), contextlib.redirect_stdout(io.StringIO()):
            store.materialize(start_date=end - WINDOW, end_date=end, feature_views=[view])
    with console.timed("delete what is gone"):
        deleted = sum(_delete_gone(store, view, table, as_of) for view, table in tables.items())
    mlflow.log_metric("values_deleted", deleted)
    return f"[OK] {as_of} is online: {len(tables)} views; {deleted} values of older months or gone users deleted."


def _delete_gone(store: "FeatureStore", view: str, online_table: str, as_of: date) -> int:
    snapshot_table = store.get_feature_view(view).batch_source.name
    present = entity_keys(warehouse.users_in(snapshot_table, as_of))
    return warehouse.delete_gone_online(online_table, as_of, present)


if __name__ == "__main__":
    console.run(main)
