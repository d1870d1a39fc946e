"""The runs that `mlflow run` creates: each is ended after a failed start, and gets a name and a description. The exit
code of the command is the one that the step has recorded on its run."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from configuration import markdown, mlflow_ui, names

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

NAME, NOTE, ENTRY_POINT = "mlflow.runName", "mlflow.note.content", "mlflow.project.entryPoint"
NAMED_AFTER = ("as_of", "run_id", "version", "out_dir")  # the first of these parameters with a value


def run_and_complete(command: Callable[[], Any], *, is_named: bool) -> None:
    """Run the command; then end the runs it left RUNNING, and describe those without a description.

    is_named: the user named the run, and it keeps that name. Exits with the code that a run has recorded: MLflow knows
    only success and failure.
    """
    from mlflow.exceptions import ExecutionException, MlflowException  # noqa: PLC0415 - already loaded
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as above

    run_ids: list[str] = []
    end_status = "FAILED"
    try:
        with _recorded(run_ids):
            command()
    except (ExecutionException, SystemExit):
        if code := _recorded_code(MlflowClient(), run_ids):
            sys.exit(code)
        raise
    except KeyboardInterrupt:
        end_status = "KILLED"
        raise
    finally:
        with contextlib.suppress(MlflowException):  # the command's own error must be shown
            for run_id in run_ids:
                _complete(MlflowClient(), run_id, end_status, is_named=is_named)


def _recorded_code(client: "MlflowClient", run_ids: list[str]) -> int | None:
    """None where no run has recorded a code, or the store does not answer."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the command has already loaded it

    with contextlib.suppress(MlflowException):
        codes = [client.get_run(run_id).data.tags.get(names.EXIT_CODE_TAG) for run_id in run_ids]
        return next((int(code) for code in codes if code), None)
    return None


@contextlib.contextmanager
def _recorded(run_ids: list[str]) -> Iterator[None]:
    """Append the id of every run that this process creates. MLflow returns the id only after the run has started and
    has no hook for it; this is one of two places where the project patches another package (tests/test_house_rules.py
    lists both)."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the command has already loaded it

    create_run = MlflowClient.create_run

    def recording(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        run = create_run(self, *args, **kwargs)
        run_ids.append(run.info.run_id)
        return run

    MlflowClient.create_run = recording
    try:
        yield
    finally:
        MlflowClient.create_run = create_run


def _complete(client: "MlflowClient", run_id: str, end_status: str, *, is_named: bool) -> None:
    run = client.get_run(run_id)
    if run.info.status == "RUNNING" or (run.info.status == "FAILED" and end_status == "KILLED"):
        client.set_terminated(run_id, end_status)
        run = client.get_run(run_id)
    if NOTE in run.data.tags:
        return
    client.set_tag(run_id, NOTE, markdown.literal(_description(run)))
    if not is_named:
        client.set_tag(run_id, NAME, _name(run))
    open_as_training(client, run.info.experiment_id)


def _name(run: "Run") -> str:
    suffix = next((run.data.params[name] for name in NAMED_AFTER if run.data.params.get(name)), None)
    return "_".join(filter(None, (run.data.tags.get(ENTRY_POINT, "run"), suffix)))


def _description(run: "Run") -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in sorted(run.data.params.items()) if value)
    command = f"{run.data.tags.get(ENTRY_POINT, 'The entry point')} with {parameters or 'no parameters'}"
    if run.info.status == "FINISHED":
        return f"[OK] {command}"
    return f"[ERROR] {command} failed before it described itself; see the output of the command"


def open_as_training(client: "MlflowClient", experiment_id: str) -> None:
    for name, value in mlflow_ui.missing_tags(client.get_experiment(experiment_id).tags).items():
        client.set_experiment_tag(experiment_id, name, value)
