"""The data folder of the stack's own PostgreSQL is created under any password, umask, locale and user."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy

from feature_store.store import open_store
from local_stack.database import postgres
from local_stack.environment import libpq_variables
from local_stack.settings import Settings, StackError
from tests.conftest import free_port, open_folder
from tests.local_stack.conftest import make_stack

UNNAMED_USER = 54321
ODD_PASSWORDS = [
    'pa"ss\\nw0rd',
    "'; DROP ROLE streamflow; --",
    "p@ss:w/r%d?#&=+ é漢",
    " ${HOME} $HOME {{x}} {y} `id` ",
    "- *a &b !c |d >e",
    '"\nx: 1'.replace("\n", "\\n") + "\\",
]


@contextmanager
def new_state(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Settings]:
    """A new state folder's settings, set in this process's environment. Stops its server at the end."""
    with open_folder() as folder:
        for name, value in {"STREAMFLOW_STATE": str(folder / "state"), "PGPORT": str(free_port()), **variables}.items():
            monkeypatch.setenv(name, value)
        settings = Settings.from_env()
        for name, value in settings.exported().items():
            monkeypatch.setenv(name, value)
        try:
            yield settings
        finally:
            postgres.stop(settings)


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_a_password_may_contain_any_characters(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with new_state(monkeypatch, PGPASSWORD=password) as settings:
        postgres.start(settings)
        psycopg2.connect("").close()  # as the steps and the gateway
        sqlalchemy.create_engine(settings.tracking_uri).connect().close()  # as MLflow
        config = open_store().config
        assert config.online_store.password == config.offline_store.password == password
        assert password not in repr(config.online_store)


def test_a_role_may_have_an_odd_name(monkeypatch: pytest.MonkeyPatch) -> None:
    user = "o\"dd'; é"
    with new_state(monkeypatch, PGUSER=user) as settings:
        postgres.start(settings)
        assert postgres.query(settings, settings["PGDATABASE"], "SELECT current_user", {}) == [(user,)]


@pytest.mark.parametrize("user", ["postgres", "a" * 56])
def test_a_name_that_cannot_be_the_owner_s_is_refused(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    with new_state(monkeypatch, PGUSER=user) as settings, pytest.raises(StackError, match=f"PGUSER='{user}'"):
        postgres.start(settings)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PGPASSWORD", "first\nsecond", "PGPASSWORD contains a line break"),
        ("PGPASSWORD", "latin\udce9", "PGPASSWORD is not UTF-8"),
    ],
)
def test_an_invalid_login_is_refused_without_showing_the_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackError) as raised:
        Settings.from_env()
    assert reason in str(raised.value)
    assert not any(text in str(raised.value) for text in ("first", "latin"))


def test_a_role_refused_by_postgresql_leaves_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch, PGUSER="pg_mine", PGPASSWORD="s3cret") as settings:
        with pytest.raises(StackError) as raised:
            postgres.start(settings)
        assert "PGUSER='pg_mine': role name \"pg_mine\" is reserved" in str(raised.value)
        assert "s3cret" not in str(raised.value)
        assert [path for path in settings.state.glob("**/*") if path.is_file()] == [settings.state / "passwords"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_state_folder_is_closed_to_others_under_any_umask(monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    before = os.umask(umask)
    try:
        with new_state(monkeypatch) as settings:
            postgres.start(settings)
            assert settings.state.stat().st_mode & stat.S_IRWXO == 0
            assert settings.state.stat().st_mode & (stat.S_IRGRP | stat.S_IWGRP) == 0
            assert postgres.answers(settings)
    finally:
        os.umask(before)


def test_a_locale_missing_on_this_machine_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch, LC_ALL="xx_XX.UTF-8", PGDATESTYLE="German") as settings:
        postgres.start(settings)
        libpq_variables.drop_ignored(settings.values, os.environ)  # for this process's client
        query = "SELECT datcollate, current_setting('DateStyle') FROM pg_database WHERE datname = current_database()"
        shown = postgres.query(settings, settings["PGDATABASE"], query, {})
    assert shown == [("C", "ISO, MDY")]


RUN_UNNAMED = f"""
import os
from local_stack.__main__ import main
os.setgroups([])
os.setgid({UNNAMED_USER})
os.setuid({UNNAMED_USER})
main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_name_gets_one_line(sample_months: Path) -> None:
    with open_folder() as folder:
        folder.chmod(0o777)
        done = make_stack(folder, sample_months).command(sys.executable, "-c", RUN_UNNAMED, "run")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
    assert f"User id {UNNAMED_USER} has no name in /etc/passwd" in line
    assert "STREAMFLOW_POSTGRES=external" in line
    assert "Traceback" not in done.stdout
