"""The service that carries out what people ask for: a request that fails is not tried at every look."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from unittest import mock

import pytest

from deploy.containers import decision_requests
from deploy.containers.decision_requests import AGAIN_S, Tried
from steps.cli.errors import TrackingUnavailable
from steps.registry import approvals
from steps.warehouse import RecordedRequest

OPEN = RecordedRequest("2", 1, "approve", "ann", datetime(2024, 3, 1, tzinfo=UTC))


def test_a_request_that_stays_open_is_tried_again_later() -> None:
    now = [0.0]
    tried = Tried(lambda: now[0])
    assert tried.due([OPEN])
    assert not tried.due([OPEN])
    now[0] = AGAIN_S
    assert tried.due([OPEN])


def test_a_new_request_is_tried_at_once() -> None:
    tried = Tried()
    assert not tried.due([])
    assert tried.due([OPEN])
    second = replace(OPEN, action="refuse")
    assert tried.due([OPEN, second])
    assert not tried.due([second])
    assert tried.due([OPEN]), "it was closed meanwhile"


def test_a_step_that_fails_or_hangs_does_not_end_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        mock.patch.object(approvals, "open_requests", return_value=[OPEN]),
        mock.patch.object(subprocess, "run", return_value=subprocess.CompletedProcess([], 1)),
    ):
        decision_requests.look(Tried())
    assert "What is still open is tried again in 3600 s" in capsys.readouterr().err
    hangs = mock.patch.object(subprocess, "run", side_effect=subprocess.TimeoutExpired("approve", 1800))
    with mock.patch.object(approvals, "open_requests", return_value=[OPEN]), hangs:
        decision_requests.look(Tried())
    assert "timed out after 1800 seconds" in capsys.readouterr().err


def test_a_server_that_is_down_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        mock.patch.object(approvals, "open_requests", side_effect=[TrackingUnavailable("MLflow is down"), []]) as looks,
        mock.patch.object(decision_requests, "LOOKED") as looked,
        mock.patch("time.sleep", side_effect=[None, KeyboardInterrupt]) as slept,
        pytest.raises(KeyboardInterrupt),
    ):
        decision_requests.main()
    assert (looks.call_count, looked.touch.call_count, slept.call_count) == (2, 2, 2)
    assert "MLflow is down. The next look at the requests is in 15 s" in capsys.readouterr().err
