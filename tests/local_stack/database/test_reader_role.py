"""The gateway's role can read features and the definitions of feature services only."""

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
    """The environment connects as the gateway's role. The tables are created after the role."""
    login = reader_role.create(january_loaded)
    store = open_store()
    apply_definitions(store)
    store.provider.online_store.close_connections()
    store.registry.write_engine.dispose()
    with monkeypatch.context() as environment:
        for name, value in login.items():
            environment.setenv(name, value)
        yield login
    execute(f"DROP OWNED BY {login['PGUSER']}; DROP ROLE {login['PGUSER']}")


def test_it_can_read_features_as_the_gateway_does(as_reader: dict[str, str]) -> None:
    reader = PostgresReader()

    [row] = reader.read(make_plan("churn_v1"), ["anna"], Deadline.after(5))
    reader.close()

    assert list(row.features.values()) == [None] * 14


def test_it_can_read_tables_swapped_in_by_a_materialisation(
    january_loaded: Settings, as_reader: dict[str, str], sample_months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as as_owner:
        for name in as_reader:
            as_owner.setenv(name, january_loaded[name])
        materialize.main(["--as-of", str(JANUARY)])
    user = (sample_months / "month_000" / "users.csv").read_text().splitlines()[1].split(",")[0]
    reader = PostgresReader()

    [row] = reader.read(make_plan("churn_v1"), [user], Deadline.after(5))
    reader.close()

    assert None not in row.features.values()


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


def test_all_other_statements_are_refused(as_reader: dict[str, str]) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(statement)


def test_a_role_created_again_has_another_password(january_loaded: Settings, as_reader: dict[str, str]) -> None:
    again = reader_role.create(january_loaded)

    assert again["PGPASSWORD"] != as_reader["PGPASSWORD"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect("")
