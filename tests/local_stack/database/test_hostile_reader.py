"""A session of the gateway's role that lifts all its limits cannot hold up `materialize`."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from local_stack.database import postgres
from local_stack.settings import Settings
from steps import materialize
from steps.cli.errors import DatabaseUnavailable
from steps.warehouse import online
from tests.conftest import JANUARY
from tests.local_stack.database.test_roles import WITHOUT_LIMITS

TABLE = "feast_online.streamflow_subs_profile_fv"
NEXT = f"{TABLE}__next"


@pytest.fixture
def january_online(january_loaded: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    materialize.main(["--as-of", str(JANUARY)])
    postgres.apply_roles(january_loaded)
    monkeypatch.setattr(online, "READER_PATIENCE_S", 1.0)
    monkeypatch.setattr(online, "SWAP_PATIENCE_S", 10.0)
    return january_loaded


def hostile_session(settings: Settings) -> "psycopg.Connection[tuple[object, ...]]":
    login = settings.login("reader")
    return psycopg.connect(user=login["PGUSER"], password=login["PGPASSWORD"], options=WITHOUT_LIMITS)


def test_an_open_transaction_is_ended(january_online: Settings) -> None:
    session = hostile_session(january_online)
    session.execute(f"SELECT * FROM {TABLE}")  # noqa: S608 - a constant

    materialize.main(["--as-of", str(JANUARY)])

    with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
        session.execute("SELECT 1")


def test_a_lock_on_what_a_killed_run_left_is_ended(january_online: Settings) -> None:
    with psycopg.connect("") as owner:
        owner.execute(f"CREATE TABLE {NEXT} (LIKE {TABLE})")
    session = hostile_session(january_online)
    session.execute(f"LOCK TABLE {NEXT} IN ACCESS SHARE MODE")

    materialize.main(["--as-of", str(JANUARY)])

    assert session.closed or not _is_open(session)


def test_sessions_that_take_turns_do_not_starve_it(january_online: Settings, sessions: threading.Event) -> None:
    started = time.monotonic()
    materialize.main(["--as-of", str(JANUARY)])
    assert time.monotonic() - started < 20
    assert not sessions.is_set()


@pytest.fixture
def sessions(january_online: Settings) -> Iterator[threading.Event]:
    """Eight clients that hold overlapping locks for a second each, and come back when they are ended."""
    stopped = threading.Event()

    def hold() -> None:
        while not stopped.is_set():
            with suppress(psycopg.Error), hostile_session(january_online) as session:
                while not stopped.is_set():
                    session.execute(f"LOCK TABLE {TABLE} IN ACCESS SHARE MODE")
                    stopped.wait(1)
                    session.rollback()

    clients = [threading.Thread(target=hold) for _ in range(8)]
    for client in clients:
        client.start()
        time.sleep(0.12)
    yield stopped
    stopped.set()
    for client in clients:
        client.join()


def test_a_backup_is_not_ended(january_online: Settings) -> None:
    with psycopg.connect("") as owner:
        owner.execute(f"LOCK TABLE {TABLE} IN ACCESS SHARE MODE")
        with pytest.raises(DatabaseUnavailable):
            materialize.main(["--as-of", str(JANUARY)])
        assert _is_open(owner)


def _is_open(session: "psycopg.Connection[tuple[object, ...]]") -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
