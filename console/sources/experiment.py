"""The experiment's id in MLflow, for links. It is asked for until it is there."""

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from configuration import names


class ExperimentId:
    def __init__(self) -> None:
        self._number: str | None = None

    def get(self) -> str | None:
        """None while MLflow does not answer, or has no such experiment: pages are shown without the link."""
        if self._number is None:
            try:
                experiment = MlflowClient().get_experiment_by_name(names.EXPERIMENT)
            except MlflowException:
                return None
            self._number = str(experiment.experiment_id) if experiment else None
        return self._number
