"""How soon /health, /ready and /metrics answer under load, each over a new connection, as probes ask."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PATHS = ("/health", "/ready", "/metrics")
EVERY_S = 0.1
TIMEOUT_S = 10.0
OK = 200


@dataclass(frozen=True)
class Probe:
    path: str
    status: int
    """0: no answer"""
    ms: float


@contextmanager
def probing(host: str, port: int) -> Iterator[list[Probe]]:
    """Asks for all three every EVERY_S, one after the other, as long as the block lasts; the list grows meanwhile."""
    probes: list[Probe] = []
    over = threading.Event()

    def ask_in_turn() -> None:
        while not over.wait(EVERY_S):
            probes.extend(probe(host, port, path) for path in PATHS)

    thread = threading.Thread(target=ask_in_turn)
    thread.start()
    try:
        yield probes
    finally:
        over.set()
        thread.join()


def probe(host: str, port: int, path: str) -> Probe:
    began, status = time.monotonic(), 0
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        pass  # status 0 tells it
    finally:
        connection.close()
    return Probe(path, status, (time.monotonic() - began) * 1e3)


def slowest_ms(probes: list[Probe]) -> float:
    """Infinite where one was not answered 200, or none was asked."""
    return max((each.ms if each.status == OK else float("inf") for each in probes), default=float("inf"))
