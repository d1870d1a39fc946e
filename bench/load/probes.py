"""Response times of /health, /ready and /metrics under load, each over a new connection, as probes request them."""

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
    """Requests all paths one after the other, every EVERY_S, during the block. The list grows with each answer."""
    probes: list[Probe] = []
    over = threading.Event()

    def probe_all() -> None:
        while not over.wait(EVERY_S):
            probes.extend(probe(host, port, path) for path in PATHS)

    thread = threading.Thread(target=probe_all)
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
        pass  # recorded as status 0
    finally:
        connection.close()
    return Probe(path, status, (time.monotonic() - began) * 1e3)


def slowest_ms(probes: list[Probe]) -> float:
    """Infinite when a probe was not answered 200, or when there are no probes."""
    return max((probe.ms if probe.status == OK else float("inf") for probe in probes), default=float("inf"))
