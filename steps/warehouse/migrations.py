"""The warehouse's schema version is the number of the last migration in sql/migrations that was applied to it.

Each is applied once, in the order of the numbers, in a transaction, and recorded with its time and its file's sha256.
Applied files never change: a change is a new file.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import psycopg

from steps.cli import console
from steps.cli.errors import SchemaMismatch
from steps.cli.settings import Settings
from steps.warehouse.connection import SCHEMA_LOCK, SQL_FOLDER, Cursor, statement, transaction

MIGRATIONS_FOLDER = SQL_FOLDER / "migrations"
FILE_NAME = re.compile(r"([0-9]{4})_(\w+)")


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Applied:
    """The warehouse's record of a migration."""

    name: str
    sha256: str
    applied_at: datetime


@cache
def migrations_in(folder: Path) -> tuple[Migration, ...]:
    """The migrations by number. Raises ValueError unless the numbers are 1, 2, 3 … without a gap."""
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        shape = FILE_NAME.fullmatch(path.stem)
        if not shape or int(shape[1]) != len(migrations) + 1:
            raise ValueError(f"{path} must be named {len(migrations) + 1:04d}_NAME.sql: the next migration's number")
        # as text: a checkout with Windows line ends is the same migration
        migrations.append(Migration(int(shape[1]), shape[2], path.read_text(encoding="utf-8")))
    return tuple(migrations)


def apply_schema(folder: Path = MIGRATIONS_FOLDER) -> None:
    """Applies the missing migrations and prints a line about them. Takes no lock where none is missing.

    Raises SchemaMismatch when the warehouse is newer than this code, was migrated by other files, or refuses a
    migration, which then changes nothing.
    """
    migrations = migrations_in(folder)
    with transaction() as cur:
        applied = _applied(cur)
    _require_known(applied, migrations)
    done = []
    for migration in migrations[len(applied) :]:
        try:
            done += [migration.name] if _apply(migration, migrations) else []
        except (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError) as error:
            raise SchemaMismatch(f"{_place()} refuses migration {migration}. {error}") from error
    if done:
        console.say(f"[OK] Warehouse: schema version {len(migrations)} (applied: {', '.join(done)}).")


def _apply(migration: Migration, migrations: Sequence[Migration]) -> bool:
    """False when another process has applied it in the meantime."""
    with transaction() as cur:
        # two processes would race for the same catalogue rows
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        applied = _applied(cur)
        _require_known(applied, migrations)
        if migration.number in applied:
            return False
        cur.execute(migration.text)
        cur.execute(statement("schema_migrations_table"))
        recorded = {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
        cur.execute(statement("record_migration"), recorded)
        return True


def _applied(cur: Cursor) -> dict[int, Applied]:
    cur.execute(statement("has_migrations"))
    [has_table] = cur.fetchall()[0]
    if not has_table:  # an empty database, or one older than schema versions
        return {}
    cur.execute(statement("migrations"))
    return {number: Applied(name, sha256, at) for number, name, sha256, at in cur.fetchall()}


def _place() -> str:
    return f"The warehouse at {Settings.from_env().database}"


def _require_known(applied: Mapping[int, Applied], migrations: Sequence[Migration]) -> None:
    for number, record in applied.items():
        applied_migration = (
            f"migration {number:04d}_{record.name}, applied at {record.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        )
        if number > len(migrations):
            raise SchemaMismatch(
                f"{_place()} has schema version {max(applied)} ({applied_migration}); this code knows versions up to "
                f"{len(migrations)}. Use the code that migrated it, or a newer one"
            )
        current = migrations[number - 1]
        if (current.name, current.sha256) != (record.name, record.sha256):
            raise SchemaMismatch(
                f"{_place()} was changed by {applied_migration}, with sha256 {record.sha256[:12]}; its file is now "
                f"{current}.sql with sha256 {current.sha256[:12]}. Restore the file, and put the "
                "change into a new migration"
            )
