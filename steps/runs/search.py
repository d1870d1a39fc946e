"""Reads from MLflow whose answer may be that the object does not exist."""

from collections.abc import Callable
from typing import TypeVar

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from steps.cli.errors import TrackingUnavailable

MISSING_CODES = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}
MAX_CHARACTERS = 500  # of another program's error message, in a tag and on a screen

T = TypeVar("T")


def look_up(query: Callable[[], T]) -> T | None:
    """The query's result; None when MLflow answers that the object does not exist.

    Raises TrackingUnavailable for any other error: a failed look-up does not mean that the object is missing.
    """
    try:
        return query()
    except MlflowException as error:
        if error.error_code in MISSING_CODES:
            return None
        uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
        raise TrackingUnavailable(f"MLflow at {uri} does not answer: {first_line(error)}. Try again") from error


def find_run(run_id: str) -> Run | None:
    """None when there is no such run. Raises TrackingUnavailable."""
    return look_up(lambda: MlflowClient().get_run(run_id))


def first_line(error: Exception) -> str:
    """The type and the first line of an error's message, cut to MAX_CHARACTERS."""
    message = error.message if isinstance(error, MlflowException) else str(error)
    return f"{type(error).__name__}: {(message.strip() or 'no message').splitlines()[0]}"[:MAX_CHARACTERS]
