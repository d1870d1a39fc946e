"""Ends transactions of MLflow's, the watcher's and the reader's roles that are older than any of theirs should be.

Their own time limits are the first fence, but PostgreSQL lets every session lift its own.
"""

import threading
from contextlib import closing

import psycopg2

from local_stack.database import postgres, roles
from local_stack.settings import Settings

EVERY_S = 10.0
LONGEST_S = 120
END = """
SELECT usename, pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = ANY(%(roles)s) AND xact_start < clock_timestamp() - make_interval(secs => %(longest_s)s)
"""


def end_long_transactions(settings: Settings, longest_s: float) -> list[str]:
    """The roles whose sessions were ended, one per session."""
    values = {"roles": [roles.name_of(settings, part) for part in roles.PARTS], "longest_s": longest_s}
    with closing(postgres.connect_as_superuser(settings, "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute(END, values)
        return [str(role) for role, _pid, _ended in cursor.fetchall()]


class LongTransactions:
    """Looks every EVERY_S seconds, in a thread: a server that does not answer must not stop the supervisor."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="long transactions", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_S):
            try:
                for role in end_long_transactions(self._settings, LONGEST_S):
                    print(f"  ended a session of {role}: its transaction was older than {LONGEST_S} s", flush=True)
            except psycopg2.Error:  # PostgreSQL is being restarted
                continue
