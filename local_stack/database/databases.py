"""Creates databases beside those in use and swaps them in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from psycopg2 import sql

from local_stack.database import postgres
from local_stack.settings import Settings


def restored_name(name: str) -> str:
    return f"{name}_restored"


def replaced_name(name: str) -> str:
    return f"{name}_replaced"


def recreate(settings: Settings, name: str) -> None:
    """Create an empty database; drop the one that has the name."""
    drop(settings, name)
    owned = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(settings["PGUSER"]))
    postgres.administer(settings, owned)
    if not settings.embedded:
        return
    closed = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    postgres.administer(settings, closed)


def drop(settings: Settings, *names: str) -> None:
    for name in names:
        postgres.administer(settings, sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def swapped(settings: Settings, names: Sequence[str]) -> Iterator[None]:
    """Rename each database to `replaced_name(name)` and `restored_name(name)` to its name, if the block succeeds.

    Raises psycopg2.Error and changes nothing if one of them has open connections.
    """
    drop(settings, *map(replaced_name, names))
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with (
        closing(postgres.connect_as_superuser(settings, "postgres")) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for name in names:
            for old, new in ((name, replaced_name(name)), (restored_name(name), name)):
                cursor.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))
        yield
