"""The exit code of a step that ended as it should and is not done: it waits for a person, or a rule stopped it.

MLflow's projects know only success and failure. The run keeps the code as a tag, from which the activated shell's
`mlflow run` takes its own exit code.
"""

import mlflow
from mlflow.utils.mlflow_tags import MLFLOW_USER

from configuration import names


def record(exit_code: int) -> None:
    """Tags the active run."""
    mlflow.set_tag(names.EXIT_CODE_TAG, exit_code)


def person() -> str:
    """Who started the active run, as MLflow knows them."""
    run = mlflow.MlflowClient().get_run(mlflow.active_run().info.run_id)
    return run.data.tags.get(MLFLOW_USER) or "unknown"
