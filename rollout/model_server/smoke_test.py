"""What a new model server has to show before the gateway is turned to it: a right answer to the model's own example."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from rollout import loopback
from rollout.errors import NotFit
from rollout.registry import Wanted

ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Identity:
    """Who a model server says it is."""

    model_name: str
    version: str
    run_id: str
    feature_service: str


def example_of(model: Path) -> dict[str, list[Any]]:
    """Column -> values of the input example that is logged with the model. Raises NotFit when there is none."""
    from mlflow.models import Model  # noqa: PLC0415 - the watcher's port answers before mlflow is loaded

    try:
        frame = Model.load(str(model)).load_input_example(str(model))
    except Exception as error:
        raise NotFit(f"its input example cannot be read ({type(error).__name__})") from error
    if frame is None or not len(frame):
        raise NotFit("it has no input example to try it with")
    return {str(name): frame[name].tolist() for name in frame.columns}


def try_out(url: str, example: Mapping[str, list[Any]], name: str, wanted: Wanted) -> Identity:
    """Asks for the example. Raises NotFit, with the reason, unless the answer is that version's and is right."""
    try:
        answer = loopback.post(f"{url}/invocations", {"inputs": example}, ANSWER_TIMEOUT_S)
    except requests.RequestException as error:
        raise NotFit(f"it did not answer to its input example ({type(error).__name__})") from error
    if answer.status_code != HTTPStatus.OK:
        raise NotFit(f"it answered its input example with status {answer.status_code}")
    rows = len(next(iter(example.values())))
    try:
        predictions = answer.json()["predictions"]
        if len(predictions) != rows:
            raise NotFit(f"it answered {rows} rows with {len(predictions)} predictions")
        identities = [_checked(prediction, name, wanted) for prediction in predictions]
    except (ValueError, KeyError, TypeError) as error:
        raise NotFit("its answer has not the shape of a prediction with its identity") from error
    return identities[0]


def _checked(prediction: Mapping[str, Any], name: str, wanted: Wanted) -> Identity:
    probability = prediction["probability"]
    if isinstance(probability, bool) or not isinstance(probability, float | int) or not 0 <= probability <= 1:
        raise NotFit(f"it answered with the probability {probability!r}")
    if prediction["prediction"] not in (0, 1):
        raise NotFit(f"it answered with the class {prediction['prediction']!r}")
    expected = wanted.example_probability
    if expected is not None and probability != expected:
        raise NotFit(f"it answered its input example with {probability!r} and registered with {expected!r}")
    identity = Identity(
        prediction["model_name"], prediction["model_version"], prediction["run_id"], prediction["feature_service"]
    )
    run_id = wanted.run_id or identity.run_id
    if (identity.model_name, identity.version, identity.run_id) != (name, wanted.version, run_id):
        raise NotFit(f"it says it is version {identity.version} of {identity.model_name}, run {identity.run_id}")
    return identity
