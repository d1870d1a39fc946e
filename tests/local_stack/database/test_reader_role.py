"""The gateway's role reads features and the definitions of services, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import psycopg.errors
import pytest

from feature_store.deadline import Deadline
from feature_store.plans import make_plan
from feature_store.postgres.reader import PostgresReader
from feature_store.store import apply_definitions, open_store
from local_stack.database import reader_role
from local_stack.settings import Settings
from steps import materialize
from tests.conftest import JANUARY
from tests.sql import execute


@pytest.fixture
def as_reader(january_loaded: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment says: connect as the gateway's role. The tables were made after the role."""
    given = reader_role.make(january_loaded)
    store = open_store()
    apply_definitions(store)
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()
    with monkeypatch.context() as changed:
        for name, value in given.items():
            changed.setenv(name, value)
        yield given
    execute(f"DROP OWNED BY {given['PGUSER']}; DROP ROLE {given['PGUSER']}")


def test_it_can_do_all_that_the_gateway_does(as_reader: dict[str, str]) -> None:
    reader = PostgresReader()

    [found] = reader.read(make_plan("churn_v1"), ["anna"], Deadline.after(5))
    reader.close()

    assert list(found.features.values()) == [None] * 14


def test_it_reads_the_tables_that_a_materialisation_exchanged_in(
    january_loaded: Settings, as_reader: dict[str, str], sample_months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as as_owner:
        for name in as_reader:
            as_owner.setenv(name, january_loaded[name])
        materialize.main(["--as-of", str(JANUARY)])
    user = (sample_months / "month_000" / "users.csv").read_text().splitlines()[1].split(",")[0]
    reader = PostgresReader()

    [found] = reader.read(make_plan("churn_v1"), [user], Deadline.after(5))
    reader.close()

    assert None not in found.features.values()


FORBIDDEN = [
    "SELECT * FROM public.users",
    "SELECT * FROM public.labels",
    "SELECT * FROM public.subscriptions_profile_snapshots",
    "DELETE FROM feast_online.streamflow_subs_profile_fv",
    "INSERT INTO feast_online.streamflow_subs_profile_fv SELECT * FROM feast_online.streamflow_subs_profile_fv",
    "DROP TABLE feast_online.streamflow_subs_profile_fv",
    "DELETE FROM feast_registry.feature_services",
    "CREATE TABLE feast_online.mine (x int)",
    "CREATE TABLE public.mine (x int)",
    "CREATE ROLE mine",
]


def test_it_can_do_nothing_else(as_reader: dict[str, str]) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(statement)


def test_made_again_it_has_another_password(january_loaded: Settings, as_reader: dict[str, str]) -> None:
    again = reader_role.make(january_loaded)

    assert again["PGPASSWORD"] != as_reader["PGPASSWORD"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect("")
