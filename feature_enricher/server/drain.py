"""SIGTERM in two steps: /ready says 503 first, so that load balancers stop sending; the listener closes later."""

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any


class Drain:
    """Made before the worker processes, which get `load`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._reader, self._writer = multiprocessing.Pipe(duplex=False)
        self._process = os.getpid()
        self._begun = False

    def delay_stop(self) -> None:
        """Puts itself before the handler of SIGTERM: that one runs after the time, or at once at a second SIGTERM."""
        stop: Any = signal.getsignal(signal.SIGTERM)

        def on_signal(number: int, frame: Any) -> None:
            # a worker process that has not yet set its own handler inherits this one
            if self._begun or os.getpid() != self._process:
                stop(number, frame)
                return
            self._begun = True
            self._writer.send_bytes(b"stopping")  # never read: it stays visible to every worker process
            timer = threading.Timer(self._seconds, stop, (number, None))
            timer.daemon = True
            timer.start()

        signal.signal(signal.SIGTERM, on_signal)

    def loader(self, target: str) -> Callable[[], Any]:
        """Loads the ASGI application of the factory `target` (module:function) in a worker process."""
        return partial(_load, target, self._reader)


def _load(target: str, reader: Connection) -> Any:
    module, _colon, name = target.partition(":")
    return getattr(importlib.import_module(module), name)(reader.poll)
