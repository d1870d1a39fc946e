"""Probes record each path's status and response time."""

import time
from http.server import BaseHTTPRequestHandler

from bench.load.probes import PATHS, probe, probing, slowest_ms
from tests.conftest import free_port
from tests.gateway.fakes import FakeServer, reply, running


def test_all_paths_are_requested_in_turn_during_the_block() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path == "/ready":
            time.sleep(0.1)
        reply({})(handler, body)

    with running(FakeServer()) as server:
        server.replies = [answer]
        with probing(*server.server_address[:2]) as probes:  # type: ignore[arg-type]
            time.sleep(0.8)
    assert [probed.path for probed in probes[:3]] == list(PATHS)
    assert len(probes) >= 6
    assert {probed.status for probed in probes} == {200}
    assert 100 <= slowest_ms(probes) < 500
    assert min(probed.ms for probed in probes) < 100


def test_an_error_and_a_missing_answer_are_recorded() -> None:
    with running(FakeServer()) as server:
        server.replies = [reply({}, 503)]
        assert probe("127.0.0.1", server.server_address[1], "/ready").status == 503
    assert probe("127.0.0.1", free_port(), "/ready").status == 0
