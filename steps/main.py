"""Run the whole month. In: a folder of CSV files. Out: its users scored and monitored, the month online, a decision
about a new training, and after a training a version in Production or one that waits for a person.

Safe to repeat, also after a kill: what is done is skipped. Exit codes: 0 done or nothing to do, 2 a version waits for a
person, 3 a rule across months stopped the month before it was loaded, 1 a fault. The first month trains and promotes;
without labels, which may come later, nothing is trained. See docs/the-month.md.
"""

import argparse
from collections.abc import Sequence

from steps.chain import whole_month
from steps.chain.attempts import alone
from steps.chain.options import Options, add_arguments
from steps.chain.recovery import explained
from steps.cli import console, parameters

FAULT = 1  # 2 would mean that a version waits


def main(argv: Sequence[str] | None = None) -> int:
    options = Options(**vars(parse_args(argv)))
    with explained(options.month_dir), whole_month.recorded(options), alone():
        return whole_month.run(options)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main", description=__doc__)
    parameters.add_month_folder(parser)
    add_arguments(parser)
    return parser.parse_args(argv)


if __name__ == "__main__":
    console.run(main, bad_parameter=FAULT)
