"""Run the whole chain for one month. In: a folder of CSV files. Out: a version in Production, its features online.
Without labels, which may come later, the month goes online and nothing is trained.

Knows the order of the steps, by entry-point name, and nothing else about them. They run as child runs in this process:
starting one process per step would take longer than most steps.
"""

import argparse
import importlib
import time
from collections.abc import Sequence

import mlflow

from steps import warehouse
from steps.cli import console, parameters
from steps.runs import descriptions, entry_points, tracking

LEARNING = ("build_dataset", "train", "register")  # these steps need labels
UNLABELLED = (
    "[OK] {as_of} is loaded and online. It has no labels yet, so nothing was trained. When they arrive: "
    "mlflow run . -e labels -P labels_file=FILE -P as_of={as_of}, then mlflow run . -e train -P as_of={as_of} "
    "and mlflow run . -e register -P as_of={as_of}"
)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    options = {name: str(getattr(args, name)).lower() for name in ("mix", "confirm_date", "new_categories")}
    month = {"as_of": str(args.as_of)}
    order = {
        "ingest": {**month, "month_dir": str(args.month_dir), **options},
        "materialize": month,
        **dict.fromkeys(LEARNING, month),
    }
    with tracking.step_run("main", f"chain_{args.as_of}", vars(args)):
        mlflow.set_tag("as_of", args.as_of)
        for number, (step, values) in enumerate(order.items(), start=1):
            if step == LEARNING[0] and not warehouse.any_label(args.as_of):
                descriptions.conclude(UNLABELLED.format(as_of=args.as_of))
                break
            started = time.perf_counter()
            console.say(f"[{number}/{len(order)}] {step}")
            importlib.import_module(f"steps.{step}").main(entry_points.arguments(step, values))
            console.say(f"[{number}/{len(order)}] {step} took {time.perf_counter() - started:.1f} s")
        else:
            descriptions.describe(
                f"[OK] {args.as_of}: {', '.join(order)}; the description of each step's run has its result."
            )
        # last: a month whose chain did not finish has to run again
        mlflow.set_tag("files_sha256", warehouse.files_sha256(args.as_of))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main", description=__doc__)
    parser.add_argument("--month-dir", type=parameters.existing_folder, required=True, help="folder with the six files")
    parser.add_argument("--as-of", type=parameters.as_of, required=True, help="the month's day, YYYY-MM-DD")
    parser.add_argument(
        "--mix", type=parameters.yes_or_no, required=True, help="true: allow made-up months beside real ones"
    )
    parser.add_argument("--confirm-date", type=parameters.yes_or_no, required=True, help="see ingest")
    parser.add_argument("--new-categories", type=parameters.yes_or_no, required=True, help="see ingest")
    return parser.parse_args(argv)


if __name__ == "__main__":
    console.run(main)
