"""A PostgreSQL of something else, named in the shell, is never asked by a stack that runs its own."""

import os

import psycopg2
import pytest
from psycopg import pq

from local_stack import own_server
from local_stack.database import postgres
from local_stack.settings import Settings, StackError
from steps import warehouse

ELSEWHERE = {
    "PGHOST": "db.example.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGSERVICE": "other",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGSSLMODE": "verify-full",
    "PGCLIENTENCODING": "LATIN1",
    "PGTARGETSESSIONATTRS": "standby",
}


@pytest.fixture
def shell(server: Settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_stack_goes_to_its_own_server_and_names_what_it_ignored(shell: pytest.MonkeyPatch) -> None:
    settings = Settings.from_env()
    line = own_server.keep_others_out(settings.values, os.environ)
    assert line is not None
    assert all(name in line for name in ELSEWHERE)
    assert "PGHOST='db.example.invalid'" in line
    assert "STREAMFLOW_POSTGRES=external" in line
    assert f"127.0.0.1:{settings['PGPORT']}" in line
    assert postgres.answers(settings)
    warehouse.ping()  # by libpq's variables alone


@pytest.mark.parametrize("host", ["/var/run/postgresql", "db.example.invalid"])
def test_whatever_the_shell_calls_the_host_children_are_given_the_own_one(shell: pytest.MonkeyPatch, host: str) -> None:
    shell.setenv("PGHOST", host)
    given = Settings.from_env().child_environment()
    assert given["PGHOST"] == "127.0.0.1"
    assert given["PGSSLMODE"] == "prefer"
    assert set(own_server.FOREIGN) & set(given) == set()
    assert "@127.0.0.1:" in given["MLFLOW_TRACKING_URI"]


def test_a_shell_without_a_word_about_postgresql_is_told_nothing(server: Settings) -> None:
    settings = Settings.from_env()
    assert own_server.keep_others_out(settings.values, dict(os.environ)) is None
    assert own_server.keep_others_out(settings.values, {"PGHOST": "localhost", "PGPORT": settings["PGPORT"]}) is None


def test_the_password_of_another_server_is_named_and_not_shown(server: Settings) -> None:
    line = own_server.keep_others_out(server.values, {"PGPASSWORD": "s3cret"})
    assert line is not None
    assert "PGPASSWORD" in line
    assert "s3cret" not in line


def test_a_running_stack_s_server_wins_over_the_shell_s(server: Settings) -> None:
    values = {**server.values, "PGPORT": "1", "PGUSER": "somebody"}
    assert own_server.address(values, server.values) == server.values


def test_with_an_external_server_the_shell_is_right(shell: pytest.MonkeyPatch) -> None:
    shell.setenv("STREAMFLOW_POSTGRES", "external")
    settings = Settings.from_env()
    assert settings["PGHOST"] == "db.example.invalid"
    assert own_server.keep_others_out(settings.values, os.environ) is None
    assert ELSEWHERE.items() <= settings.child_environment().items()


@pytest.mark.parametrize(
    ("host", "place"), [("/run/pg", "@/mlflow?host=%2Frun%2Fpg&port="), ("fd00::1", "@[fd00::1]:"), ("db", "@db:")]
)
def test_mlflow_is_given_any_kind_of_address(server: Settings, host: str, place: str) -> None:
    values = {**server.values, "STREAMFLOW_POSTGRES": "external", "PGHOST": host}
    assert place in Settings(values).tracking_uri


def test_every_variable_that_libpq_reads_is_decided_about() -> None:
    read = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    assert read - {*own_server.OURS, *own_server.FOREIGN, *own_server.UNCHANGED} == set()


def test_a_state_folder_made_with_another_password_is_said_to_be(server: Settings) -> None:
    with pytest.raises(StackError, match="refuses PGUSER='streamflow' with this PGPASSWORD") as refused:
        postgres.start(Settings({**server.values, "PGPASSWORD": "gu3ss"}))
    assert "gu3ss" not in str(refused.value)
    psycopg2.connect("").close()
