"""One at a time, across processes and machines: PostgreSQL keeps the locks and drops them with their holder."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg2.extensions import cursor

from steps.warehouse.connection import PROMOTION_LOCK, connect, transaction, translated

# of a session: kept beyond its transaction, dropped soon after its host went down without a word
OF_A_SESSION = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


@contextmanager
def promotion_lock() -> Iterator[None]:
    """Held while it is decided who is in Production. Raises DatabaseUnavailable when another holds it for a minute."""
    with transaction(busy="another promotion") as cur:
        cur.execute("SELECT pg_advisory_xact_lock(%s)", (PROMOTION_LOCK,))
        yield


@contextmanager
def run_held(run_id: str) -> Iterator[str]:
    """Held for as long as the run's process lives. Gives the name of the server and database that keep the lock.

    Raises DatabaseUnavailable, also when another process holds the same run for a minute.
    """
    with translated(f"run {run_id}, in another process,"):
        session = connect()
        session.autocommit = True  # a transaction as long as a step would keep PostgreSQL from tidying up
        with session.cursor() as cur:
            cur.execute(OF_A_SESSION)
            cur.execute("SELECT pg_advisory_lock(%s)", (_key(run_id),))
            place = _place(cur)
    with closing(session):
        yield place


@contextmanager
def run_if_free(run_id: str) -> Iterator[str | None]:
    """The same where nobody holds the run; None where somebody does. Nobody can take it until the block is left."""
    with transaction() as cur:
        cur.execute("SELECT pg_try_advisory_xact_lock(%s)", (_key(run_id),))
        [is_free] = cur.fetchall()[0]
        yield _place(cur) if is_free else None


def _place(cur: cursor) -> str:
    """A restored copy of a database is another place than the database it was copied from."""
    cur.execute("SELECT system_identifier || '/' || current_database() FROM pg_control_system()")
    [place] = cur.fetchall()[0]
    return str(place)


def _key(run_id: str) -> int:
    """MLflow's run ids are random: their first 64 bits are as good as the whole."""
    return int.from_bytes(bytes.fromhex(run_id[:16]), "big", signed=True)
