"""python -m bench speed|reasons|chaos|any-request|swap; the Makefile sets the options."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import any_request, chaos, reasons, speed, swap


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True, help="folder with month_000")
        command.add_argument("--state", required=True, help="the stack's state folder, relative to the project's")
    for name in ("speed", "reasons"):
        commands.choices[name].add_argument("--seconds", type=float, required=True, help="per measurement")
        commands.choices[name].add_argument("--rounds", type=int, required=True)
    chaos_options = commands.choices["chaos"]
    chaos_options.add_argument("--minutes", type=float, required=True, help="duration of the steady load")
    chaos_options.add_argument(
        "--scale", type=float, required=True, help="factor for all other durations; 1: full size"
    )
    commands.choices["any-request"].add_argument("--cases", type=int, required=True)
    commands.choices["swap"].add_argument(
        "--swaps", type=int, required=True, help="number of promotions, each followed by a rollback"
    )
    options = vars(parser.parse_args())
    COMMANDS[options.pop("command")](**options)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "speed": speed.main,
    "reasons": reasons.main,
    "chaos": chaos.main,
    "any-request": any_request.main,
    "swap": swap.main,
}

if __name__ == "__main__":
    main()
