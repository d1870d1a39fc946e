"""The append-only table of cutovers: the watcher writes it, history and rollback read it."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from steps.warehouse.connection import statement, transaction


@dataclass(frozen=True)
class Cutover:
    """A change of the serving version at a time. version is None when no version serves from then on."""

    at: datetime
    version: str | None
    run_id: str | None
    dataset_sha256: str | None
    from_version: str | None
    reason: str


def record_cutover(model: str, cutover: Cutover) -> None:
    """Appends a row; the database refuses updates and deletions. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(statement("record_cutover"), {"model": model, **vars(cutover)})


def cutovers(model: str) -> list[Cutover]:
    """The model's cutovers, oldest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("cutovers"), {"model": model})
            return [Cutover(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # no version ever served from this database
