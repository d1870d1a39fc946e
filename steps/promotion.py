"""Who is in a stage: one at a time, and an alias of the stage's name with it."""

from mlflow.tracking import MlflowClient

from configuration import names
from steps import versions
from steps.settings import MODEL_NAME

PRODUCTION = names.PRODUCTION


def serving() -> str | None:
    """The version that models:/streamflow_churn/Production means: the highest, where the UI has left two."""
    found = versions.in_stage(PRODUCTION)
    return str(found[0].version) if found else None


def put_in_stage(number: str, stage: str) -> list[str]:
    """Moves the version; whoever else was in the stage is archived. Returns those, the lowest first."""
    before = [str(version.version) for version in versions.in_stage(stage)]
    client = MlflowClient()
    client.transition_model_version_stage(MODEL_NAME, number, stage, archive_existing_versions=True)
    client.set_registered_model_alias(MODEL_NAME, stage, number)  # for the day stages go
    return sorted((version for version in before if version != number), key=int)
