"""`mlflow run . -e erase_user -P user_id=…` leaves the id in no table of MLflow, by whichever command it is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.settings import ROOT, Settings
from tests.steps.states.database import fetch, last_run
from tests.steps.states.erasure import STAYING, dump, load
from tests.steps.states.months import month_of, write_month

USER = "ida-1234; $(touch x)"
ACTIVATED = (str(ROOT / "local_stack" / "bin" / "mlflow"),)
PLAIN = (sys.executable, "-m", "mlflow")


@pytest.fixture
def loaded(empty_warehouse: Settings, tracking: str, tmp_path: Path) -> Settings:
    load(write_month(tmp_path / "month_000", month_of([*STAYING, USER])))
    return empty_warehouse


def mlflow_run(server: Settings, command: tuple[str, ...], *parameters: str) -> "subprocess.CompletedProcess[str]":
    options = [option for parameter in parameters for option in ("-P", parameter)]
    arguments = [*command, "run", ".", "-e", "erase_user", "--env-manager", "local", *options]
    environment = {**server.child_environment(), "PYTHONPATH": str(ROOT)}  # .venv may be another checkout's
    return subprocess.run(
        arguments, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("command", [ACTIVATED, PLAIN], ids=["activated", "plain"])
def test_the_id_is_in_no_table_of_mlflow_after_the_run(
    loaded: Settings, tracking: str, command: tuple[str, ...]
) -> None:
    done = mlflow_run(loaded, command, f"user_id={USER}")
    assert done.returncode == 0, done.stderr
    assert fetch("SELECT user_id FROM users ORDER BY 1") == [(user_id,) for user_id in sorted(STAYING)]
    assert USER not in dump(loaded, loaded["MLFLOW_DATABASE"])
    run = last_run("erase_user", tracking)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "erase_user")
    assert run.data.params.get("user_id", "") == ""
    assert not list(ROOT.glob("x"))


def test_a_failed_run_of_the_activated_shell_does_not_record_it_either(loaded: Settings) -> None:
    done = mlflow_run(loaded, ACTIVATED, f"user_id={USER}", "dry_run=perhaps")
    assert done.returncode != 0
    assert "'perhaps' must be true or false" in done.stderr
    assert USER not in dump(loaded, loaded["MLFLOW_DATABASE"])


def test_what_a_failed_plain_run_has_recorded_is_deleted_by_the_next_erasure(loaded: Settings) -> None:
    assert mlflow_run(loaded, PLAIN, f"user_id={USER}", "dry_run=perhaps").returncode != 0
    assert USER in dump(loaded, loaded["MLFLOW_DATABASE"]), "the state that the erasure starts from"
    assert mlflow_run(loaded, ACTIVATED, f"user_id={USER}").returncode == 0
    assert USER not in dump(loaded, loaded["MLFLOW_DATABASE"])


def test_the_user_is_given_once(loaded: Settings, tmp_path: Path) -> None:
    file = tmp_path / "user"
    file.write_text(USER)
    for parameters in ((), (f"user_id={USER}", f"user_id_file={file}")):
        done = mlflow_run(loaded, PLAIN, *parameters)
        assert "Give the user to erase: -P user_id=…, or -P user_id_file=FILE, one of both" in done.stderr
    assert mlflow_run(loaded, PLAIN, f"user_id_file={file}").returncode == 0
    assert fetch("SELECT count(*) FROM users") == [(2,)]
