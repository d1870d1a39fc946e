"""Passwords are made, kept in a file that its owner alone reads, and given to each process as it needs them."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2.errors
import pytest

from configuration import passwords
from local_stack import processes
from local_stack.database import postgres, roles
from local_stack.services import make_services
from local_stack.settings import Settings, StackError
from tests.local_stack.database.test_cluster import new_state

SECRET = (
    "PGPASSWORD", "MLFLOW_DATABASE_PASSWORD", "WATCHER_PASSWORD", "READER_PASSWORD", "PREDICTION_LOG_PASSWORD",
    "CONSOLE_DATABASE_PASSWORD",
)  # fmt: skip


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_each_folder_gets_its_own_and_only_the_owner_reads_them(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = [passwords.made(tmp_path / name) for name in ("one", "two")]
    finally:
        os.umask(before)
    secrets = {password for folder in made for password in folder.values()}
    assert len(secrets) == 2 * len(SECRET)
    assert min(map(len, secrets)) >= 32
    assert (mode(tmp_path / "one"), mode(tmp_path / "one" / passwords.FILE_NAME)) == (0o700, 0o600)
    assert [path.name for path in (tmp_path / "one").iterdir()] == [passwords.FILE_NAME]


def test_they_stay_and_a_file_that_was_opened_to_others_is_closed(tmp_path: Path) -> None:
    made = passwords.made(tmp_path)
    passwords.save_superuser(tmp_path, "secret")
    (tmp_path / passwords.FILE_NAME).chmod(0o644)
    assert passwords.made(tmp_path) == made
    assert passwords.superuser(tmp_path) == "secret"
    assert mode(tmp_path / passwords.FILE_NAME) == 0o600


def test_processes_that_start_together_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _number: passwords.made(tmp_path), range(8)))
    assert made == [made[0]] * 8


def test_env_wins_and_a_published_password_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_STATE", str(tmp_path))
    monkeypatch.setenv("PGPASSWORD", "streamflow")
    settings = Settings.from_env()
    assert settings["PGPASSWORD"] == "streamflow"
    assert passwords.published(settings.values) == ["PGPASSWORD"]
    monkeypatch.delenv("PGPASSWORD")
    assert passwords.published(Settings.from_env().values) == []


def test_nothing_is_made_for_another_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("STREAMFLOW_POSTGRES", "external")
    monkeypatch.delenv("PGPASSWORD", raising=False)  # of the tests' database
    settings = Settings.from_env()
    assert not (tmp_path / "state").exists()
    login = {"PGUSER": "streamflow", "PGPASSWORD": ""}  # libpq then looks into ~/.pgpass
    assert [settings.login(part) for part in roles.PARTS] == [login] * len(roles.PARTS)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMFLOW_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(StackError, match=r"STREAMFLOW_STATE='.*/file/state': Not a directory"):
        Settings.from_env()


def test_a_changed_password_holds_from_the_next_start_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_state(monkeypatch) as settings:
        postgres.start(settings)
        changed = Settings({**settings.values, "PGPASSWORD": "another"})
        assert not postgres.answers(changed)
        postgres.start(changed)
        assert postgres.answers(changed)
        assert not postgres.answers(settings)


def test_no_password_is_in_the_server_s_log(server: Settings) -> None:
    log = (server.state / "postgres" / "log").read_text()
    secrets = [*passwords.made(server.state).values(), passwords.superuser(server.state)]
    assert [secret for secret in secrets if secret and secret in log] == []


def test_the_stack_s_own_record_is_closed_to_others(server: Settings) -> None:
    processes.save_state(server, {"settings": dict(server.values)})
    try:
        assert mode(server.state / "stack.json") == 0o600
    finally:
        (server.state / "stack.json").unlink()


def test_each_server_gets_its_own_login_and_no_other(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENRICHER_API_KEYS", "a:k3y")
    secrets = {**{name: server[name] for name in SECRET}, "SUPERUSER": str(passwords.superuser(server.state))}
    expected = {
        "MLflow": ["MLFLOW_DATABASE_PASSWORD"],
        "watcher": ["WATCHER_PASSWORD"],
        "gateway": ["READER_PASSWORD", "PREDICTION_LOG_PASSWORD"],
        "console": ["CONSOLE_DATABASE_PASSWORD"],
    }
    for service in make_services(server):
        environment = {**server.service_environment(), **service.environment}
        text = "\n".join(f"{name}={value}" for name, value in environment.items())
        assert [name for name, secret in secrets.items() if secret in text] == expected[service.name]
        assert ("a:k3y" in text) == (service.name == "gateway")
        assert not any(secret in " ".join(service.command) for secret in secrets.values())


def test_no_process_shows_a_password_in_its_command_line(server: Settings) -> None:
    """Of the server and its children; test_stack.py looks at all processes of a stack that runs."""
    server_process = postgres.postmaster(server)
    shown = [" ".join(process.cmdline()) for process in (server_process, *server_process.children(recursive=True))]
    secrets = [*passwords.made(server.state).values(), str(passwords.superuser(server.state))]
    assert [line for line in shown if any(secret in line for secret in secrets)] == []


def test_a_module_gets_the_owner_s_login_whatever_its_caller_has(server: Settings) -> None:
    processes.save_state(server, {"settings": dict(server.values)})
    caller = {**os.environ, **server.service_environment(), **server.login("watcher")}
    del caller["PGHOST"]
    command = [sys.executable, "-m", "local_stack.database.as_owner", "steps.warehouse"]
    try:
        done = subprocess.run(command, env=caller, capture_output=True, text=True, check=False)
    finally:
        (server.state / "stack.json").unlink()
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        postgres.query(Settings({**server.values, **server.login("watcher")}), server["PGDATABASE"],
                       "CREATE TABLE public.mine (x int)", {})  # fmt: skip
