"""What ends a month in the middle, in one line that says how to go on: PostgreSQL is down, or the folder is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steps import warehouse
from steps.cli.disk import disk_full, lost_server
from steps.cli.errors import DatabaseUnavailable, FaultyMonth, StoppedByRule
from steps.cli.settings import Settings

AGAIN = "run the same command again: what is done is skipped"


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Around the whole run: MLflow, too, fails when PostgreSQL is down, at the end of the run at the latest.

    Raises DatabaseUnavailable, FaultyMonth or DiskFull for an error that they explain, and otherwise the error itself.
    """
    try:
        yield
    except StoppedByRule:
        raise
    except Exception as error:
        if full := disk_full(error):
            raise full from error
        if reason := _not_answering(error):
            raise DatabaseUnavailable(reason) from error
        if not folder.is_dir():
            raise FaultyMonth(f"{folder} is gone. Put it back and {AGAIN}", [str(folder)]) from error
        raise


def _not_answering(error: Exception) -> str | None:
    """None where PostgreSQL was there all the time."""
    address = Settings.from_env().database
    try:
        warehouse.ping()
    except DatabaseUnavailable:
        return f"PostgreSQL at {address} does not answer: start it and {AGAIN}"
    return f"PostgreSQL at {address} was away for a moment: {AGAIN}" if lost_server(error) else None
