"""`make up` without data: a stack that has a month is brought up as it is; what fails of ours takes nothing down."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest
import requests

from local_stack import chain, loaded, month_choice, parts, postgres, processes
from local_stack.month_choice import asked
from local_stack.settings import Settings, StackError
from local_stack.stack import Stack
from steps.month_digest import files_sha256

from ..conftest import JANUARY, free_port, open_folder
from .conftest import PORTS, OwnStack, bring_up, database, is_free

ROWS = "SELECT ctid::text, xmin::text, user_id FROM subscriptions_profile_snapshots ORDER BY 1"


def state_of(settings: Settings) -> tuple[object, object]:
    """While PostgreSQL runs."""
    return loaded.months(settings), postgres.ask(settings, "streamflow", ROWS, {})


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


def test_what_a_killed_stack_leaves_behind_is_named_and_then_ended_by_down(loaded_stack: OwnStack) -> None:
    bring_up(loaded_stack)
    state = processes.load_state(loaded_stack.settings)
    supervisor = processes.find(state["supervisor"])
    assert supervisor is not None
    supervisor.kill()
    refused = loaded_stack.stack("up", "--data", str(loaded_stack.months))
    assert refused.returncode == 1
    assert "make down" in refused.stdout
    assert all(processes.find(part) for part in state["parts"])
    assert loaded_stack.stack("down").returncode == 0
    assert [known for known in state["parts"] if processes.find(known)] == []
    assert all(is_free(int(loaded_stack.environment[name])) for name in PORTS)


def test_made_up_months_are_refused_and_the_rest_comes_up(
    loaded_stack: OwnStack, state_before: tuple[object, object], tmp_path: Path
) -> None:
    from steps import sample_months  # noqa: PLC0415 - pandas and more, which not every test needs

    sample_months.main(["--out-dir", str(tmp_path), "--users", "200", "--months", "1", "--seed", "99"])
    done = loaded_stack.stack("up", "--data", str(tmp_path))
    assert done.returncode == 1, done.stdout
    assert answers(loaded_stack)
    assert "loaded are months that are real (from files): 2024-01-31. Nothing was changed" in done.stdout
    assert "make up MIX=true" in done.stdout
    assert "The stack is up with what it had before" in done.stdout
    assert "Traceback" not in done.stdout
    assert state_of(loaded_stack.settings) == state_before


def test_months_with_nobody_in_production_are_left_alone_too(
    january_loaded: Settings, tracking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are made up, but not what bare `make up` would have made."""
    assert month_choice.month_to_run(january_loaded, tracking, asked(None, None, mix=False)) is None
    assert "2024-01-31 (made up)" in capsys.readouterr().out


def test_an_interrupted_chain_of_our_samples_is_finished(
    january_loaded: Settings, tracking: str, sample_months: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(month_choice, "SAMPLES", sample_months)
    monkeypatch.setattr(chain, "production_version", lambda _settings: None)
    monkeypatch.setattr(chain, "is_finished", lambda *_given: False)
    month = month_choice.month_to_run(january_loaded, tracking, asked(None, None, mix=False))
    assert month == chain.Month(sample_months / "month_000", JANUARY)
    postgres_says(january_loaded, "UPDATE months SET origin = 'files' RETURNING 1")
    assert month_choice.month_to_run(january_loaded, tracking, asked(None, None, mix=False)) is None


def postgres_says(settings: Settings, statement: str) -> None:
    postgres.ask(settings, settings["PGDATABASE"], statement, {})


def test_the_month_that_is_named_is_run_although_others_are_loaded(
    january_loaded: Settings, tracking: str, sample_months: Path
) -> None:
    request = asked(str(sample_months), "2024-02-29", mix=False)
    month = month_choice.month_to_run(january_loaded, tracking, request)
    assert month == chain.Month(sample_months / "month_001", date(2024, 2, 29))


def test_the_warehouse_is_asked_who_is_in_a_month(january_loaded: Settings, sample_months: Path) -> None:
    user = loaded.user_of(january_loaded, JANUARY)
    assert user is not None
    assert f"\n{user}," in (sample_months / "month_000" / "users.csv").read_text()
    assert loaded.user_of(january_loaded, date(2024, 2, 29)) is None
    [month] = loaded.months(january_loaded)
    assert month == loaded.LoadedMonth(JANUARY, files_sha256(sample_months / "month_000"), "sample")


def test_no_month_is_loaded_in_an_empty_warehouse(empty_warehouse: Settings) -> None:
    assert loaded.months(empty_warehouse) == []


def test_a_model_that_does_not_come_up_is_a_warning(server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MODEL_SERVER_S", 0.0)
    stack = Stack(Settings({**server.values, "ROLLOUT_PORT": str(free_port())}))
    with stack._warned():
        parts.await_model_server(stack.settings, lambda: None)
    [warning] = stack.warnings
    assert warning.startswith("No model serves after 0 s. The watcher does not answer")


def test_it_is_ready_once_the_addresses_were_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up` shows what the stack says until it is ready, and then ends."""
    stack = Stack(Settings.from_env())
    shown: list[tuple[bool, str]] = []
    monkeypatch.setattr(stack, "_save", lambda: shown.append((stack.ready, capsys.readouterr().out)))
    stack._announce(1.0)
    [(ready, said)] = shown
    assert ready
    assert f"logs     {stack.settings.state / 'logs'}" in said


def test_an_example_that_nobody_answers_names_the_reason(server: Settings) -> None:
    with pytest.raises(StackError, match="the gateway does not answer"):
        chain.example_answer(Settings({**server.values, "GATEWAY_PORT": str(free_port())}), ["anna"])
    with pytest.raises(StackError, match="no month has a user"):
        chain.example_answer(server, [])


@pytest.mark.parametrize(
    ("data", "said"), [("no/such", "is not a folder"), ("README.md", "is a file, not a folder")], ids=str
)
def test_data_that_is_no_folder_is_named_with_where_it_was_looked_for(data: str, said: str) -> None:
    with pytest.raises(StackError, match=rf"DATA={data}: /.*{data} {said}"):
        asked(data, None, mix=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's place for a moment")
def test_a_file_that_may_not_be_read_is_named(sample_months: Path) -> None:
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
