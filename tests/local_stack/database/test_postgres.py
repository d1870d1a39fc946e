"""The embedded server accepts connections only on loopback and with the password."""

import psycopg2
import pytest

from local_stack.database import postgres
from local_stack.settings import Settings


def test_the_right_password_is_accepted(server: Settings) -> None:
    assert postgres.answers(server)


def test_a_wrong_password_is_refused(server: Settings) -> None:
    assert not postgres.answers(Settings({**server.values, "PGPASSWORD": "guess"}))


def test_there_is_no_local_superuser_without_a_password(server: Settings) -> None:
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=server["PGPORT"], user="postgres", dbname="postgres", password="")


def test_it_listens_on_the_loopback_interface_only(server: Settings) -> None:
    connection = psycopg2.connect("")
    with connection, connection.cursor() as cursor:
        cursor.execute("SHOW listen_addresses")
        listens = cursor.fetchone()
    connection.close()
    assert listens == ("127.0.0.1",)


def test_starting_a_running_server_changes_nothing(server: Settings) -> None:
    postgres.start(server)
    assert postgres.is_running(server)
