"""python -m bench speed|chaos|swap: the options' values are the Makefile's."""

import argparse
from pathlib import Path

from bench import speed


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("speed",):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, required=True, help="folder with month_000")
        command.add_argument("--state", required=True, help="the stack's folder, below this one")
    commands.choices["speed"].add_argument("--seconds", type=float, required=True, help="for each cell")
    commands.choices["speed"].add_argument("--rounds", type=int, required=True)
    options = vars(parser.parse_args())
    {"speed": speed.main}[options.pop("command")](**options)


if __name__ == "__main__":
    main()
