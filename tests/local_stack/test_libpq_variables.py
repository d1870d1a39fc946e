"""A stack with its own PostgreSQL never connects to another server named in the shell."""

import os

import pytest
from psycopg import pq

from local_stack.database import postgres
from local_stack.environment import libpq_variables
from local_stack.settings import Settings
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


def test_the_stack_uses_its_own_server_and_names_ignored_variables(shell: pytest.MonkeyPatch) -> None:
    settings = Settings.from_env()
    line = libpq_variables.drop_ignored(settings.values, os.environ)
    assert line is not None
    assert all(name in line for name in ELSEWHERE)
    assert "PGHOST='db.example.invalid'" in line
    assert "STREAMFLOW_POSTGRES=external" in line
    assert f"127.0.0.1:{settings['PGPORT']}" in line
    assert postgres.answers(settings)
    warehouse.ping()  # connects by libpq's variables


@pytest.mark.parametrize("host", ["/var/run/postgresql", "db.example.invalid"])
def test_child_processes_get_the_stack_s_own_host(shell: pytest.MonkeyPatch, host: str) -> None:
    shell.setenv("PGHOST", host)
    environment = Settings.from_env().child_environment()
    assert environment["PGHOST"] == "127.0.0.1"
    assert environment["PGSSLMODE"] == "prefer"
    assert set(libpq_variables.IGNORED) & set(environment) == set()
    assert "@127.0.0.1:" in environment["MLFLOW_TRACKING_URI"]


def test_a_shell_without_foreign_variables_gets_no_warning(server: Settings) -> None:
    settings = Settings.from_env()
    assert libpq_variables.drop_ignored(settings.values, dict(os.environ)) is None
    assert libpq_variables.drop_ignored(settings.values, {"PGHOST": "localhost", "PGPORT": settings["PGPORT"]}) is None


def test_a_foreign_password_is_named_but_not_shown(server: Settings) -> None:
    line = libpq_variables.drop_ignored(server.values, {"PGPASSWORD": "s3cret"})
    assert line is not None
    assert "PGPASSWORD" in line
    assert "s3cret" not in line


def test_the_running_stack_s_server_wins_over_the_shell_s(server: Settings) -> None:
    values = {**server.values, "PGPORT": "1", "PGUSER": "somebody"}
    assert libpq_variables.address(values, server.values) == server.values


def test_with_an_external_server_the_shell_s_values_are_used(shell: pytest.MonkeyPatch) -> None:
    shell.setenv("STREAMFLOW_POSTGRES", "external")
    settings = Settings.from_env()
    assert settings["PGHOST"] == "db.example.invalid"
    assert libpq_variables.drop_ignored(settings.values, os.environ) is None
    assert ELSEWHERE.items() <= settings.child_environment().items()


@pytest.mark.parametrize(
    ("host", "part"), [("/run/pg", "@/mlflow?host=%2Frun%2Fpg&port="), ("fd00::1", "@[fd00::1]:"), ("db", "@db:")]
)
def test_mlflow_s_uri_supports_every_kind_of_address(server: Settings, host: str, part: str) -> None:
    values = {**server.values, "STREAMFLOW_POSTGRES": "external", "PGHOST": host}
    assert part in Settings(values).tracking_uri


def test_every_variable_of_libpq_is_in_one_of_the_lists() -> None:
    variables = {option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar}
    assert variables - {*libpq_variables.OWN, *libpq_variables.IGNORED, *libpq_variables.UNCHANGED} == set()
