"""A look-up in MLflow that failed is an error, never told as a fact: only MLflow's own word is that there is no such
thing."""

import mlflow
from mlflow.exceptions import MlflowException

from steps.errors import TrackingUnavailable

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


def is_absent(error: MlflowException) -> bool:
    """Whether MLflow answered that there is no such thing, rather than that it could not look."""
    return error.error_code in ABSENT


def failed(error: MlflowException) -> TrackingUnavailable:
    uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
    return TrackingUnavailable(f"MLflow at {uri} could not be asked: {error}. Is the stack up? make up")
