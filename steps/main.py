"""The whole chain for one month. In: a folder of CSV files. Out: a version in Production, its features online.

Knows the order of the steps, by entry-point name, and nothing else of them. They run as child runs in this one
process: a process each costs more in imports than most steps take to work.
"""

import argparse
import importlib
import time
from collections.abc import Sequence

import mlflow

from steps import console, entry_points, parameters, run_words, tracking
from steps.month_digest import files_sha256


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    month = {"as_of": str(args.as_of)}
    order = {
        "ingest": {
            **month,
            "month_dir": str(args.month_dir),
            "mix": str(args.mix).lower(),
            "confirm_date": str(args.confirm_date).lower(),
            "new_categories": str(args.new_categories).lower(),
        },
        "materialize": month,
        "build_dataset": month,
        "train": month,
        "register": month,
    }
    params = {"month_dir": args.month_dir, "as_of": args.as_of, "mix": str(args.mix).lower()}
    with tracking.step_run("main", f"chain_{args.as_of}", params):
        mlflow.set_tag("as_of", args.as_of)
        for number, (step, given) in enumerate(order.items(), start=1):
            started = time.perf_counter()
            console.say(f"[{number}/{len(order)}] {step}")
            importlib.import_module(f"steps.{step}").main(entry_points.arguments(step, given))
            console.say(f"[{number}/{len(order)}] {step} took {time.perf_counter() - started:.1f} s")
        # last: only a month that went all the way is one that need not be run again
        mlflow.set_tag("files_sha256", files_sha256(args.month_dir))
        run_words.describe(f"[OK] {args.as_of}: {', '.join(order)}; what each did is in its own run's description.")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main", description=__doc__)
    parser.add_argument("--month-dir", type=parameters.existing_folder, required=True, help="folder with the six files")
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument("--mix", type=parameters.yes_or_no, required=True, help="true: made-up months beside real ones")
    parser.add_argument("--confirm-date", type=parameters.yes_or_no, required=True, help="see ingest")
    parser.add_argument("--new-categories", type=parameters.yes_or_no, required=True, help="see ingest")
    return parser.parse_args(argv)


if __name__ == "__main__":
    console.run(main)
