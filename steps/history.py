"""Print which version served when. In: the append-only table serving_history. Out: a table, oldest first."""

import argparse
import shutil
from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest

from steps import warehouse
from steps.cli import console, parameters
from steps.cli.settings import MODEL_NAME
from steps.runs import descriptions, tracking
from steps.warehouse import Cutover

HEADER = ("version", "run", "dataset sha256", "from", "to", "reason")
SHORT_SHA256 = 12
WIDE_ENOUGH_FOR_A_FILE = 250
MOST_ROWS = 1_000_000


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("history", "history", vars(args)):
        history = warehouse.cutovers(MODEL_NAME)
        width = shutil.get_terminal_size((WIDE_ENOUGH_FOR_A_FILE, 0)).columns
        for line in table(history, args.last, width):
            console.say(line)
        descriptions.conclude(f"[OK] {MODEL_NAME}: {min(args.last, len(history))} of {len(history)} cutovers shown.")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="history", description=__doc__)
    parser.add_argument(
        "--last", type=parameters.whole_number(1, MOST_ROWS), required=True, help="the number of rows, the newest ones"
    )
    return parser.parse_args(argv)


def table(history: Sequence[Cutover], last: int, width: int) -> list[str]:
    """Aligned lines. The sha256 is in full where `width` columns are enough, else its first 12 digits."""
    ends = [following.at for following in history[1:]]
    rows = list(zip_longest(history, ends))[-last:]  # the last row has no end yet
    full = _aligned([_cells(cutover, end, None) for cutover, end in rows])
    if max(map(len, full)) <= width:
        return full
    return _aligned([_cells(cutover, end, SHORT_SHA256) for cutover, end in rows])


def _cells(cutover: Cutover, end: datetime | None, shown: int | None) -> tuple[str, ...]:
    return (
        cutover.version or "none",
        cutover.run_id or "-",
        (cutover.dataset_sha256 or "-")[:shown],
        _moment(cutover.at),
        _moment(end) if end else "now",
        cutover.reason,
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"  # the warehouse's times are UTC


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [HEADER, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


if __name__ == "__main__":
    console.run(main)
