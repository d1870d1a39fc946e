"""Print which version served when, and what was decided. In: the append-only tables serving_history and decisions. Out:
a table of each, oldest first."""

import argparse
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

from steps import warehouse
from steps.cli import console, parameters
from steps.cli.settings import MODEL_NAME
from steps.registry import approvals, decisions
from steps.runs import descriptions, tracking
from steps.warehouse import Cutover, Figure, RecordedDecision

HEADER = ("version", "run", "dataset sha256", "from", "to", "reason")
DECISIONS_HEADER = ("at", "month", "version", "decision", "by")
SHORT_SHA256, SHORTEST = 12, 8
WIDE_ENOUGH_FOR_A_FILE = 250
MOST_ROWS = 1_000_000
INDENT = "    "
# A stage follows from a gate's verdict, whose row has the figures
WITH_FIGURES = ("accept", "stop", "retrain", "gate")
# of the comparison and the rules: the reason names those that decided
SHOWN_OF_THE_GATE = ("auc_candidate", "auc_production", "auc_gain", "auc_gain_low", "auc_gain_high", "users_compared")


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("history", "history", vars(args)):
        history, decided = warehouse.cutovers(MODEL_NAME), warehouse.decisions(MODEL_NAME)
        width = shutil.get_terminal_size((WIDE_ENOUGH_FOR_A_FILE, 0)).columns
        for line in [*table(history, args.last, width), "", *decisions_table(decided, args.last, width), ""]:
            console.say(line)
        descriptions.conclude(closing(history, decided, args.last))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="history", description=__doc__)
    parser.add_argument(
        "--last", type=parameters.whole_number(1, MOST_ROWS), required=True, help="the newest rows of each table"
    )
    return parser.parse_args(argv)


def closing(history: Sequence[Cutover], decided: Sequence[RecordedDecision], last: int) -> str:
    cutovers, shown = (f"{min(last, len(rows))} of {len(rows)}" for rows in (history, decided))
    waiting = approvals.waiting([decision for decision in decided if decision.kind in decisions.ABOUT_STAGES])
    waits = "".join(f" Version {number} waits: {approvals.how_to_approve(number)}." for number in waiting)
    return f"[OK] {MODEL_NAME}: {cutovers} cutovers and {shown} decisions shown.{waits}"


def table(history: Sequence[Cutover], last: int, width: int) -> list[str]:
    """Who served. The run and the sha256 are in full where `width` columns are enough, else their first digits; where
    these are not enough, the reason has a line of its own."""
    ends = [following.at for following in history[1:]]
    rows = list(zip_longest(history, ends))[-last:]  # the last row has no end yet
    for run_digits, sha256_digits in ((None, None), (None, SHORT_SHA256)):
        lines = _aligned(HEADER, [_cells(cutover, end, run_digits, sha256_digits) for cutover, end in rows])
        if max(map(len, lines)) <= width:
            return lines
    short = [_cells(cutover, end, SHORTEST, SHORTEST)[:-1] for cutover, end in rows]
    head, *lines = _aligned(HEADER[:-1], short)
    return [head, *_with_texts(lines, [[cutover.reason] for cutover, _ in rows], width)]


def decisions_table(decided: Sequence[RecordedDecision], last: int, width: int) -> list[str]:
    """What was decided: a line each, and below it the reason and the figures."""
    rows = decided[-last:]
    head, *lines = _aligned(DECISIONS_HEADER, [_decision_cells(row) for row in rows])
    return [head, *_with_texts(lines, [[row.reason, _figures(row)] for row in rows], width)]


def _decision_cells(row: RecordedDecision) -> tuple[str, ...]:
    month = str(row.as_of) if row.as_of else "-"
    return (_moment(row.at), month, row.version or "-", f"{row.kind}: {row.outcome}", row.decided_by)


def _figures(row: RecordedDecision) -> str:
    """Empty for a decision that another one's figures led to."""
    if row.kind not in WITH_FIGURES:
        return ""
    names = SHOWN_OF_THE_GATE if row.kind == "gate" else tuple(row.figures)
    return ", ".join(f"{name} {_figure(row.figures[name])}" for name in names if row.figures.get(name) is not None)


def _figure(figure: Figure) -> str:
    return f"{figure:.4g}" if isinstance(figure, float) else str(figure)


def _with_texts(lines: Sequence[str], texts: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Each line, and below it its texts, broken between words."""
    for line, below in zip(lines, texts, strict=True):
        yield line
        for text in below:
            yield from textwrap.wrap(text, max(width, 40), initial_indent=INDENT, subsequent_indent=INDENT)


def _cells(
    cutover: Cutover, end: datetime | None, run_digits: int | None, sha256_digits: int | None
) -> tuple[str, ...]:
    return (
        cutover.version or "none",
        (cutover.run_id or "-")[:run_digits],
        (cutover.dataset_sha256 or "-")[:sha256_digits],
        _moment(cutover.at),
        _moment(end) if end else "now",
        cutover.reason,
    )


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"  # the warehouse's times are UTC


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


if __name__ == "__main__":
    console.run(main)
