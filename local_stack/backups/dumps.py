"""Runs PostgreSQL's client programs; starts the server for them if necessary."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import disk
from local_stack.database import postgres
from local_stack.settings import Settings, StackError

DUMP_TIMEOUT_S = 3600


def databases(settings: Settings) -> list[str]:
    return [settings["PGDATABASE"], settings["MLFLOW_DATABASE"]]


@contextmanager
def server(settings: Settings) -> Iterator[None]:
    """Run PostgreSQL during the block; a server that already runs keeps running."""
    starts_server = settings.embedded and not postgres.is_running(settings)
    if starts_server:
        postgres.start(settings)
    try:
        yield
    finally:
        if starts_server:
            postgres.stop(settings)


def client(settings: Settings, program: str, *arguments: str) -> None:
    """Raises StackError with the program's output."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, no shell
        [str(postgres.program(program)), *arguments],
        env=settings.child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DUMP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        folder = disk.full_folder(
            settings, *(Path(option.split("=", 1)[1]).parent for option in arguments if "=/" in option)
        )
        if disk.NO_SPACE in done.stdout and folder:
            raise disk.full(folder)
        raise StackError(f"{program} failed: {' '.join(done.stdout.split())}")
