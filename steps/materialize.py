"""Put one month online. In: its snapshots. Out: Feast's online store holds that month's values and no others.

Readers see one month in all views, the old or the new one, also during the run and after a kill. A month older than the
one online changes nothing. Safe to repeat.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import mlflow

from feature_store.online_views import online_views
from steps import warehouse
from steps.cli import console, parameters
from steps.features import engines, historical, online_month
from steps.runs import descriptions, tracking

if TYPE_CHECKING:
    from feast import FeatureStore


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("materialize", f"materialize_{args.as_of}", vars(args)):
        warehouse.require_month(args.as_of)
        warehouse.apply_schema()
        warehouse.make_log_days()
        with historical.applied_store(engines.open_online) as store:
            text = materialize(store, args.as_of)
        descriptions.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="materialize", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    return parser.parse_args(argv)


def materialize(store: "FeatureStore", as_of: date) -> str:
    """Puts the month online unless a newer one is. Returns the closing line."""
    online = online_month.online_as_of(store)
    if online and online > as_of:
        mlflow.set_tag("outcome", f"left {online} online")
        return (
            f"[OK] {online} is online already and newer than {as_of}: nothing changed. "
            f"To remove it: mlflow run . -e remove_month -P as_of={online}"
        )
    rows, values = online_month.put_online(store, as_of)
    mlflow.log_metrics({"rows": rows, "values": values})
    return f"[OK] {as_of} is online: {len(online_views(store))} views, {rows} rows, {values} values; no other month is."


if __name__ == "__main__":
    console.run(main)
