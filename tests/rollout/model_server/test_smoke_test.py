"""What a model server's answer to its own example has to be."""

from collections.abc import Iterator
from typing import Any

import pytest

from rollout.errors import NotFit
from rollout.model_server.smoke_test import Identity, try_out
from rollout.registry import Wanted
from tests.gateway.fakes import FakeServer, reply, running

WANTED = Wanted("3", "run-3", "sha", 0.25, has_alias=True, changed_ms=0)
RIGHT = {
    "prediction": 0,
    "probability": 0.25,
    "model_name": "streamflow_churn",
    "model_version": "3",
    "run_id": "run-3",
    "feature_service": "churn_v1",
}


@pytest.fixture
def model_server() -> Iterator[FakeServer]:
    with running(FakeServer()) as server:
        yield server


def tried(server: FakeServer, answer: Any, status: int = 200) -> Identity:
    server.replies = [reply(answer, status)]
    return try_out(server.url, {"months_active": [3]}, "streamflow_churn", WANTED)


def test_a_right_answer_says_who_gave_it(model_server: FakeServer) -> None:
    assert tried(model_server, {"predictions": [RIGHT]}) == Identity("streamflow_churn", "3", "run-3", "churn_v1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probability": 1.5}, "probability 1.5"),
        ({"probability": None}, "probability None"),
        ({"probability": True}, "probability True"),
        ({"probability": 0.26}, "registered with 0.25"),
        ({"prediction": 2}, "class 2"),
        ({"model_version": "2"}, "says it is version 2"),
        ({"model_version": None}, "says it is version None"),
        ({"model_name": "other"}, "of other"),
        ({"run_id": "run-9"}, "run-9"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_value(model_server: FakeServer, change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotFit, match=said):
        tried(model_server, {"predictions": [{**RIGHT, **change}]})


@pytest.mark.parametrize("body", [{}, {"predictions": 3}, {"predictions": [0]}, [], b"not json", {"predictions": [{}]}])
def test_an_answer_of_another_shape_is_refused(model_server: FakeServer, body: Any) -> None:
    with pytest.raises(NotFit, match="shape"):
        tried(model_server, body)


@pytest.mark.parametrize("answers", [[], [RIGHT, RIGHT]])
def test_an_answer_with_another_number_of_rows_is_refused(model_server: FakeServer, answers: list[Any]) -> None:
    with pytest.raises(NotFit, match="1 rows with"):
        tried(model_server, {"predictions": answers})


def test_an_error_is_refused_with_its_status(model_server: FakeServer) -> None:
    with pytest.raises(NotFit, match="status 500"):
        tried(model_server, {"error": "boom"}, 500)


def test_silence_is_refused() -> None:
    with pytest.raises(NotFit, match="did not answer"):
        try_out("http://127.0.0.1:1", {"months_active": [3]}, "streamflow_churn", WANTED)
