"""The experiment's id in MLflow, for links. It is asked for until it is there."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from configuration import names
from steps import warehouse
from steps.cli.errors import StepError


class ExperimentId:
    def __init__(self) -> None:
        self._number: str | None = None

    def get(self) -> str | None:
        """None while MLflow does not answer, or has no such experiment: pages are shown without the link."""
        if self._number is None:
            try:
                warehouse.ping()  # MLflow's tables are on the same server, and MLflow would try again for minutes
                experiment = MlflowClient().get_experiment_by_name(names.EXPERIMENT)
            except (MlflowException, StepError):
                return None
            self._number = str(experiment.experiment_id) if experiment else None
        return self._number
