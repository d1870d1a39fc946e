"""Rows -> predictions, from the model server's /invocations. Each answer is checked before use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from configuration import names
from feature_enricher.errors.base import NoAnswer
from feature_enricher.errors.upstream import ModelCircuitOpen, ModelRejected, ModelUnavailable
from feature_enricher.upstream.answer_counter import AnswerCounter
from feature_enricher.upstream.breaker import Breaker
from feature_enricher.upstream.http_client import Answer, Upstream
from feature_enricher.upstream.reasons import Reasons, checked_reasons
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow

# A row with a category that the version was not trained on must not fail the others. Versions older than this option
# ignore it and refuse the rows.
OPTIONS: Mapping[str, Any] = {"unknown_categories": "mark"}


@dataclass(frozen=True)
class Prediction:
    """One row's result: the row, its prediction, and the version that made it."""

    code: ClassVar[str] = "ok"  # like an error's code
    row: FeatureRow = field(hash=False)
    prediction: int
    probability: float
    model_name: str
    model_version: str | None  # a model served from a run has none
    run_id: str
    feature_service: str
    calibration: str = "none"
    """"none": the probability is the classifier's own score. Default for versions that state neither this nor the
    threshold"""
    threshold: float = names.FORMER_THRESHOLD
    reasons: Reasons | None = field(default=None, hash=False)


@dataclass(frozen=True)
class NotTrainedOn:
    """One row's categories that the answering version was not trained on."""

    categories: Mapping[str, str] = field(hash=False)
    """Feature -> value"""
    model_name: str
    model_version: str | None
    run_id: str
    feature_service: str


ModelAnswer = Prediction | NotTrainedOn


class ModelClient(Protocol):
    breaker: Breaker
    """Closed while predictions succeed"""

    def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> Sequence[ModelAnswer]: ...
    def explain(self, rows: Sequence[FeatureRow], features: int, deadline: Deadline) -> Sequence[ModelAnswer]: ...
    def ping(self, deadline: Deadline) -> None: ...


class ModelServerClient:
    def __init__(self, upstream: Upstream) -> None:
        # one per model server: failures of this one do not count for the next
        self.breaker = Breaker(lambda: ModelCircuitOpen("The model server did not answer several times in a row"))
        self.answers = AnswerCounter()
        self._upstream = upstream

    def predict(self, rows: Sequence[FeatureRow], deadline: Deadline) -> list[ModelAnswer]:
        """One answer per row, in order, all by one version. `rows`: at least one, all with the same feature names."""
        with self.breaker.guard(), self.answers.counted(rows, deadline):
            return self._predict(rows, OPTIONS, deadline)

    def explain(self, rows: Sequence[FeatureRow], features: int, deadline: Deadline) -> list[ModelAnswer]:
        """The same answers, with the reasons of so many features where the version can give them.

        Not counted for the watcher: reasons take many times as long, and their share says nothing of a version.
        """
        with self.breaker.guard():
            return self._predict(rows, {**OPTIONS, "explain": features}, deadline)

    def ping(self, deadline: Deadline) -> None:
        """Raises ModelUnavailable unless /ping is answered with 200."""
        try:
            answer = self._upstream.get("/ping", deadline)
        except NoAnswer as error:
            raise ModelUnavailable("The model server did not answer") from error
        if answer.status != HTTPStatus.OK:
            raise ModelUnavailable(f"The model server answered with status {answer.status}")

    def close(self) -> None:
        self._upstream.close()

    def _predict(self, rows: Sequence[FeatureRow], options: Mapping[str, Any], deadline: Deadline) -> list[ModelAnswer]:
        columns = {name: [row.features[name] for row in rows] for name in rows[0].features}
        answer = self._answer_to({"inputs": columns, "params": options}, deadline)
        try:
            return _predictions(answer.json(), rows)
        except (ValueError, TypeError, KeyError) as error:
            raise ModelUnavailable("The model server returned an invalid answer") from error

    def _answer_to(self, body: Mapping[str, Any], deadline: Deadline) -> Answer:
        try:
            answer = self._upstream.post("/invocations", body, deadline)
        except NoAnswer as error:
            raise ModelUnavailable("The model server did not answer") from error
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ModelRejected(f"The model server refused the features with status {answer.status}")
        if answer.status != HTTPStatus.OK:
            raise ModelUnavailable(f"The model server answered with status {answer.status}")
        return answer


def _predictions(body: Any, rows: Sequence[FeatureRow]) -> list[ModelAnswer]:
    answers = body["predictions"]
    if not isinstance(answers, list) or len(answers) != len(rows):
        raise ValueError(f"Not a list of {len(rows)} predictions")
    results = [_result(row, answer) for row, answer in zip(rows, answers, strict=True)]
    if (
        len({(result.model_name, result.model_version, result.run_id, result.feature_service) for result in results})
        != 1
    ):
        raise ValueError("Rows of one answer come from several versions")
    return results


def _result(row: FeatureRow, answer: Any) -> ModelAnswer:
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
        row=row,
        prediction=_class(answer["prediction"]),
        probability=_probability(answer["probability"]),
        calibration=_text(answer.get("calibration", Prediction.calibration)),
        threshold=_probability(answer.get("threshold", Prediction.threshold)),
        reasons=checked_reasons(answer.get("reasons"), row),
        **identity,
    )


def _categories(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(category, str) for category in value.values()):
        raise ValueError(f"unknown_categories is {value!r}, not an object of texts")
    return value


def _class(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in (0, 1):
        raise ValueError(f"prediction is {value!r}, not 0 or 1")
    return value


def _probability(value: object) -> float:
    # also refuses NaN, whose comparisons are false
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"probability is {value!r}, not a number from 0 to 1")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text with at least one character")
    return value
