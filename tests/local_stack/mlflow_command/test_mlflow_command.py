"""What the activated shell's `mlflow` does with a command line before MLflow sees it."""

import contextlib
import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.tracking import MlflowClient

from local_stack.mlflow_command import addresses, gc, launcher, made_runs, ports, store
from local_stack.mlflow_command.options import RUN_FLAGS, RUN_OPTIONS, Token, tokens, value_of
from local_stack.settings import Settings
from tests.conftest import free_port


def of_run(*words: str) -> list[Token]:
    return tokens(words, RUN_OPTIONS, RUN_FLAGS)


@pytest.mark.parametrize(
    "words",
    [("-P", "a=1", ".", "-e", "train"), ("-Pa=1", ".", "-etrain"), (".", "--param-list=a=1", "--entry-point=train")],
)
def test_an_option_is_read_in_any_spelling(words: tuple[str, ...]) -> None:
    found = of_run(*words)
    assert {(token.name, token.value) for token in found} == {
        (None, "."),
        ("--param-list", "a=1"),
        ("--entry-point", "train"),
    }


def test_of_an_option_given_twice_the_last_counts() -> None:
    assert value_of(of_run(".", "-e", "a", "-e", "b"), "--entry-point") == "b"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a git repository with a bare copy beside it: version one, then main."""
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
def test_a_git_repository_on_this_machine_is_cloned_at_its_version_for_the_while(
    project: Path, address: str, version: str | None, name: str
) -> None:
    words = [address.format(project.parent), *(["-v", version] if version else [])]
    with addresses.local_project(of_run(*words)) as found:
        place, _mark, sub = str(found[0].value).partition("#")
        assert (Path(place) / sub / "MLproject").read_text() == f"name: {name}\n"
        assert value_of(found, "--version") is None
    assert not Path(place).exists()
    assert (project / "MLproject").read_text() == "name: two\n"  # nobody's working folder was touched


def test_a_version_that_is_not_there_is_one_line(project: Path) -> None:
    with pytest.raises(SystemExit, match=r"repo\.git: git says .*'nope'"):
        addresses.local_project(of_run(str(project.parent / "repo.git"), "-v", "nope")).__enter__()


@pytest.mark.parametrize("address", [".", "https://example.invalid/x.git", "git@example.invalid:x.git"])
def test_any_other_address_is_left_to_mlflow(address: str) -> None:
    with addresses.local_project(of_run(address, "-e", "train")) as found:
        assert found == of_run(address, "-e", "train")


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ("month_dir=mine/m", "month_dir={caller}/mine/m"),  # is there
        ("month_dir=nowhere/m", "month_dir={caller}/nowhere/m"),  # is nowhere: the message names where it was typed
        ("month_dir=sub", "month_dir=sub"),  # only in the project
        ("labels_file=mine/m", "labels_file={caller}/mine/m"),
        ("month_dir=/abs/m", "month_dir=/abs/m"),
        ("as_of=mine/m", "as_of=mine/m"),
    ],
)
def test_a_relative_folder_is_the_caller_s(project: Path, tmp_path: Path, given: str, means: str) -> None:
    caller = tmp_path / "elsewhere"
    (caller / "mine" / "m").mkdir(parents=True)
    [_address, parameter] = addresses.paths_of_caller(of_run(str(project), "-P", given), caller)
    assert parameter.value == means.format(caller=caller)
    [_address, parameter] = addresses.paths_of_caller(of_run(str(project), "-P", given), project)
    assert parameter.value == given


@pytest.mark.parametrize("option", ["--experiment-name", "--experiment-id"])
def test_an_experiment_that_is_asked_for_wins_over_the_shell_s(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "streamflow")
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    launcher.paths_and_environment(["run", ".", "-e", "train"])
    assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "streamflow"
    launcher.paths_and_environment(["run", ".", "-e", "train", option, "7"])
    assert "MLFLOW_EXPERIMENT_NAME" not in os.environ
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shell's MLFLOW_PORT, where somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        monkeypatch.setenv("MLFLOW_PORT", port)
        yield port


def test_a_model_server_takes_a_free_port_where_the_usual_one_is_taken_and_says_so(
    taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ports.for_model_server(["-m", "models:/m/1"])
    said = capsys.readouterr().out
    assert line[:3] == ["-m", "models:/m/1", "--port"]
    assert line[3] != taken
    assert said.startswith(f"Port {taken} is taken: the model is served at http://127.0.0.1:{line[3]}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("spelling", [["-p", "{}"], ["-p{}"], ["--port={}"]])
def test_a_port_that_was_asked_for_and_is_taken_is_one_line(taken: str, spelling: list[str]) -> None:
    with pytest.raises(SystemExit, match=rf"Port {taken} of 127\.0\.0\.1 is taken\. Give one that is free: --port \d+"):
        ports.for_model_server(["-m", "models:/m/1", *(word.format(taken) for word in spelling)])


def test_a_port_that_is_free_is_left_as_it_was_asked_for(taken: str) -> None:
    line = ["-m", "models:/m/1", "-p", str(free_port())]
    assert ports.for_model_server(line) == line
    ports.for_tracking_server(line)


def test_a_second_tracking_server_on_a_taken_port_is_one_line(taken: str) -> None:
    with pytest.raises(SystemExit, match=rf"Port {taken} of 127\.0\.0\.1 is taken\. For another server: --port \d+"):
        ports.for_tracking_server([])


@pytest.mark.parametrize("line", [["--env-manager", "uv"], ["--env-manager=virtualenv"], ["--no-conda"]])
def test_an_environment_that_was_asked_for_is_obeyed(line: list[str]) -> None:
    assert launcher.in_this_environment(line) == line
    assert launcher.in_this_environment(["-m", "x"]) == ["-m", "x", "--env-manager", "local"]


class Refuses(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        knows_us = self.headers.get("Authorization") == "Bearer right"
        self.send_response(200 if knows_us else 401)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def guarded() -> Iterator[str]:
    """A tracking server that wants a token."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_store_that_wants_a_login_is_one_line_that_says_what_to_set(
    guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", guarded)
    with pytest.raises(SystemExit, match="wants a login, or another one. Set MLFLOW_TRACKING_USERNAME"):  # noqa: RUF043
        store.require_store(["experiments", "search"])
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "right")
    store.require_store(["experiments", "search"])


@pytest.mark.parametrize(
    "command", ["run", "runs", "experiments", "models", "artifacts", "gc", "server", "ui", "traces"]
)
def test_every_command_that_needs_the_store_says_in_one_line_that_it_is_down(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    nowhere = f"postgresql+psycopg2://a:b@127.0.0.1:{free_port()}/mlflow"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", nowhere)
    with pytest.raises(SystemExit, match=r"does not answer at .*Start the stack: make up"):
        store.require_store([command, "something"])
    store.require_store([command, "--help"])


def test_what_mlflow_raises_is_one_line() -> None:
    deleted = MlflowException("The experiment 7 must be in the 'active' state. Current state is deleted.")
    assert store.in_one_line(deleted) == (
        "Experiment 7 was deleted. Put it back: mlflow experiments restore --experiment-id 7"
    )
    with pytest.raises(SystemExit, match=r"^\[ERROR\] No Experiment with id=99 exists$"):
        launcher.with_manners(lambda: MlflowClient("sqlite://").get_experiment("99"))
    with pytest.raises(SystemExit, match=r"^\[ERROR\] .*nope\.json"):
        launcher.with_manners(lambda: Path("nope.json").read_text())  # type: ignore[arg-type]


def test_a_fault_of_our_own_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError):
        launcher.with_manners(lambda: 1 // 0)  # type: ignore[arg-type]


def test_there_is_nothing_to_prepare_for_this_environment(capsys: pytest.CaptureFixture[str]) -> None:
    launcher.command(["models", "prepare-env", "-m", "models:/m/1"])
    assert capsys.readouterr().out.startswith("Nothing to prepare")


@pytest.fixture
def version(tracking: str, server: Settings) -> Iterator[tuple[str, str]]:
    """A registered version's training run and dataset run, both live."""
    client = MlflowClient(server.tracking_uri)
    dataset = client.create_run(tracking).info.run_id
    training = client.create_run(tracking, tags={"dataset_run_id": dataset}).info.run_id
    name = f"kept-{time.time_ns()}"
    client.create_registered_model(name)
    client.create_model_version(name, source=f"{server.artifacts.as_uri()}/x", run_id=training)
    yield training, dataset
    client.delete_registered_model(name)


@pytest.mark.parametrize("which", [0, 1])
def test_gc_does_not_delete_what_a_version_was_made_from(
    version: tuple[str, str], server: Settings, which: int
) -> None:
    client, run_id = MlflowClient(server.tracking_uri), version[which]
    gc.require_unneeded([])
    client.delete_run(run_id)
    with pytest.raises(SystemExit, match=f"gc would remove run .*{run_id}.* mlflow runs restore --run-id {run_id}"):
        gc.require_unneeded([])
    gc.require_unneeded(["--run-ids", "another"])
    client.restore_run(run_id)
    gc.require_unneeded([])


def test_gc_does_not_delete_a_deleted_experiment_that_a_version_comes_from(server: Settings, tracking: str) -> None:
    client, name = MlflowClient(server.tracking_uri), f"kept-{time.time_ns()}"
    experiment = client.create_experiment(name)
    training = client.create_run(experiment).info.run_id
    client.create_registered_model(name)
    client.create_model_version(name, source=f"{server.artifacts.as_uri()}/x", run_id=training)
    client.delete_experiment(experiment)
    with pytest.raises(SystemExit, match=f"Keep it: mlflow experiments restore --experiment-id {experiment};"):
        gc.require_unneeded([])
    client.delete_registered_model(name)
    gc.require_unneeded([])


@pytest.mark.parametrize(("fails", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_a_run_whose_step_said_nothing_is_named_and_described(
    tracking: str, server: Settings, fails: bool, status: str
) -> None:
    client, made = MlflowClient(server.tracking_uri), []

    def command() -> None:
        run = client.create_run(tracking, tags={"mlflow.project.entryPoint": "sample_months"})
        made.append(run.info.run_id)
        client.log_param(run.info.run_id, "out_dir", "here")
        if fails:
            raise MlflowException("the step failed")
        client.set_terminated(run.info.run_id)

    with pytest.raises(MlflowException) if fails else contextlib.nullcontext():
        made_runs.looked_after(command, is_named=False)
    run = client.get_run(made[0])
    assert (run.info.status, run.info.run_name) == (status, "sample_months_here")
    said = run.data.tags["mlflow.note.content"]
    assert said.startswith("[ERROR]" if fails else "[OK] sample_months with out_dir=here")


def test_every_run_that_mlflow_makes_for_a_project_is_noticed_and_mlflow_is_left_as_it_was(
    tracking: str, server: Settings, tmp_path: Path
) -> None:
    """When this fails, MLflow makes a project's run in another way: made_runs has to follow."""
    (tmp_path / "MLproject").write_text("name: failing\nentry_points: {main: {command: 'exit 3'}}\n")
    before, create_run = MlflowClient.create_run, []

    def command() -> None:
        create_run.append(MlflowClient.create_run)
        mlflow.projects.run(str(tmp_path), env_manager="local", experiment_id=tracking)

    with pytest.raises(ExecutionException):
        made_runs.looked_after(command, is_named=False)
    [run] = MlflowClient(server.tracking_uri).search_runs([tracking], max_results=1)
    assert run.data.tags["mlflow.source.name"].endswith(tmp_path.name)
    assert run.data.tags["mlflow.note.content"].startswith("[ERROR] main with no parameters")
    assert create_run != [before]
    assert MlflowClient.create_run is before
