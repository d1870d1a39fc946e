"""The smoke test accepts only the target version's right answer to its input example."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from configuration.model_address import connector
from rollout.errors import LaunchFailed
from rollout.model_server.calls import call
from rollout.model_server.smoke_test import Call, Identity, run_smoke_test
from rollout.registry import TargetVersion
from sealing.statement import Environment, Statement
from tests.gateway.fakes import FakeServer, reply, running

TARGET = TargetVersion("3", "run-3", "m-3", has_alias=True, changed_ms=0)
SEAL = Statement(
    {},
    "streamflow_churn",
    "m-3",
    "run-3",
    "churn_v1",
    "sha",
    Environment("3.11.7", "", ""),
    "",
    example_probability=0.25,
)
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


def calls_to(url: str) -> Call:
    return partial(call, connector(url))


def smoke_tested(server: FakeServer, answer: Any, status: int = 200) -> Identity:
    server.replies = [reply(answer, status)]
    return run_smoke_test(calls_to(server.url), {"months_active": [3]}, "streamflow_churn", TARGET, SEAL)


def test_a_right_answer_gives_the_server_s_identity(model_server: FakeServer) -> None:
    assert smoke_tested(model_server, {"predictions": [RIGHT]}) == Identity(
        "streamflow_churn", "3", "run-3", "churn_v1"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probability": 1.5}, "probability 1.5"),
        ({"probability": None}, "probability None"),
        ({"probability": True}, "probability True"),
        ({"probability": 0.26}, "registered with 0.25"),
        ({"prediction": 2}, "class 2"),
        ({"model_version": "2"}, "names version 2"),
        ({"model_version": None}, "names version None"),
        ({"model_name": "other"}, "of other"),
        ({"run_id": "run-9"}, "run-9"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_value(
    model_server: FakeServer, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(LaunchFailed, match=message):
        smoke_tested(model_server, {"predictions": [{**RIGHT, **change}]})


@pytest.mark.parametrize("body", [{}, {"predictions": 3}, {"predictions": [0]}, [], b"not json", {"predictions": [{}]}])
def test_an_answer_of_another_shape_is_refused(model_server: FakeServer, body: Any) -> None:
    with pytest.raises(LaunchFailed, match="shape"):
        smoke_tested(model_server, body)


@pytest.mark.parametrize("answers", [[], [RIGHT, RIGHT]])
def test_an_answer_with_another_number_of_rows_is_refused(model_server: FakeServer, answers: list[Any]) -> None:
    with pytest.raises(LaunchFailed, match="answered 1 rows with"):
        smoke_tested(model_server, {"predictions": answers})


def test_an_error_is_refused_with_its_status(model_server: FakeServer) -> None:
    with pytest.raises(LaunchFailed, match="status 500"):
        smoke_tested(model_server, {"error": "boom"}, 500)


def test_a_server_that_is_not_there_is_refused() -> None:
    with pytest.raises(LaunchFailed, match="did not answer"):
        run_smoke_test(calls_to("http://127.0.0.1:1"), {"months_active": [3]}, "streamflow_churn", TARGET, SEAL)
