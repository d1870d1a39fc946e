"""`make up` without data: a stack with a month starts as it is; a failing step stops no server."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest
import requests

from local_stack import chain, month_choice, processes, services
from local_stack.database import loaded_months, postgres
from local_stack.month_choice import parse_request
from local_stack.settings import Settings, StackError
from local_stack.stack import Stack
from steps.month.digest import files_sha256
from tests.conftest import JANUARY, free_port, open_folder
from tests.local_stack.conftest import PORTS, OwnStack, bring_up, database, is_free

ROWS = "SELECT ctid::text, xmin::text, user_id FROM subscriptions_profile_snapshots ORDER BY 1"


def state_of(settings: Settings) -> tuple[object, object]:
    """While PostgreSQL runs."""
    return loaded_months.list_months(settings), postgres.query(settings, "streamflow", ROWS, {})


@pytest.fixture
def state_before(loaded_stack: OwnStack) -> tuple[object, object]:
    assert loaded_stack.stack("down").returncode == 0
    with database(loaded_stack.settings):
        return state_of(loaded_stack.settings)


def answers(stack: OwnStack) -> bool:
    address = f"http://127.0.0.1:{stack.environment['GATEWAY_PORT']}/ready"
    return requests.get(address, timeout=10).ok


def test_a_loaded_month_is_kept_and_nothing_is_written(
    loaded_stack: OwnStack, state_before: tuple[object, object]
) -> None:
    done = loaded_stack.stack("up")
    assert done.returncode == 0, done.stdout
    assert answers(loaded_stack)
    assert "months        2024-01-31 (real)" in done.stdout
    assert "Production    version 1" in done.stdout
    assert "mlflow run" not in done.stdout
    assert '"prediction":' in done.stdout
    assert "Experiment streamflow (id 1) was deleted in MLflow" in done.stdout
    assert state_of(loaded_stack.settings) == state_before


def test_processes_of_a_killed_stack_are_named_and_ended_by_down(loaded_stack: OwnStack) -> None:
    bring_up(loaded_stack)
    state = processes.load_state(loaded_stack.settings)
    supervisor = processes.find(state["supervisor"])
    assert supervisor is not None
    supervisor.kill()
    refused = loaded_stack.stack("up", "--data", str(loaded_stack.months))
    assert refused.returncode == 1
    assert "make down" in refused.stdout
    assert all(processes.find(service) for service in state["services"])
    assert loaded_stack.stack("down").returncode == 0
    assert [service for service in state["services"] if processes.find(service)] == []
    assert all(is_free(int(loaded_stack.environment[name])) for name in PORTS)


def test_made_up_months_are_refused_and_the_stack_still_starts(
    loaded_stack: OwnStack, state_before: tuple[object, object], tmp_path: Path
) -> None:
    from steps import sample_months  # noqa: PLC0415 - pandas and more, which not every test needs

    sample_months.main(["--out-dir", str(tmp_path), "--users", "200", "--months", "1", "--seed", "99"])
    done = loaded_stack.stack("up", "--data", str(tmp_path))
    assert done.returncode == 1, done.stdout
    assert answers(loaded_stack)
    assert "loaded months are real (from files): 2024-01-31. Nothing was changed" in done.stdout
    assert "make up MIX=true" in done.stdout
    assert "The stack is up with its earlier months and model" in done.stdout
    assert "Traceback" not in done.stdout
    assert state_of(loaded_stack.settings) == state_before


def test_loaded_months_without_a_version_in_production_stay_as_they_are(
    january_loaded: Settings, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are made up, but not by `make up`."""
    assert month_choice.month_to_run(january_loaded, tracking, parse_request(None, None, mix=False)) is None
    assert "2024-01-31 (made up)" in capsys.readouterr().out


def test_an_interrupted_chain_of_the_samples_is_run_again(
    january_loaded: Settings, tracking: str, sample_months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(month_choice, "SAMPLES", sample_months)
    monkeypatch.setattr(chain, "production_version", lambda _settings: None)
    monkeypatch.setattr(chain, "is_finished", lambda *_arguments: False)
    month = month_choice.month_to_run(january_loaded, tracking, parse_request(None, None, mix=False))
    assert month == chain.Month(sample_months / "month_000", JANUARY)
    run_sql(january_loaded, "UPDATE months SET origin = 'files' RETURNING 1")
    assert month_choice.month_to_run(january_loaded, tracking, parse_request(None, None, mix=False)) is None


def run_sql(settings: Settings, statement: str) -> None:
    postgres.query(settings, settings["PGDATABASE"], statement, {})


def test_a_named_month_is_run_although_others_are_loaded(
    january_loaded: Settings, tracking: str, sample_months: Path
) -> None:
    request = parse_request(str(sample_months), "2024-02-29", mix=False)
    month = month_choice.month_to_run(january_loaded, tracking, request)
    assert month == chain.Month(sample_months / "month_001", date(2024, 2, 29))


def test_a_user_of_a_loaded_month_is_found(january_loaded: Settings, sample_months: Path) -> None:
    user = loaded_months.find_user(january_loaded, JANUARY)
    assert user is not None
    assert f"\n{user}," in (sample_months / "month_000" / "users.csv").read_text()
    assert loaded_months.find_user(january_loaded, date(2024, 2, 29)) is None
    [month] = loaded_months.list_months(january_loaded)
    assert month == loaded_months.LoadedMonth(JANUARY, files_sha256(sample_months / "month_000"), "sample")


def test_no_month_is_loaded_in_an_empty_warehouse(empty_warehouse: Settings) -> None:
    assert loaded_months.list_months(empty_warehouse) == []


def test_a_model_server_that_does_not_start_is_a_warning(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MODEL_SERVER_S", 0.0)
    stack = Stack(Settings({**server.values, "ROLLOUT_PORT": str(free_port())}))
    with stack._as_warning():
        services.wait_for_model_server(stack.settings, lambda: None)
    [warning] = stack.warnings
    assert warning.startswith("No model serves after 0 s. The watcher does not answer")


def test_the_stack_is_ready_once_the_addresses_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` prints the stack's lines until it is ready, and then ends."""
    stack = Stack(Settings.from_env())
    shown: list[tuple[bool, str]] = []
    monkeypatch.setattr(stack, "_save", lambda: shown.append((stack.ready, capsys.readouterr().out)))
    stack._print_summary(1.0, "1")
    [(ready, output)] = shown
    assert ready
    assert f"logs     {stack.settings.state / 'logs'}" in output


def test_an_unanswered_example_names_the_reason(server: Settings) -> None:
    with pytest.raises(StackError, match="the gateway does not answer"):
        chain.example_answer(Settings({**server.values, "GATEWAY_PORT": str(free_port())}), ["anna"])
    with pytest.raises(StackError, match="no loaded month has a user"):
        chain.example_answer(server, [])


@pytest.mark.parametrize(
    ("data", "reason"), [("no/such", "does not exist"), ("README.md", "is a file, not a folder")], ids=str
)
def test_data_that_is_not_a_folder_is_refused_with_its_full_path(data: str, reason: str) -> None:
    with pytest.raises(StackError, match=rf"DATA={data}: /.*{data} {reason}"):
        parse_request(data, None, mix=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another user")
def test_an_unreadable_file_is_named(sample_months: Path) -> None:
    with open_folder() as data:
        data.chmod(0o755)
        shutil.copytree(sample_months / "month_000", data / "month_000").chmod(0o755)
        (data / "month_000" / "labels.csv").chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(StackError, match=r"^labels\.csv in .* cannot be read"):
                chain.month_of(data, None)
        finally:
            os.seteuid(0)
