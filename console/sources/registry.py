"""The versions of the model, with what their tags say, and links to MLflow's pages."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configuration import mlflow_ui, names
from steps import warehouse
from steps.cli.settings import MODEL_NAME

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from steps.warehouse import RecordedRequest

GATE_FIGURES = ("auc_production", "auc_candidate", "auc_gain", "auc_gain_low", "auc_gain_high")
COUNTS = ("users_compared", "rows_compared")


@dataclass(frozen=True)
class Version:
    number: str
    stage: str
    run_id: str | None
    tags: Mapping[str, str]
    created_ms: int

    @property
    def verdict(self) -> str:
        return self.tags.get("gate", "never judged")

    @property
    def reason(self) -> str:
        return self.tags.get("gate_reason", "")

    @property
    def figures(self) -> dict[str, float]:
        """The gate's comparison, without what was not measured. Tags are anybody's text."""
        measured = {}
        for name in (*GATE_FIGURES, *COUNTS):
            with suppress(ValueError):
                measured[name] = float(self.tags.get(f"gate_{name}", ""))
        return {name: value for name, value in measured.items() if math.isfinite(value)}


def all_versions() -> list[Version]:
    """The highest number first. Raises TrackingUnavailable, DatabaseUnavailable."""
    from steps.registry import versions  # noqa: PLC0415 - MLflow reads its time limits when it is imported

    warehouse.ping()  # MLflow's tables are on the same server, and MLflow would try again for minutes

    return [_version(version) for version in versions.all_versions()]


def waiting() -> list[str]:
    """The numbers of the versions that wait for a person. Raises TrackingUnavailable, DatabaseUnavailable."""
    from steps.registry import approvals, decisions  # noqa: PLC0415 - as above

    return approvals.waiting(decisions.about_stages())


def open_requests() -> dict[str, "RecordedRequest"]:
    """Version -> what a person asked for on the page, not carried out yet. Raises as waiting()."""
    from steps.registry import approvals  # noqa: PLC0415 - as above

    return {request.version: request for request in approvals.open_requests()}


def request_decision(number: str, action: str, person: str) -> None:
    """Records a person's request to approve or refuse. Raises StepError where the version does not wait."""
    from steps.registry import approvals  # noqa: PLC0415 - as above

    approvals.request_decision(number, "refuse" if action == "refuse" else "approve", person)


def serving(versions: list[Version]) -> Version | None:
    """The one that models:/NAME/Production means: the highest number in that stage."""
    return next((version for version in versions if version.stage == names.PRODUCTION), None)


def _version(version: "ModelVersion") -> Version:
    tags = dict(version.tags)
    run_id = version.run_id or tags.get(names.RUN_ID_TAG)
    return Version(str(version.version), version.current_stage, run_id, tags, int(version.creation_timestamp))


class Links:
    """Addresses of MLflow's pages, for a browser."""

    def __init__(self, mlflow_url: str, experiment_id: Callable[[], str | None]) -> None:
        """experiment_id: asked for by pages with such a link alone; the others do without MLflow."""
        self._url, self._experiment_id = mlflow_url, experiment_id

    def run(self, run_id: str | None) -> str | None:
        experiment = self._experiment_id() if run_id else None
        return f"{self._url}/{mlflow_ui.run_page(experiment, str(run_id))}" if experiment else None

    def runs(self) -> str | None:
        """The project's runs, with the columns that matter."""
        experiment = self._experiment_id()
        return f"{self._url}/{mlflow_ui.runs_page(experiment)}" if experiment else None

    def version(self, number: str) -> str:
        return f"{self._url}/{mlflow_ui.version_page(MODEL_NAME, number)}"

    def model(self) -> str:
        return f"{self._url}/{mlflow_ui.model_page(MODEL_NAME)}"
