"""What the warehouse holds, as the stack asks it: its months, where they came from, a user to ask for."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2.errors

from local_stack.database import postgres
from local_stack.settings import ROOT, Settings, StackError
from steps.month.digest import FROM_FILES

SQL_FOLDER = Path(__file__).with_name("sql")


@dataclass(frozen=True)
class LoadedMonth:
    as_of: date
    files_sha256: str
    origin: str  # 'files' or 'sample'


def bring_up_to_date(settings: Settings) -> None:
    """Applies the migrations that the warehouse lacks. Raises StackError when it cannot be used by this code."""
    command = [sys.executable, "-m", "steps.warehouse"]
    done = subprocess.run(command, env=settings.child_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise StackError("The warehouse's schema could not be brought up to date; the message is above")


def months(settings: Settings) -> list[LoadedMonth]:
    """Oldest first; none where no month was ever loaded."""
    try:
        return [LoadedMonth(*row) for row in _ask(settings, "months")]
    except psycopg2.errors.UndefinedTable:
        return []


def user_of(settings: Settings, as_of: date) -> str | None:
    """A user of whom the month says everything, if there is one."""
    rows = _ask(settings, "user_of_month", as_of=as_of)
    return str(rows[0][0]) if rows else None


def described(months: list[LoadedMonth]) -> str:
    """2024-01-31, 2024-02-29 (real); or (made up)."""
    parts = []
    for word, real in (("real", True), ("made up", False)):
        days = ", ".join(str(month.as_of) for month in months if (month.origin == FROM_FILES) == real)
        parts += [f"{days} ({word})"] if days else []
    return "; ".join(parts)


def _ask(settings: Settings, statement: str, **values: object) -> list[tuple[Any, ...]]:
    return postgres.ask(settings, settings["PGDATABASE"], (SQL_FOLDER / f"{statement}.sql").read_text(), values)
