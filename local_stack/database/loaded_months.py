"""The warehouse's loaded months, their origin, and a user for the example request."""

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


def migrate(settings: Settings) -> None:
    """Apply the warehouse's missing migrations, and make the prediction log's coming days.

    Raises StackError if this code cannot use the warehouse.
    """
    command = [sys.executable, "-m", "steps.warehouse"]
    done = subprocess.run(command, env=settings.child_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - the project's own
    if done.returncode:
        raise StackError("The warehouse's schema could not be migrated; see the message above")


def list_months(settings: Settings) -> list[LoadedMonth]:
    """Oldest first; empty if no month was ever loaded."""
    try:
        return [LoadedMonth(*row) for row in _query(settings, "months")]
    except psycopg2.errors.UndefinedTable:
        return []


def find_user(settings: Settings, as_of: date) -> str | None:
    """A user with all features in that month, or None."""
    rows = _query(settings, "user_of_month", as_of=as_of)
    return str(rows[0][0]) if rows else None


def describe(months: list[LoadedMonth]) -> str:
    """Such as "2024-01-31, 2024-02-29 (real)" or "2024-01-31 (made up)"."""
    parts = []
    for kind, is_real in (("real", True), ("made up", False)):
        days = ", ".join(str(month.as_of) for month in months if (month.origin == FROM_FILES) == is_real)
        parts += [f"{days} ({kind})"] if days else []
    return "; ".join(parts)


def _query(settings: Settings, statement: str, **values: object) -> list[tuple[Any, ...]]:
    return postgres.query(settings, settings["PGDATABASE"], (SQL_FOLDER / f"{statement}.sql").read_text(), values)
