"""PostgreSQL's own programs, on a server that may have to be started for them."""

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
    """PostgreSQL for the time of the block; one that runs already goes on."""
    starts_here = settings.embedded and not postgres.is_running(settings)
    if starts_here:
        postgres.start(settings)
    try:
        yield
    finally:
        if starts_here:
            postgres.stop(settings)


def client(settings: Settings, program: str, *arguments: str) -> None:
    """Raises StackError with what the program said."""
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
        folder = disk.full_folder(settings, *(Path(one.split("=", 1)[1]).parent for one in arguments if "=/" in one))
        if disk.NO_SPACE in done.stdout and folder:
            raise disk.full(folder)
        raise StackError(f"{program} failed: {' '.join(done.stdout.split())}")
