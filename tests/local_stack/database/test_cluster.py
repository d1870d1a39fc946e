"""The folder of the stack's own PostgreSQL, made under any password, umask, locale and user."""

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
from local_stack import own_server
from local_stack.database import postgres
from local_stack.settings import Settings, StackError
from tests.conftest import free_port, open_folder
from tests.local_stack.conftest import make_stack

NAMELESS = 54321
ODD = [
    'pa"ss\\nw0rd',
    "'; DROP ROLE streamflow; --",
    "p@ss:w/r%d?#&=+ é漢",
    " ${HOME} $HOME {{x}} {y} `id` ",
    "- *a &b !c |d >e",
    '"\nx: 1'.replace("\n", "\\n") + "\\",
]


@contextmanager
def new_state(monkeypatch: pytest.MonkeyPatch, **more: str) -> Iterator[Settings]:
    """A new state folder's settings, in the environment of this process. What was started in it is stopped."""
    with open_folder() as folder:
        for name, value in {"STREAMFLOW_STATE": str(folder / "state"), "PGPORT": str(free_port()), **more}.items():
            monkeypatch.setenv(name, value)
        settings = Settings.from_env()
        for name, value in settings.exported().items():
            monkeypatch.setenv(name, value)
        try:
            yield settings
        finally:
            postgres.stop(settings)


@pytest.mark.parametrize("password", ODD)
def test_a_password_of_any_characters_lets_everybody_in(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with new_state(monkeypatch, PGPASSWORD=password) as settings:
        postgres.start(settings)
        psycopg2.connect("").close()  # as the steps and the gateway
        sqlalchemy.create_engine(settings.tracking_uri).connect().close()  # as MLflow
        config = open_store().config
        assert config.online_store.password == config.offline_store.password == password
        assert password not in repr(config.online_store)


@pytest.mark.parametrize("user", ["postgres", "o\"dd'; é"])
def test_a_role_of_any_name_is_made(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    with new_state(monkeypatch, PGUSER=user) as settings:
        postgres.start(settings)
        assert postgres.ask(settings, settings["PGDATABASE"], "SELECT current_user", {}) == [(user,)]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PGPASSWORD", "first\nsecond", "PGPASSWORD has a line break"),
        ("PGPASSWORD", "latin\udce9", "PGPASSWORD is not UTF-8"),
    ],
)
def test_a_login_that_cannot_be_is_refused_without_the_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackError) as refused:
        Settings.from_env()
    assert reason in str(refused.value)
    assert not any(word in str(refused.value) for word in ("first", "latin"))


def test_a_role_that_postgresql_refuses_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch, PGUSER="pg_mine", PGPASSWORD="s3cret") as settings:
        with pytest.raises(StackError) as refused:
            postgres.start(settings)
        assert "PGUSER='pg_mine': role name \"pg_mine\" is reserved" in str(refused.value)
        assert "s3cret" not in str(refused.value)
        assert list(settings.state.glob("*/*")) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_whatever_the_umask_the_state_folder_is_closed_to_others(monkeypatch: pytest.MonkeyPatch, umask: int) -> None:
    before = os.umask(umask)
    try:
        with new_state(monkeypatch) as settings:
            postgres.start(settings)
            assert settings.state.stat().st_mode & stat.S_IRWXO == 0
            assert settings.state.stat().st_mode & (stat.S_IRGRP | stat.S_IWGRP) == 0
            assert postgres.answers(settings)
    finally:
        os.umask(before)


def test_a_locale_that_this_machine_does_not_have_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch, LC_ALL="xx_XX.UTF-8", PGDATESTYLE="German") as settings:
        postgres.start(settings)
        own_server.keep_others_out(settings.values, os.environ)  # the client's own
        shown = postgres.ask(settings, "postgres", "SELECT datcollate, current_setting('DateStyle') FROM pg_database "
                             "WHERE datname = current_database()", {})  # fmt: skip
    assert shown == [("C", "ISO, MDY")]


BECOME = f"""
import os
from local_stack.__main__ import main
os.setgroups([])
os.setgid({NAMELESS})
os.setuid({NAMELESS})
main()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_a_name_is_told_so_in_one_line(sample_months: Path) -> None:
    with open_folder() as folder:
        folder.chmod(0o777)
        done = make_stack(folder, sample_months).command(sys.executable, "-c", BECOME, "run")
    assert done.returncode == 1
    [line] = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
    assert f"User id {NAMELESS} has no name in /etc/passwd" in line
    assert "STREAMFLOW_POSTGRES=external" in line
    assert "Traceback" not in done.stdout
