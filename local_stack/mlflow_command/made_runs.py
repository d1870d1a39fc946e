"""The runs that `mlflow run` makes: none stays RUNNING after a failed start, none without a name and a word."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

NAME, NOTE, ENTRY_POINT = "mlflow.runName", "mlflow.note.content", "mlflow.project.entryPoint"
NAMED_AFTER = ("as_of", "run_id", "version", "out_dir")  # the first of these parameters that was given
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"  # the UI opens on runs, not on GenAI traces


def looked_after(command: Callable[[], Any], *, is_named: bool) -> None:
    """Runs the command; then ends what it made and left RUNNING, and says on it what a step that spoke has said itself.

    is_named: somebody gave the run a name, which it keeps.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - the command has loaded it already
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as above

    made: list[str] = []
    ending = "FAILED"
    try:
        with _remembered(made):
            command()
    except KeyboardInterrupt:
        ending = "KILLED"
        raise
    finally:
        with contextlib.suppress(MlflowException):  # what ended the command is what is to be seen
            for run_id in made:
                _look_after(MlflowClient(), run_id, ending, is_named=is_named)


@contextlib.contextmanager
def _remembered(made: list[str]) -> Iterator[None]:
    """Adds the id of every run that this process makes. MLflow returns a run's id only once the run has started, and
    asks nobody while it makes one; so this is one of the two places where the project replaces something of another
    package's (tests/test_house_rules.py knows both)."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the command has loaded it already

    create_run = MlflowClient.create_run

    def remembering(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        run = create_run(self, *args, **kwargs)
        made.append(run.info.run_id)
        return run

    MlflowClient.create_run = remembering
    try:
        yield
    finally:
        MlflowClient.create_run = create_run


def _look_after(client: "MlflowClient", run_id: str, ending: str, *, is_named: bool) -> None:
    run = client.get_run(run_id)
    if run.info.status == "RUNNING" or (run.info.status == "FAILED" and ending == "KILLED"):
        client.set_terminated(run_id, ending)
        run = client.get_run(run_id)
    if NOTE in run.data.tags:
        return
    client.set_tag(run_id, NOTE, _description(run))
    if not is_named:
        client.set_tag(run_id, NAME, _name(run))
    open_as_training(client, run.info.experiment_id)


def _name(run: "Run") -> str:
    after = next((run.data.params[name] for name in NAMED_AFTER if run.data.params.get(name)), None)
    return "_".join(filter(None, (run.data.tags.get(ENTRY_POINT, "run"), after)))


def _description(run: "Run") -> str:
    given = ", ".join(f"{name}={value}" for name, value in sorted(run.data.params.items()) if value)
    what = f"{run.data.tags.get(ENTRY_POINT, 'The entry point')} with {given or 'no parameters'}"
    if run.info.status == "FINISHED":
        return f"[OK] {what}"
    return f"[ERROR] {what} did not get as far as its own description; why is printed where it was started"


def open_as_training(client: "MlflowClient", experiment_id: str) -> None:
    if KIND not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, KIND, TRAINING)
