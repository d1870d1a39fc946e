"""The smoke test of a new model server: its answer to the model's own input example must be right."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from rollout.errors import LaunchFailed
from rollout.model_server.calls import Answer
from rollout.registry import TargetVersion
from sealing.statement import Statement

ANSWER_TIMEOUT_S = 10.0

Call = Callable[[str, object, float], Answer]
"""Path, body and time limit -> the model server's answer"""


@dataclass(frozen=True)
class Identity:
    """The model that a server names in its answers."""

    model_name: str
    version: str
    run_id: str
    feature_service: str


def input_example(model: Path) -> dict[str, list[Any]]:
    """Column -> values of the input example logged with the model. Raises LaunchFailed if there is none."""
    from mlflow.models import Model  # noqa: PLC0415 - after shorten_waits()

    try:
        frame = Model.load(str(model)).load_input_example(str(model))
    except Exception as error:
        raise LaunchFailed(f"its input example cannot be read ({type(error).__name__})") from error
    if frame is None or not len(frame):
        raise LaunchFailed("it has no input example for the smoke test")
    return {str(name): frame[name].tolist() for name in frame.columns}


def run_smoke_test(
    call: Call, example: Mapping[str, list[Any]], name: str, target: TargetVersion, seal: Statement
) -> Identity:
    """Send the example (column -> values). Raises LaunchFailed unless the answer is the sealed one and the target's."""
    try:
        answer = call("/invocations", {"inputs": example}, ANSWER_TIMEOUT_S)
    except (OSError, HTTPException) as error:
        raise LaunchFailed(f"it did not answer its input example ({type(error).__name__})") from error
    if answer.status != HTTPStatus.OK:
        raise LaunchFailed(f"it answered its input example with status {answer.status}")
    rows = len(next(iter(example.values())))
    try:
        predictions = json.loads(answer.body)["predictions"]
        if len(predictions) != rows:
            raise LaunchFailed(f"it answered {rows} rows with {len(predictions)} predictions")
        identities = [_identity(prediction, name, target, seal) for prediction in predictions]
    except (ValueError, KeyError, TypeError) as error:
        raise LaunchFailed("its answer does not have the shape of a prediction with the model's identity") from error
    return identities[0]


def _identity(prediction: Mapping[str, Any], name: str, target: TargetVersion, seal: Statement) -> Identity:
    """Check one prediction. Raises LaunchFailed with the wrong value."""
    probability = prediction["probability"]
    if isinstance(probability, bool) or not isinstance(probability, float | int) or not 0 <= probability <= 1:
        raise LaunchFailed(f"it answered with the probability {probability!r}, which must be from 0 to 1")
    if prediction["prediction"] not in (0, 1):
        raise LaunchFailed(f"it answered with the class {prediction['prediction']!r}, which must be 0 or 1")
    expected = seal.example_probability
    if expected is not None and probability != expected:
        raise LaunchFailed(f"it answered its input example with {probability!r} and was registered with {expected!r}")
    identity = Identity(
        prediction["model_name"], prediction["model_version"], prediction["run_id"], prediction["feature_service"]
    )
    run_id = seal.run_id or target.run_id or identity.run_id
    if (identity.model_name, identity.version, identity.run_id) != (name, target.version, run_id):
        raise LaunchFailed(
            f"its answer names version {identity.version} of {identity.model_name}, run {identity.run_id}"
        )
    return identity
