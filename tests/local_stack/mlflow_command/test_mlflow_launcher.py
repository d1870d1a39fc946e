"""The `mlflow` command after `. .venv/bin/activate`."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
import requests
from mlflow.tracking import MlflowClient

from local_stack import processes
from local_stack.mlflow_command import launcher
from local_stack.settings import ROOT, Settings
from tests.local_stack.conftest import OwnStack, make_stack
from tests.rollout.conftest import ROWS, TYPES, log_good
from tests.waiting import wait_until


def activated(stack: OwnStack, line: str, **variables: str) -> tuple[int, str]:
    done = stack.shell(f". .venv/bin/activate && {line}", **variables)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "mlflow run . -e train -P as_of=2024-01-31",
        "mlflow models serve -m models:/streamflow_churn/Production --env-manager local",
    ],
)
def test_with_the_stack_down_one_line_names_make_up(down_stack: OwnStack, command: str) -> None:
    started = time.monotonic()
    code, output = activated(down_stack, command)
    assert code != 0
    assert len(output.strip().splitlines()) == 1
    assert f"127.0.0.1:{down_stack.environment['PGPORT']}" in output
    assert "make up" in output
    assert time.monotonic() - started < 30


def test_help_needs_no_stack(down_stack: OwnStack) -> None:
    code, output = activated(down_stack, "mlflow run --help")
    assert code == 0
    assert "Run an MLflow project" in output


@pytest.fixture
def broken_conda(tmp_path: Path) -> Path:
    """A conda on PATH that records its calls and cannot create an environment."""
    conda = tmp_path / "bin" / "conda"
    conda.parent.mkdir()
    conda.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" = --help ] && exit 0\nexit 3\n')
    conda.chmod(0o755)
    return conda


def test_a_conda_on_path_is_used_and_its_failure_leaves_no_running_run(
    server: Settings, tracking: str, sample_months: Path, broken_conda: Path
) -> None:
    stack = make_stack(broken_conda.parent, sample_months)
    path = f"{broken_conda.parent}{os.pathsep}{stack.environment['PATH']}"
    overrides = {name: server[name] for name in ("PGPORT", "STREAMFLOW_STATE")}
    client = MlflowClient(server.tracking_uri)
    before = {run.info.run_id for run in client.search_runs([tracking])}
    code, _ = activated(stack, "mlflow run . -e sample_months", PATH=path, **overrides)
    created = [run for run in client.search_runs([tracking]) if run.info.run_id not in before]
    assert code != 0
    assert "env list --json" in (broken_conda.parent.parent / "calls").read_text()
    assert [run.info.status for run in created] == ["FAILED"]


def test_a_bad_value_leaves_no_running_run(server: Settings, tracking: str, sample_months: Path) -> None:
    stack = make_stack(sample_months, sample_months)
    overrides = {name: server[name] for name in ("PGPORT", "STREAMFLOW_STATE")}
    client = MlflowClient(server.tracking_uri)
    before = {run.info.run_id for run in client.search_runs([tracking])}
    code, output = activated(stack, "mlflow run . -e build_dataset -P as_of=2024-02-30", **overrides)
    created = [run for run in client.search_runs([tracking]) if run.info.run_id not in before]
    assert code != 0
    assert "'2024-02-30' is not a date" in output
    assert [(run.info.status, run.info.run_name) for run in created] == [("FAILED", "build_dataset_2024-02-30")]
    assert "as_of=2024-02-30" in created[0].data.tags["mlflow.note.content"]


def test_a_training_in_a_given_experiment_has_its_dataset_and_artifacts_there(
    january_loaded: Settings, tracking: str, sample_months: Path, tmp_path: Path
) -> None:
    stack = make_stack(tmp_path, sample_months)
    overrides = {name: january_loaded[name] for name in ("PGPORT", "STREAMFLOW_STATE")}
    name = f"given-{time.time_ns()}"
    line = "train -P as_of=2024-01-31 -P model=logistic_regression"
    code, output = activated(stack, f"mlflow run . -e {line} --experiment-name {name} --run-name 'my try'", **overrides)
    assert code == 0, output
    client = MlflowClient(january_loaded.tracking_uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment.artifact_location.startswith(january_loaded.artifacts.as_uri())
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"my try", "dataset_2024-01-31"}
    assert runs["my try"].data.tags["mlflow.note.content"].startswith("[OK] Trained logistic regression")


@pytest.fixture
def in_production(server: Settings, tracking: str) -> Iterator[str]:
    """The name of a registered model with a version in Production."""
    name = f"served_{time.time_ns()}"
    with mlflow.start_run(experiment_id=tracking) as run:
        log_good(run.info.run_id)
    [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
    mlflow.register_model(f"models:/{logged.model_id}", name)
    MlflowClient().transition_model_version_stage(name, "1", "Production")
    yield name
    MlflowClient().delete_registered_model(name)


def test_the_documented_models_serve_runs_in_this_environment_on_a_free_port(
    server: Settings, in_production: str, sample_months: Path, tmp_path: Path
) -> None:
    stack = make_stack(tmp_path, sample_months)
    overrides = {name: server[name] for name in ("PGPORT", "STREAMFLOW_STATE")}
    line = f". .venv/bin/activate && exec mlflow models serve -m models:/{in_production}/Production"
    with socket.create_server(("127.0.0.1", int(stack.environment["MLFLOW_PORT"]))):
        process = subprocess.Popen(
            ["sh", "-c", line],
            env={**stack.environment, **overrides},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            output = process.stdout.readline()
            assert output.startswith(f"Port {stack.environment['MLFLOW_PORT']} is in use"), output
            address = re.search(r"served at (http://\S+:\d+)\.", output)
            assert address
            rows = {name: ROWS[name].tolist() for name in TYPES}
            answer = wait_for_answer(f"{address[1]}/invocations", {"inputs": rows}, process)
            assert {row["model_version"] for row in answer["predictions"]} == {"1"}
        finally:
            processes.end(psutil.Process(process.pid))
            process.communicate(timeout=60)


def wait_for_answer(address: str, body: dict[str, Any], process: "subprocess.Popen[str]") -> dict[str, Any]:
    def answer() -> dict[str, Any] | None:
        assert process.poll() is None, process.communicate()[0]
        try:
            answered: dict[str, Any] = requests.post(address, json=body, timeout=10).json()
        except requests.RequestException:
            return None  # its port is not open yet
        return answered

    return wait_until(answer, 180, 0.2) or {}


def test_without_conda_this_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CONDA_EXE", raising=False)
    assert launcher.with_environment(["run", "."]) == ["run", ".", "--env-manager", "local"]


@pytest.mark.parametrize("chosen", [["--env-manager", "uv"], ["--env-manager=conda"]])
def test_a_chosen_environment_manager_stays(monkeypatch: pytest.MonkeyPatch, chosen: list[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert launcher.with_environment(["run", ".", *chosen]) == ["run", ".", *chosen]


def test_an_entry_point_with_parameters_is_a_plain_run() -> None:
    line = ["run", ".", "-e", "train", "-P", "as_of=2024-01-31", "-P", "model=a=b", "--env-manager", "local"]
    assert launcher.plain_run(line) == launcher.PlainRun(".", "train", {"as_of": "2024-01-31", "model": "a=b"}, "local")


@pytest.mark.parametrize(
    "line",
    [
        ["models", "serve"],
        ["run"],
        ["run", "--help"],
        ["run", ".", "-P"],
        ["run", ".", "-P", "as_of"],
        ["run", ".", "-P", "as_of=1", "-P", "as_of=2"],
        ["run", ".", "-e", "a", "--entry-point", "b"],
        ["run", ".", "--experiment-name", "other"],
        ["run", ".", "--env-manager=local", "-e"],
    ],
)
def test_any_other_command_is_left_to_mlflow(line: list[str]) -> None:
    assert launcher.plain_run(line) is None


@pytest.fixture
def ctrl_c_reaches_children() -> Iterator[None]:
    """Also if the tests run in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_one_line_and_ends_the_run_as_killed(
    server: Settings, tracking: str, sample_months: Path, tmp_path: Path, ctrl_c_reaches_children: None
) -> None:
    stack = make_stack(tmp_path, sample_months)
    overrides = {name: server[name] for name in ("PGPORT", "STREAMFLOW_STATE")}
    step = f"sample_months -P users=1000000 -P months=12 -P out_dir={tmp_path}/many"
    process = subprocess.Popen(
        ["sh", "-c", f". .venv/bin/activate && exec mlflow run . -e {step}"],
        env={**stack.environment, **overrides},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )

    def writing() -> list[Path]:
        assert process.poll() is None, process.communicate()[0]
        return list((tmp_path / "many").glob(".month_000.partial/*"))

    wait_until(writing, 120, 0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _none = process.communicate(timeout=120)
    assert process.returncode == 130
    assert output.splitlines()[-1] == "[ERROR] Interrupted"
    assert "Traceback" not in output
    assert list((tmp_path / "many").iterdir()) == []
    [run] = MlflowClient(server.tracking_uri).search_runs([tracking], max_results=1)
    assert (run.info.run_name, run.info.status) == (f"sample_months_{tmp_path}/many", "KILLED")


def test_a_shell_of_the_stack_ignores_another_server(down_stack: OwnStack) -> None:
    _code, output = activated(down_stack, "PGHOST=db.example.invalid PGSERVICE=other mlflow run . -e history")
    assert "[WARNING] Ignored" in output
    assert "PGHOST='db.example.invalid', PGSERVICE" in output
    assert output.splitlines()[-1].startswith("MLflow's tracking store does not answer at 127.0.0.1:")


def test_activation_connects_the_shell_to_the_stack_s_own_server(down_stack: OwnStack) -> None:
    shell = {"PGHOST": "db.example.invalid", "PGSERVICE": "other", "NO_PROXY": "intranet"}
    code, output = activated(down_stack, 'echo "$PGHOST,${PGSERVICE-unset},$no_proxy"', **shell)
    assert code == 0
    assert output.splitlines()[-1] == "127.0.0.1,unset,intranet,localhost,127.0.0.1,::1"


def test_a_remote_tracking_server_is_reached_through_the_shell_s_proxy(down_stack: OwnStack) -> None:
    shell = {"MLFLOW_TRACKING_URI": "http://mlflow.example.invalid:5000", "HTTP_PROXY": "http://me:pw@127.0.0.1:9"}
    code, output = activated(down_stack, "mlflow run . -e history", **shell)
    assert code != 0
    assert output.splitlines()[-1].startswith(
        "MLflow's tracking store does not answer at mlflow.example.invalid:5000 through the shell's proxy 127.0.0.1:9"
    )
