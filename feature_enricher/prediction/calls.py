"""Functions that are suspended while they need predictions; many of them share one thread."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from greenlet import greenlet

from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline


class Call:
    """One submitted function. `started` is set by the batch, `abandoned` by the waiting side."""

    def __init__(
        self, function: Callable[[], Any], deliver: Callable[[Any, Exception | None], None], since: float | None = None
    ) -> None:
        self.since = time.monotonic() if since is None else since
        self.items: Sequence[Item] = ()
        self.deadline = Deadline(0)
        """Of the predictions it waits for, like `items`"""
        self.started = False
        self.abandoned = False
        """No client waits for its result: it need not start"""
        self._function = function
        self._deliver = deliver
        self._greenlet: greenlet | None = None

    @property
    def explains(self) -> bool:
        """Whether its predictions need reasons."""
        return any(item.explain for item in self.items)

    def start(self) -> bool:
        """Runs the function until it needs predictions (True) or ends (False). resume() must run in the same thread."""
        if self.abandoned:
            return False
        self.started = True
        self._greenlet = CallGreenlet(self._run)
        self._greenlet.call = self
        return self._switch()

    def resume(self, results: list[Result]) -> bool:
        return self._switch(results)

    def _switch(self, *sent: list[Result]) -> bool:
        assert self._greenlet is not None  # noqa: S101 - it was started
        waits = bool(self._greenlet.switch(*sent))
        if not waits:
            self._greenlet = None  # it refers to this call: the cycle would be left to the garbage collector
        return waits

    def _run(self) -> bool:
        try:
            result = self._function()
        except Exception as error:  # noqa: BLE001 - delivered to the waiting side
            self._deliver(None, error)
        else:
            self._deliver(result, None)
        return False


class CallGreenlet(greenlet):
    call: Call

    def wait(self) -> list[Result]:
        """Suspends the call until the batch resumes it with its results."""
        assert self.parent is not None  # noqa: S101 - the greenlet that started it
        results: list[Result] = self.parent.switch(True)
        return results
