"""Databases made beside those in use, and exchanged for them in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from psycopg2 import sql

from local_stack.database import postgres
from local_stack.settings import Settings


def fresh(name: str) -> str:
    return f"{name}_restored"


def replaced(name: str) -> str:
    return f"{name}_replaced"


def make_anew(settings: Settings, name: str) -> None:
    """An empty database of that name, whatever was there."""
    drop(settings, name)
    postgres.administer(settings, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def drop(settings: Settings, *names: str) -> None:
    for name in names:
        postgres.administer(settings, sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def exchanged(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """`fresh(name)` gets each name, and what had it is `replaced(name)`, once the block has ended well.

    Raises psycopg2.Error, and changes nothing, where somebody is connected to one of them.
    """
    drop(settings, *map(replaced, names))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with closing(postgres.connect(settings, "postgres")) as connection, connection, connection.cursor() as cursor:
        for name in names:
            for old, new in ((name, replaced(name)), (fresh(name), name)):
                cursor.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))
        yield
