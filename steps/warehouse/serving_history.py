"""Who served when: an append-only table, written by whoever turns the gateway over, read by history and rollback."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from steps.warehouse.connection import statement, transaction


@dataclass(frozen=True)
class Cutover:
    """One change of what serves. version is None when from then on nothing served."""

    at: datetime
    version: str | None
    run_id: str | None
    dataset_sha256: str | None
    from_version: str | None
    reason: str


def record_cutover(model: str, cutover: Cutover) -> None:
    """Appends. The database refuses to change or delete what is there. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(statement("record_cutover"), {"model": model, **vars(cutover)})


def cutovers(model: str) -> list[Cutover]:
    """Oldest first. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("cutovers"), {"model": model})
            return [Cutover(*row) for row in cur.fetchall()]
    except psycopg.errors.UndefinedTable:
        return []  # a database that nothing ever served from
