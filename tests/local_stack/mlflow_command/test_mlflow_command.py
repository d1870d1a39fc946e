"""How the activated shell's `mlflow` changes a command line before MLflow runs it."""

import base64
import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.tracking import MlflowClient

from local_stack.mlflow_command import addresses, created_runs, gc, launcher, ports, store
from local_stack.mlflow_command.options import RUN_FLAGS, RUN_OPTIONS, Token, parse_tokens, value_of
from local_stack.settings import ROOT, Settings
from tests.conftest import free_port


def run_tokens(*words: str) -> list[Token]:
    return parse_tokens(words, RUN_OPTIONS, RUN_FLAGS)


@pytest.mark.parametrize(
    "words",
    [("-P", "a=1", ".", "-e", "train"), ("-Pa=1", ".", "-etrain"), (".", "--param-list=a=1", "--entry-point=train")],
)
def test_an_option_is_parsed_in_any_spelling(words: tuple[str, ...]) -> None:
    tokens = run_tokens(*words)
    assert {(token.name, token.value) for token in tokens} == {
        (None, "."),
        ("--param-list", "a=1"),
        ("--entry-point", "train"),
    }


def test_the_last_value_of_a_repeated_option_counts() -> None:
    assert value_of(run_tokens(".", "-e", "a", "-e", "b"), "--entry-point") == "b"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a git repository (tag one, then main), and a bare clone of it."""
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "MLproject").write_text("name: one\n")
    (folder / "sub" / "MLproject").write_text("name: sub\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.invalid", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet", "--initial-branch", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    subprocess.run([*git, "tag", "one"], check=True)
    (folder / "MLproject").write_text("name: two\n")
    subprocess.run([*git, "commit", "--quiet", "-am", "two"], check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", str(folder), str(tmp_path / "repo.git")], check=True)
    return folder


@pytest.mark.parametrize(
    ("address", "version", "name"),
    [
        ("file://{}/repo.git", None, "two"),
        ("git+file://{}/repo.git", "one", "one"),
        ("{}/repo.git#sub", None, "sub"),
        ("{}/project", "one", "one"),
    ],
)
def test_a_local_git_repository_is_cloned_at_its_version_during_the_run(
    project: Path, address: str, version: str | None, name: str
) -> None:
    words = [address.format(project.parent), *(["-v", version] if version else [])]
    with addresses.local_project(run_tokens(*words)) as tokens:
        clone, _mark, sub = str(tokens[0].value).partition("#")
        assert (Path(clone) / sub / "MLproject").read_text() == f"name: {name}\n"
        assert value_of(tokens, "--version") is None
    assert not Path(clone).exists()
    assert (project / "MLproject").read_text() == "name: two\n"  # the user's working folder is unchanged


def test_a_missing_version_is_one_line(project: Path) -> None:
    with pytest.raises(SystemExit, match=r"repo\.git: git failed: .*'nope'"):
        addresses.local_project(run_tokens(str(project.parent / "repo.git"), "-v", "nope")).__enter__()


@pytest.mark.parametrize("address", [".", "https://example.invalid/x.git", "git@example.invalid:x.git"])
def test_any_other_address_is_left_to_mlflow(address: str) -> None:
    with addresses.local_project(run_tokens(address, "-e", "train")) as tokens:
        assert tokens == run_tokens(address, "-e", "train")


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("month_dir=mine/m", "month_dir={caller}/mine/m"),  # exists
        ("month_dir=nowhere/m", "month_dir={caller}/nowhere/m"),  # exists nowhere: the message names the caller's path
        ("month_dir=sub", "month_dir=sub"),  # only in the project
        ("labels_file=mine/m", "labels_file={caller}/mine/m"),
        ("month_dir=/abs/m", "month_dir=/abs/m"),
        ("as_of=mine/m", "as_of=mine/m"),
    ],
)
def test_a_relative_path_is_relative_to_the_caller(
    project: Path, tmp_path: Path, parameter: str, expected: str
) -> None:
    caller = tmp_path / "elsewhere"
    (caller / "mine" / "m").mkdir(parents=True)
    [_address, token] = addresses.resolve_paths(run_tokens(str(project), "-P", parameter), caller)
    assert token.value == expected.format(caller=caller)
    [_address, token] = addresses.resolve_paths(run_tokens(str(project), "-P", parameter), project)
    assert token.value == parameter


@pytest.mark.parametrize("option", ["--experiment-name", "--experiment-id"])
def test_an_experiment_option_wins_over_the_shell_s_variable(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "streamflow")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    launcher.prepare_run(["run", ".", "-e", "train"])
    assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "streamflow"
    launcher.prepare_run(["run", ".", "-e", "train", option, "7"])
    assert "MLFLOW_EXPERIMENT_NAME" not in os.environ
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.fixture
def used_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shell's MLFLOW_PORT, which is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        monkeypatch.setenv("MLFLOW_PORT", port)
        yield port


def test_a_model_server_takes_a_free_port_if_the_default_is_in_use(
    used_port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ports.for_model_server(["-m", "models:/m/1"])
    output = capsys.readouterr().out
    assert line[:3] == ["-m", "models:/m/1", "--port"]
    assert line[3] != used_port
    assert output.startswith(f"Port {used_port} is in use; the model is served at http://127.0.0.1:{line[3]}")
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize("spelling", [["-p", "{}"], ["-p{}"], ["--port={}"]])
def test_a_chosen_port_in_use_is_one_line(used_port: str, spelling: list[str]) -> None:
    with pytest.raises(
        SystemExit, match=rf"Port {used_port} of 127\.0\.0\.1 is in use\. Use a free one, such as --port \d+"
    ):
        ports.for_model_server(["-m", "models:/m/1", *(argument.format(used_port) for argument in spelling)])


def test_a_free_port_is_kept(used_port: str) -> None:
    line = ["-m", "models:/m/1", "-p", str(free_port())]
    assert ports.for_model_server(line) == line
    ports.for_tracking_server(line)


def test_a_tracking_server_on_a_port_in_use_is_one_line(used_port: str) -> None:
    with pytest.raises(
        SystemExit, match=rf"Port {used_port} of 127\.0\.0\.1 is in use\. For another server: --port \d+"
    ):
        ports.for_tracking_server([])


@pytest.mark.parametrize("line", [["--env-manager", "uv"], ["--env-manager=virtualenv"], ["--no-conda"]])
def test_a_given_environment_is_kept(line: list[str]) -> None:
    assert launcher.in_this_environment(line) == line
    assert launcher.in_this_environment(["-m", "x"]) == ["-m", "x", "--env-manager", "local"]


class TokenHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_authorized = self.headers.get("Authorization") == "Bearer right"
        self.send_response(200 if is_authorized else 401)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def protected_server() -> Iterator[str]:
    """A tracking server that requires a token."""
    server = http.server.HTTPServer(("127.0.0.1", 0), TokenHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_store_that_requires_a_login_is_one_line_with_the_variables(
    protected_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", protected_server)
    with pytest.raises(SystemExit, match=r"refuses the login\. Set MLFLOW_TRACKING_USERNAME"):
        store.require_store(["experiments", "search"])
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "right")
    store.require_store(["experiments", "search"])


def test_the_login_is_that_of_the_environment_else_of_mlflows_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.login_header() == {}
    (tmp_path / ".mlflow").mkdir()
    file = "[mlflow]\nmlflow_tracking_username = steps\nmlflow_tracking_password = 50%%\n"
    (tmp_path / ".mlflow" / "credentials").write_text(file)
    assert store.login_header() == {"Authorization": f"Basic {base64.b64encode(b'steps:50%').decode()}"}
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "other")
    assert store.login_header() == {"Authorization": f"Basic {base64.b64encode(b'steps:other').decode()}"}


@pytest.mark.parametrize(
    "command", ["run", "runs", "experiments", "models", "artifacts", "gc", "server", "ui", "traces"]
)
def test_every_command_that_needs_the_store_reports_in_one_line_that_it_is_down(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    nowhere = f"postgresql+psycopg2://a:b@127.0.0.1:{free_port()}/mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", nowhere)
    with pytest.raises(SystemExit, match=r"does not answer at .*Start the stack: make up"):
        store.require_store([command, "something"])
    store.require_store([command, "--help"])


def test_errors_of_mlflow_are_one_line() -> None:
    deleted = MlflowException("The experiment 7 must be in the 'active' state. Current state is deleted.")
    assert store.one_line(deleted) == (
        "Experiment 7 was deleted. Restore it: mlflow experiments restore --experiment-id 7"
    )
    with pytest.raises(SystemExit, match=r"^\[ERROR\] No Experiment with id=99 exists$"):
        launcher.with_short_errors(lambda: MlflowClient("sqlite://").get_experiment("99"))
    with pytest.raises(SystemExit, match=r"^\[ERROR\] .*nope\.json"):
        launcher.with_short_errors(lambda: Path("nope.json").read_text())  # type: ignore[arg-type]


def test_an_error_in_the_project_s_code_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        launcher.with_short_errors(lambda: 1 // 0)  # type: ignore[arg-type]


def test_prepare_env_has_nothing_to_prepare(capsys: pytest.CaptureFixture[str]) -> None:
    launcher.run_command(["models", "prepare-env", "-m", "models:/m/1"])
    assert capsys.readouterr().out.startswith("Nothing to prepare")


@pytest.fixture
def version(tracking: str, server: Settings) -> Iterator[tuple[str, str]]:
    """The training run and the dataset run of a registered version."""
    client = MlflowClient(server.tracking_uri)
    dataset = client.create_run(tracking).info.run_id
    training = client.create_run(tracking, tags={"dataset_run_id": dataset}).info.run_id
    name = f"kept-{time.time_ns()}"
    client.create_registered_model(name)
    client.create_model_version(name, source=f"{server.artifacts.as_uri()}/x", run_id=training)
    yield training, dataset
    client.delete_registered_model(name)


@pytest.mark.parametrize("index", [0, 1])
def test_gc_keeps_the_runs_of_a_registered_version(version: tuple[str, str], server: Settings, index: int) -> None:
    client, run_id = MlflowClient(server.tracking_uri), version[index]
    gc.refuse_needed_runs([])
    client.delete_run(run_id)
    with pytest.raises(SystemExit, match=f"gc would remove run .*{run_id}.* mlflow runs restore --run-id {run_id}"):
        gc.refuse_needed_runs([])
    gc.refuse_needed_runs(["--run-ids", "another"])
    client.restore_run(run_id)
    gc.refuse_needed_runs([])


def test_gc_keeps_a_deleted_experiment_of_a_registered_version(server: Settings, tracking: str) -> None:
    client, name = MlflowClient(server.tracking_uri), f"kept-{time.time_ns()}"
    experiment = client.create_experiment(name)
    training = client.create_run(experiment).info.run_id
    client.create_registered_model(name)
    client.create_model_version(name, source=f"{server.artifacts.as_uri()}/x", run_id=training)
    client.delete_experiment(experiment)
    with pytest.raises(SystemExit, match=f"Keep it: mlflow experiments restore --experiment-id {experiment};"):
        gc.refuse_needed_runs([])
    client.delete_registered_model(name)
    gc.refuse_needed_runs([])


@pytest.mark.parametrize(("fails", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_a_run_without_a_description_is_named_and_described(
    tracking: str, server: Settings, fails: bool, status: str
) -> None:
    client, run_ids = MlflowClient(server.tracking_uri), []

    def command() -> None:
        run = client.create_run(tracking, tags={"mlflow.project.entryPoint": "sample_months"})
        run_ids.append(run.info.run_id)
        client.log_param(run.info.run_id, "out_dir", "here")
        if fails:
            raise MlflowException("the step failed")
        client.set_terminated(run.info.run_id)

    with pytest.raises(MlflowException) if fails else contextlib.nullcontext():
        created_runs.run_and_complete(command, is_named=False)
    run = client.get_run(run_ids[0])
    assert (run.info.status, run.info.run_name) == (status, "sample_months_here")
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("[ERROR]" if fails else "[OK] sample_months with out_dir=here")


def test_every_run_of_a_project_is_recorded_and_mlflow_s_client_is_restored(
    tracking: str, server: Settings, tmp_path: Path
) -> None:
    """If this fails, MLflow creates a project's run in another way, and created_runs must follow."""
    (tmp_path / "MLproject").write_text("name: failing\nentry_points: {main: {command: 'exit 3'}}\n")
    before, create_run = MlflowClient.create_run, []

    def command() -> None:
        create_run.append(MlflowClient.create_run)
        mlflow.projects.run(str(tmp_path), env_manager="local", experiment_id=tracking)

    with pytest.raises(ExecutionException):
        created_runs.run_and_complete(command, is_named=False)
    [run] = MlflowClient(server.tracking_uri).search_runs([tracking], max_results=1)
    assert run.data.tags["mlflow.source.name"].endswith(tmp_path.name)
    assert run.data.tags["mlflow.note.content"].startswith("[ERROR] main with no parameters")
    assert create_run != [before]
    assert MlflowClient.create_run is before


@pytest.mark.parametrize("code", [2, 3])
def test_mlflow_run_exits_with_the_code_that_the_step_recorded(
    tracking: str, server: Settings, tmp_path: Path, code: int
) -> None:
    step = f"import mlflow; from steps.runs import outcomes; mlflow.start_run(); outcomes.record({code}); exit({code})"
    project = {"name": "waiting", "entry_points": {"main": {"command": f'{sys.executable} -c "{step}"'}}}
    (tmp_path / "MLproject").write_text(json.dumps(project))
    (tmp_path / "steps").symlink_to(ROOT / "steps")
    (tmp_path / "configuration").symlink_to(ROOT / "configuration")
    client = MlflowClient(server.tracking_uri)

    def command() -> None:
        mlflow.projects.run(str(tmp_path), env_manager="local", experiment_id=tracking)

    with pytest.raises(SystemExit) as ended:
        created_runs.run_and_complete(command, is_named=False)
    assert ended.value.code == code
    [run] = client.search_runs([tracking], max_results=1)
    assert run.data.tags["streamflow.exit_code"] == str(code)
