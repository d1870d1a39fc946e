"""Remove a month. In: its day. Out: a list of everything that depends on it. With apply=true the month is deleted from
the warehouse, the lake and the online store, where the newest remaining month takes its place. MLflow's runs stay.

Safe to repeat, also after a kill: the next run removes the rest.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import mlflow

from steps import warehouse
from steps.cleanup import month_traces
from steps.cli import console, parameters
from steps.features import engines, historical, lake, online_month
from steps.runs import descriptions, tracking

if TYPE_CHECKING:
    from feast import FeatureStore


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("remove_month", f"remove_month_{args.as_of}", vars(args)):
        warehouse.apply_schema()
        with historical.applied_store(engines.open_online) as store:
            traces = month_traces.traces(store, args.as_of)
            if not traces.stored:
                warehouse.require_month(args.as_of)
            mlflow.log_dict({**asdict(traces), "as_of": str(args.as_of)}, "depends.json")
            for line in traces.lines():
                console.say(line)
            text = remove(store, args.as_of) if args.apply else how_to_apply(args.as_of)
        descriptions.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="remove_month", description=__doc__)
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--apply", type=parameters.yes_or_no, required=True, help="true: remove; false: only list")
    return parser.parse_args(argv)


def how_to_apply(as_of: date) -> str:
    command = f"mlflow run . -e remove_month -P as_of={as_of} -P apply=true"
    return f"[OK] Nothing was changed. To remove the month (runs and versions in MLflow stay): {command}"


def remove(store: "FeatureStore", as_of: date) -> str:
    """Removes the month and returns the closing line. The online store is first: where it fails, nothing has changed.

    Raises OnlineStoreUnavailable, DatabaseUnavailable.
    """
    remaining = [month for month in warehouse.loaded_months() if month != as_of]
    online = online_month.online_as_of(store)
    if online == as_of:
        online = remaining[-1] if remaining else None
        if online:
            online_month.put_online(store, online, instead_of=as_of)
        else:
            online_month.take_offline(store, as_of)
    warehouse.remove_month(as_of)
    lake.remove_month(as_of)
    loaded = f"Loaded are: {', '.join(map(str, remaining))}" if remaining else "No month is loaded"
    return f"[OK] Removed {as_of}. {loaded}; {f'{online} is online' if online else 'nothing is online'}."


if __name__ == "__main__":
    console.run(main)
