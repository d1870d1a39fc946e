"""The service that carries out what people ask for: a request that fails is not tried at every look."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from unittest import mock

import pytest

from deploy.containers import decision_requests
from deploy.containers.decision_requests import AGAIN_S, APPROVE, LOOK_S, Tried
from local_stack.settings import ROOT
from steps.cli.errors import TrackingUnavailable
from steps.registry import approvals
from steps.runs.entry_points import arguments
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


class ForTwoLooks(threading.Event):
    """Is set during the second wait."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == LOOK_S
        self.waits += 1
        if self.waits == 2:
            self.set()
        return self.is_set()


def test_a_server_that_is_down_is_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        mock.patch.object(approvals, "open_requests", side_effect=[TrackingUnavailable("MLflow is down"), []]) as looks,
        mock.patch.object(decision_requests, "LOOKED") as looked,
    ):
        decision_requests.run(ForTwoLooks())
    assert (looks.call_count, looked.touch.call_count) == (2, 2)
    assert "MLflow is down. The next look at the requests is in 15 s" in capsys.readouterr().err


def test_it_ends_with_a_signal_and_says_what_is_down() -> None:
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "PGHOST": "127.0.0.1", "PGPORT": "9"}
    command = [sys.executable, "-m", "deploy.containers.decision_requests"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | nowhere, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        lines = iter(service.stderr.readline, "")
        assert any("The next look at the requests is in 15 s" in line for line in lines)
        service.terminate()
        assert service.wait(10) == 0


def test_it_runs_the_step_for_open_requests() -> None:
    assert list(APPROVE) == ["-m", "steps.approve", *arguments("approve", {"pending": "true"})]
