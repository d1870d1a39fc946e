"""A private Redis server for benchmarks and tests: empty, in memory only, on the loopback interface."""

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

START_TIMEOUT_S = 10.0
POLL_S = 0.02


def missing() -> str | None:
    """The missing program or package that Redis as online store needs, and how to install it; None if none is."""
    if shutil.which("redis-server") is None:
        return "redis-server is not on PATH: apt-get install redis-server"
    if importlib.util.find_spec("redis") is None:
        return "The Python package redis is missing: .venv/bin/uv pip install -r requirements-redis.txt"
    return None


@dataclass
class RedisServer:
    port: int
    folder: str
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Any:
        """A client that reads and writes the keys directly."""
        from redis import Redis  # noqa: PLC0415 - an extra

        return Redis.from_url(self.url, socket_timeout=START_TIMEOUT_S)

    def start(self) -> None:
        """Returns once the server answers. Raises RuntimeError after START_TIMEOUT_S."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"redis-server did not start on port {self.port}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), START_TIMEOUT_S) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def open_redis(port: int) -> Iterator[RedisServer]:
    """A running server on this port; ends with the block."""
    with tempfile.TemporaryDirectory(prefix="streamflow-redis-") as folder:
        server = RedisServer(port, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
