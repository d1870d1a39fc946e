"""Run every month of a folder that is not done yet, the oldest first. In: a folder with month_000, month_001, …, or
folders called YYYY-MM-DD. Out: as for main, month by month.

For a scheduler: safe to start at any time, also after a kill. It stops at the first month that waits for a person, that
a rule stops, or that fails, with the exit code of main. While another process runs months, it says so and ends with 0.
See docs/the-month.md.
"""

import argparse
from collections.abc import Sequence
from datetime import date

from steps import warehouse
from steps.chain import attempts, month_folder, months_folder, whole_month
from steps.chain.options import Options, add_arguments
from steps.chain.recovery import explained
from steps.cli import console, parameters
from steps.cli.errors import StoppedByRule
from steps.runs import descriptions, outcomes, tracking

FAULT = 1  # 2 would mean that a version waits


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    with (
        explained(args.months_dir),
        tracking.step_run("catch_up", "catch_up", vars(args)),
        warehouse.month_lock() as is_free,
    ):
        if not is_free:
            descriptions.conclude(f"[OK] Nothing was done. {attempts.UNDER_WAY}")
            return 0
        try:
            code = catch_up(args)
        except StoppedByRule as stop:
            outcomes.record(stop.exit_code)
            raise
        if code:
            outcomes.record(code)
        return code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="catch_up", description=__doc__)
    parser.add_argument(
        "--months-dir", type=parameters.existing_folder, required=True, help="folder with the months' folders"
    )
    add_arguments(parser)
    parameters.add_unusual(parser)
    return parser.parse_args(argv)


def catch_up(args: argparse.Namespace) -> int:
    """Returns the exit code. Raises the errors of the months."""
    values = {name: value for name, value in vars(args).items() if name != "months_dir"}
    done: list[date] = []
    for as_of, folder in months_folder.list_months(args.months_dir):
        options = Options(month_dir=folder, as_of=as_of, **values)
        code = _unless_done(options, done)
        if code:
            descriptions.conclude(f"[WAITS] {as_of} waits for a person; later months wait for it. {_listed(done)}")
            return code
    descriptions.conclude(f"[OK] Every month in {args.months_dir} is done. {_listed(done)}")
    return 0


def _unless_done(options: Options, done: list[date]) -> int:
    """Runs the month if it is not done, and adds it to `done`. Returns its exit code."""
    folder = month_folder.read(options.month_dir, options.as_of, warehouse.loaded_months())
    before = attempts.newest(folder)
    if before and attempts.has_finished(before, folder, None):
        return attempts.exit_code(before)
    newest = max(warehouse.loaded_months(), default=options.as_of)
    late = f", which comes after {newest}" if options.as_of < newest else ""
    console.say(f"{options.as_of} in {options.month_dir}{late}")
    with whole_month.recorded(options):
        code = whole_month.run(options)
    done.append(options.as_of)
    return code


def _listed(done: Sequence[date]) -> str:
    return f"Run now: {', '.join(map(str, done))}." if done else "Nothing was to be done."


if __name__ == "__main__":
    console.run(main, bad_parameter=FAULT)
