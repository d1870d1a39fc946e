"""What the watcher shows as metrics: the months, the newest success of each step, and the monitor's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg

from steps.warehouse.connection import statement, transaction

READ_LIMIT_MS = 5_000


@dataclass(frozen=True)
class ObservedFigure:
    """A row of the table `monitoring`."""

    as_of: date
    month: date
    metric: str
    slice: str
    reference: str
    n: int
    estimate: float | None
    low: float | None
    high: float | None
    threshold: float | None
    verdict: str
    made_at: datetime


@dataclass(frozen=True)
class Observation:
    version: str | None
    """Of the figures"""
    months: int
    newest_month: datetime | None
    newest_load: datetime | None
    unlabelled_since: datetime | None
    """The first load of a month that has no label; None where all have labels"""
    step_successes: Mapping[str, datetime]
    figures: Sequence[ObservedFigure]


def observe(version: str | None) -> Observation:
    """version: of the model, whose figures are read. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(f"SET LOCAL statement_timeout = {READ_LIMIT_MS}")
        cur.execute(statement("observed_months"))
        count, newest, newest_load, unlabelled_since = cur.fetchall()[0]
        cur.execute(statement("newest_step_successes"))
        successes = dict(cur.fetchall())
        cur.execute(statement("observed_figures"), {"version": version})
        figures = [ObservedFigure(*row) for row in cur.fetchall()]
    return Observation(version, count, newest, newest_load, unlabelled_since, successes, figures)


def record_step_success(step: str, run_id: str) -> None:
    """Appends a row; the database refuses updates and deletions. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("record_step_success"), {"step": step, "run_id": run_id})
    except psycopg.errors.UndefinedTable:
        return  # a step that needs no table, in a database without any
