"""Functions that are suspended where they ask for predictions, so that many of them share one thread."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from greenlet import greenlet

from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline


class Call:
    """One submitted function. `began` and `abandoned` tell its two sides of each other."""

    def __init__(
        self, function: Callable[[], Any], deliver: Callable[[Any, Exception | None], None], since: float | None = None
    ) -> None:
        self.since = time.monotonic() if since is None else since
        self.items: Sequence[Item] = ()
        self.deadline = Deadline(0)
        """Of the predictions that it waits for, like `items`"""
        self.began = False
        self.abandoned = False
        """Nobody waits for its result: it need not begin"""
        self._function = function
        self._deliver = deliver
        self._greenlet: greenlet | None = None

    def begins(self) -> bool:
        """Whether it waits for predictions now; else it has ended. In the thread that goes on with it later."""
        if self.abandoned:
            return False
        self.began = True
        self._greenlet = CallGreenlet(self._run)
        self._greenlet.call = self
        return self._switch()

    def goes_on(self, results: list[Result]) -> bool:
        return self._switch(results)

    def _switch(self, *sent: list[Result]) -> bool:
        assert self._greenlet is not None  # noqa: S101 - it began
        waits = bool(self._greenlet.switch(*sent))
        if not waits:
            self._greenlet = None  # it holds this call: the two would be left to the garbage collector
        return waits

    def _run(self) -> bool:
        try:
            result = self._function()
        except Exception as error:  # noqa: BLE001 - whoever waits for it must hear of it
            self._deliver(None, error)
        else:
            self._deliver(result, None)
        return False


class CallGreenlet(greenlet):
    call: Call

    def wait(self) -> list[Result]:
        """Back to the batch, until it goes on."""
        assert self.parent is not None  # noqa: S101 - the greenlet that began it
        results: list[Result] = self.parent.switch(True)
        return results
