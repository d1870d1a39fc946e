"""Reads from MLflow. A store that does not answer is an error; an object that does not exist is an answer."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from steps.cli.errors import TrackingUnavailable

if TYPE_CHECKING:
    from mlflow.store.entities import PagedList

MISSING_CODES = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}
MAX_CHARACTERS = 500  # of another program's error message, in a tag and on a screen

FINISHED = "attributes.status = 'FINISHED'"

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
        raise _unavailable(error) from error


def runs(
    conditions: Sequence[str], experiments: Sequence[str] | None = None, limit: int = 1, page_token: str | None = None
) -> "PagedList[Run]":
    """The newest runs that meet all conditions (of MLflow's filter strings), at most `limit`, the newest first.

    experiments: their ids; None for all. Raises TrackingUnavailable.
    """
    client = MlflowClient()
    try:
        if experiments is None:
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return client.search_runs(
            list(experiments),
            " and ".join(conditions),
            max_results=limit,
            order_by=["attributes.start_time DESC"],
            page_token=page_token,
        )
    except MlflowException as error:
        raise _unavailable(error) from error


def tagged(name: str, value: str) -> str:
    """The condition of runs() for a tag."""
    return f"tags.`{name}` = '{value}'"


def _unavailable(error: MlflowException) -> TrackingUnavailable:
    uri = mlflow.get_tracking_uri().split("@")[-1]  # without the password
    return TrackingUnavailable(f"MLflow at {uri} does not answer: {first_line(error)}. Try again")


def find_run(run_id: str) -> Run | None:
    """None when there is no such run. Raises TrackingUnavailable."""
    return look_up(lambda: MlflowClient().get_run(run_id))


def first_line(error: Exception) -> str:
    """The type and the first line of an error's message, cut to MAX_CHARACTERS."""
    message = error.message if isinstance(error, MlflowException) else str(error)
    return f"{type(error).__name__}: {(message.strip() or 'no message').splitlines()[0]}"[:MAX_CHARACTERS]
