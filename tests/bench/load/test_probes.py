"""Probes tell how soon each path answers, and whether it does."""

import time
from http.server import BaseHTTPRequestHandler

from bench.load.probes import PATHS, probe, probing, slowest_ms
from tests.conftest import free_port
from tests.gateway.fakes import FakeServer, reply, running


def test_all_paths_are_asked_in_turn_as_long_as_the_block_lasts() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if handler.path == "/ready":
            time.sleep(0.1)
        reply({})(handler, body)

    with running(FakeServer()) as server:
        server.replies = [answer]
        with probing(*server.server_address[:2]) as probes:  # type: ignore[arg-type]
            time.sleep(0.8)
    assert [each.path for each in probes[:3]] == list(PATHS)
    assert len(probes) >= 6
    assert {each.status for each in probes} == {200}
    assert 100 <= slowest_ms(probes) < 500
    assert min(each.ms for each in probes) < 100


def test_an_error_and_no_answer_are_told() -> None:
    with running(FakeServer()) as server:
        server.replies = [reply({}, 503)]
        assert probe("127.0.0.1", server.server_address[1], "/ready").status == 503
    assert probe("127.0.0.1", free_port(), "/ready").status == 0
