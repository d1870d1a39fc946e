"""`mlflow gc` removes deleted runs permanently; refuses it for runs that a registered version needs."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from configuration import names
from local_stack.mlflow_command.options import parse_tokens, value_of

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

FLAGS = ("--jobs", "--all-workspaces", "--help")


def refuse_needed_runs(arguments: Sequence[str]) -> None:
    """Exits with one line if `gc …` would remove the run of a registered version or of its dataset."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, which other commands do not need

    client, tokens = MlflowClient(), parse_tokens(arguments, {}, FLAGS)
    runs, experiments = (value_of(tokens, name) for name in ("--run-ids", "--experiment-ids"))
    for run, version in _needed_runs(client):
        experiment = client.get_experiment(run.info.experiment_id)
        experiment_is_deleted = experiment.lifecycle_stage == "deleted"
        run_is_removed = run.info.lifecycle_stage == "deleted" and _is_selected(run.info.run_id, runs)
        if not run_is_removed and not (experiment_is_deleted and _is_selected(experiment.experiment_id, experiments)):
            continue
        restore = (
            f"experiments restore --experiment-id {experiment.experiment_id}"
            if experiment_is_deleted
            else f"runs restore --run-id {run.info.run_id}"
        )
        sys.exit(
            f"[ERROR] gc would remove run {run.info.run_name} ({run.info.run_id}) permanently; {version} was made "
            f"from it. Keep it: mlflow {restore}; or delete the version first"
        )


def _is_selected(identifier: str, selection: str | None) -> bool:
    return selection is None or identifier in selection.split(",")


def _needed_runs(client: "MlflowClient") -> "Iterator[tuple[Run, str]]":
    """The runs that registered versions were made from, each with the version's name."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - loaded with the client

    token: str | None = None
    while True:
        page = client.search_model_versions(max_results=1000, page_token=token)
        for version in page:
            run_id: str | None = version.run_id
            while run_id:
                try:
                    run = client.get_run(run_id)
                except MlflowException:
                    break  # already removed
                yield run, f"{version.name} version {version.version}"
                run_id = run.data.tags.get(names.DATASET_RUN_TAG)
        token = page.token
        if not token:
            return
