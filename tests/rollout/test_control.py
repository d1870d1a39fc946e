"""The watcher's port answers only the hosts that it is configured for."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from rollout import control
from rollout.control import ControlServer
from rollout.errors import InvalidSetting
from rollout.settings import load_settings

STATUS = {"serving": {"url": "http://127.0.0.1:5010"}}
ANSWER: Callable[[], dict[str, Any]] = lambda: STATUS  # noqa: E731 - a status without a watcher


@pytest.fixture
def server() -> Iterator[ControlServer]:
    running = control.serve(
        "127.0.0.1", 0, ANSWER, load_settings({"ALLOWED_HOSTS": "model, *.streamflow.svc"}).allowed_hosts
    )
    yield running
    running.shutdown()
    running.server_close()


def get(server: ControlServer, host: str, path: str = "/live") -> requests.Response:
    return requests.get(f"http://127.0.0.1:{server.server_port}{path}", headers={"Host": host}, timeout=5)


@pytest.mark.parametrize("host", ["127.0.0.1:5001", "localhost", "[::1]:5001", "model:5001", "watcher.streamflow.svc"])
def test_a_configured_host_gets_the_status(server: ControlServer, host: str) -> None:
    assert get(server, host).json() == STATUS


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5001", "model.evil.example", "10.0.0.7:5001", "a,b", "[", ""]
)
def test_a_foreign_host_is_refused_and_counted(
    server: ControlServer, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        answer = get(server, host)

    assert (answer.status_code, answer.headers["Content-Type"]) == (421, "application/problem+json")
    assert (answer.json()["code"], "5010" in answer.text) == ("foreign_host", False)
    assert server.foreign_hosts == 3
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2, "the first and the second"
    assert "127.0.0.1" in caplog.text


def test_health_is_answered_for_any_host(server: ControlServer) -> None:
    assert get(server, "10.0.0.7:5001", "/health").json() == {"status": "ok"}
    assert server.foreign_hosts == 0


def test_an_invalid_list_of_hosts_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=r"ROLLOUT_ALLOWED_HOSTS='model:5001': must be host names"):
        load_settings({"ALLOWED_HOSTS": "model:5001"})
