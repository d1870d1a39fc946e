"""The model server over real HTTP: valid and invalid answers."""

import json
from dataclasses import replace
from typing import Any

import pytest

from feature_enricher.errors.upstream import ModelRejected, ModelUnavailable
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelServerClient, NotTrainedOn
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from tests.gateway.fakes import ANSWER, RUN_ID, FakeServer, prediction, reply

ROWS = [
    FeatureRow({"months_active": 70, "net_service": "No"}, {}),
    FeatureRow({"months_active": 3, "net_service": "DSL"}, {}),
]
TIMEOUT_S = 0.3


def soon() -> Deadline:
    return Deadline.after(10.0)


def model_at(url: str) -> ModelServerClient:
    return ModelServerClient(Upstream(url, TIMEOUT_S, 2))


def answers(**changed: Any) -> dict[str, Any]:
    return {"predictions": [ANSWER, ANSWER | changed]}


def test_rows_go_out_as_columns_and_predictions_come_back_in_order(model_server: FakeServer) -> None:
    second = {"prediction": 1, "probability": 1}
    model_server.replies = [reply({"predictions": [ANSWER, ANSWER | second]})]

    predictions = model_at(model_server.url).predict(ROWS, soon())

    [(path, body)] = model_server.seen
    assert path == "/invocations"
    assert json.loads(body) == {
        "inputs": {"months_active": [70, 3], "net_service": ["No", "DSL"]},
        "params": {"unknown_categories": "mark"},
    }
    assert predictions == [prediction(ROWS[0]), replace(prediction(ROWS[1]), prediction=1, probability=1.0)]


def test_an_older_version_states_neither_calibration_nor_threshold(model_server: FakeServer) -> None:
    older = {name: value for name, value in ANSWER.items() if name not in ("calibration", "threshold")}
    model_server.replies = [reply({"predictions": [older, older]})]

    predictions = model_at(model_server.url).predict(ROWS, soon())

    assert predictions == [replace(prediction(row), calibration="none") for row in ROWS]


def test_a_row_with_an_unknown_category_is_marked(model_server: FakeServer) -> None:
    marked = {"prediction": None, "probability": None, "unknown_categories": {"net_service": "Satellite"}}
    model_server.replies = [reply({"predictions": [ANSWER | {"unknown_categories": None}, ANSWER | marked]})]

    predicted, unknown = model_at(model_server.url).predict(ROWS, soon())

    assert predicted == prediction(ROWS[0])
    assert unknown == NotTrainedOn({"net_service": "Satellite"}, "streamflow_churn", "3", RUN_ID, "churn_v1")


INVALID_ANSWERS: dict[str, object] = {
    "garbage": b"<html>",
    "nothing": b"",
    "not utf-8": b'{"predictions": "\xff"}',
    "bare NaN": json.dumps(answers(probability=float("nan"))).encode(),
    "too deep": b"[" * 100_000,
    "null": None,
    "a list": [ANSWER, ANSWER],
    "no predictions": {"outputs": []},
    "predictions null": {"predictions": None},
    "too few rows": {"predictions": [ANSWER]},
    "too many rows": {"predictions": [ANSWER] * 3},
    "bare numbers": {"predictions": [0, 1]},
    "class 2": answers(prediction=2),
    "class true": answers(prediction=True),
    "class 0.0": answers(prediction=0.0),
    "class text": answers(prediction="0"),
    "probability above 1": answers(probability=1.01),
    "probability below 0": answers(probability=-0.01),
    "probability null": answers(probability=None),
    "probability text": answers(probability="0.5"),
    "probability huge": answers(probability=10**400),
    "probability true": answers(probability=True),
    "version a number": answers(model_version=3),
    "no run": answers(run_id=""),
    "no service": answers(feature_service=None),
    "threshold a text": answers(threshold="0.5"),
    "threshold above 1": answers(threshold=1.5),
    "calibration a number": answers(calibration=1),
    "marks as a list": answers(unknown_categories=["net_service"]),
    "a mark without a text": answers(unknown_categories={"net_service": None}),
    "no mark and no probability": answers(prediction=None, probability=None, unknown_categories={}),
    "two versions": answers(model_version="4"),
    "field missing": {"predictions": [ANSWER, {k: v for k, v in ANSWER.items() if k != "model_version"}]},
}


@pytest.mark.parametrize("invalid", INVALID_ANSWERS)
def test_an_invalid_answer_is_an_error(model_server: FakeServer, invalid: str) -> None:
    model_server.replies = [reply(INVALID_ANSWERS[invalid])]

    with pytest.raises(ModelUnavailable, match="invalid answer") as caught:
        model_at(model_server.url).predict(ROWS, soon())

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("status", [201, 302, 500, 503])
def test_another_status_than_200_is_an_error(model_server: FakeServer, status: int) -> None:
    model_server.replies = [reply(answers(), status)]

    with pytest.raises(ModelUnavailable, match=str(status)):
        model_at(model_server.url).predict(ROWS, soon())


def test_refused_rows_are_a_different_error_than_a_broken_server(model_server: FakeServer) -> None:
    model_server.replies = [reply({"stack_trace": "File /srv/x"}, 400)]

    with pytest.raises(ModelRejected) as caught:
        model_at(model_server.url).predict(ROWS, soon())

    assert "srv" not in str(caught.value)


def test_ping_is_a_real_request(model_server: FakeServer) -> None:
    model_server.replies = [reply(b"\n"), reply(b"", 503)]
    model = model_at(model_server.url)

    model.ping(soon())
    with pytest.raises(ModelUnavailable):
        model.ping(soon())

    assert [path for path, _ in model_server.seen] == ["/ping", "/ping"]
