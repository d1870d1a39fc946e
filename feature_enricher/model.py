"""rows -> predictions, by the model server's /invocations. No answer is believed before it is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from feature_enricher.deadline import Deadline
from feature_enricher.errors import ModelRejected, ModelUnavailable, NoAnswer
from feature_enricher.upstream import Answer, Upstream

# A row with a category that the version was not trained on must not fail the others. Versions from before the option
# ignore it, and refuse the rows.
OPTIONS = {"unknown_categories": "mark"}


@dataclass(frozen=True)
class Prediction:
    """What the answering version says of one row, and which version it is."""

    prediction: int
    probability: float
    model_name: str
    model_version: str | None  # a model served from a run has none
    run_id: str
    feature_service: str
    calibration: str = "none"
    """"none": the probability is the classifier's own score. So it was, with this threshold, of versions that do not
    tell."""
    threshold: float = 0.5


@dataclass(frozen=True)
class NotTrainedOn:
    """What the answering version says of a row with categories that it was not trained on, and which version it is."""

    categories: Mapping[str, str] = field(hash=False)
    """Feature -> value"""
    model_name: str
    model_version: str | None
    run_id: str
    feature_service: str


Said = Prediction | NotTrainedOn


class Model(Protocol):
    def predict(self, rows: Sequence[Mapping[str, Any]], deadline: Deadline) -> Sequence[Said]: ...
    def ping(self, deadline: Deadline) -> None: ...


class ModelServer:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def predict(self, rows: Sequence[Mapping[str, Any]], deadline: Deadline) -> list[Said]:
        """One per row, in order, all by one version. `rows` is not empty, each with the same names."""
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        answer = self._answer_to(columns, deadline)
        try:
            return _predictions(answer.json(), len(rows))
        except (ValueError, TypeError, KeyError) as error:
            raise ModelUnavailable("The model server gave an answer of the wrong shape") from error

    def ping(self, deadline: Deadline) -> None:
        """Raises ModelUnavailable unless the server says that it lives."""
        try:
            answer = self._upstream.get("/ping", deadline)
        except NoAnswer as error:
            raise ModelUnavailable("The model server did not answer") from error
        if answer.status != HTTPStatus.OK:
            raise ModelUnavailable(f"The model server answered with status {answer.status}")

    def close(self) -> None:
        self._upstream.close()

    def _answer_to(self, columns: Mapping[str, Sequence[Any]], deadline: Deadline) -> Answer:
        try:
            answer = self._upstream.post("/invocations", {"inputs": columns, "params": OPTIONS}, deadline)
        except NoAnswer as error:
            raise ModelUnavailable("The model server did not answer") from error
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ModelRejected(f"The model server refused the features with status {answer.status}")
        if answer.status != HTTPStatus.OK:
            raise ModelUnavailable(f"The model server answered with status {answer.status}")
        return answer


def _predictions(body: Any, rows: int) -> list[Said]:
    answers = body["predictions"]
    if not isinstance(answers, list) or len(answers) != rows:
        raise ValueError(f"Not a list of {rows} predictions")
    said = [_said(answer) for answer in answers]
    if len({(one.model_name, one.model_version, one.run_id, one.feature_service) for one in said}) != 1:
        raise ValueError("Rows of one answer come from several versions")
    return said


def _said(answer: Any) -> Said:
    version = answer["model_version"]
    identity: dict[str, Any] = {
        "model_name": _text(answer["model_name"]),
        "model_version": None if version is None else _text(version),
        "run_id": _text(answer["run_id"]),
        "feature_service": _text(answer["feature_service"]),
    }
    if unknown := answer.get("unknown_categories"):
        return NotTrainedOn(_categories(unknown), **identity)
    return Prediction(
        prediction=_class(answer["prediction"]),
        probability=_probability(answer["probability"]),
        calibration=_text(answer.get("calibration", Prediction.calibration)),
        threshold=_probability(answer.get("threshold", Prediction.threshold)),
        **identity,
    )


def _categories(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(category, str) for category in value.values()):
        raise ValueError(f"{value!r} does not name categories")
    return value


def _class(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in (0, 1):
        raise ValueError(f"prediction is {value!r}, neither 0 nor 1")
    return value


def _probability(value: object) -> float:
    # NaN is caught too: it compares as false
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"probability is {value!r}, not a number from 0 to 1")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return value
