"""`mlflow gc` deletes deleted runs for good, whoever needs them. What a registered version needs is told first."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from configuration import names
from local_stack.mlflow_command.options import tokens, value_of

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

FLAGS = ("--jobs", "--all-workspaces", "--help")


def require_unneeded(arguments: Sequence[str]) -> None:
    """Exits with one line when a run that `gc …` would delete made a registered version, or the dataset of one."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - seconds that a message need not wait for

    client, found = MlflowClient(), tokens(arguments, {}, FLAGS)
    runs, experiments = (value_of(found, name) for name in ("--run-ids", "--experiment-ids"))
    for run, version in _needed(client):
        experiment = client.get_experiment(run.info.experiment_id)
        goes_with_it = experiment.lifecycle_stage == "deleted"
        goes_alone = run.info.lifecycle_stage == "deleted" and _is_meant(run.info.run_id, runs)
        if not goes_alone and not (goes_with_it and _is_meant(experiment.experiment_id, experiments)):
            continue
        restore = (
            f"experiments restore --experiment-id {experiment.experiment_id}"
            if goes_with_it
            else f"runs restore --run-id {run.info.run_id}"
        )
        sys.exit(
            f"[ERROR] gc would remove run {run.info.run_name} ({run.info.run_id}) for good; {version} was made of it. "
            f"Keep it: mlflow {restore}; or delete the version first"
        )


def _is_meant(one: str, given: str | None) -> bool:
    return given is None or one in given.split(",")


def _needed(client: "MlflowClient") -> "Iterator[tuple[Run, str]]":
    """The runs behind each registered version, with the version's name."""
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
                    break  # gone for good already
                yield run, f"{version.name} version {version.version}"
                run_id = run.data.tags.get(names.DATASET_RUN_TAG)
        token = page.token
        if not token:
            return
