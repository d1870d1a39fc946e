"""The append-only tables about serving: cutovers, which the watcher writes, and seals, which the steps write."""

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


def has_served(model: str, version: str, run_id: str | None, after: datetime) -> bool:
    """Whether the version of this run began to serve after that time. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("has_served"), {"model": model, "version": version, "run_id": run_id, "after": after})
            return bool(cur.fetchall()[0][0])
    except psycopg.errors.UndefinedTable:
        return False  # no version ever served from this database


@dataclass(frozen=True)
class SealedObject:
    """What a seal is about: a version, or with version None a logged model."""

    model: str
    version: str | None
    version_created_ms: int | None  # numbers are reused once a registered model is deleted
    model_id: str | None


def record_seal(sealed: SealedObject, envelope: str) -> None:
    """Appends a row; the database refuses updates and deletions. Raises DatabaseUnavailable."""
    with transaction() as cur:
        cur.execute(statement("record_seal"), {**vars(sealed), "envelope": envelope})


def newest_seal(sealed: SealedObject) -> str | None:
    """The envelope of the version's newest seal; without one, of its model's. Raises DatabaseUnavailable."""
    try:
        with transaction() as cur:
            cur.execute(statement("newest_seal"), vars(sealed))
            rows = cur.fetchall()
            return str(rows[0][0]) if rows else None
    except psycopg.errors.UndefinedTable:
        return None  # nothing was ever sealed in this database
