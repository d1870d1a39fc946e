"""Requests that wait at the same time are predicted together, with one lookup and one call of the model.

Each request's code runs in a greenlet (calls.py), several in one thread: where it asks for predictions it is suspended,
the others of its batch run up to the same point, and all go on with their results. With a thread for each request
instead, handing over between threads took more time than the requests themselves (docs/decisions/0061).
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from greenlet import getcurrent

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.upstream import DeadlineExceeded, Overloaded, Unavailable
from feature_enricher.prediction.calls import Call, CallGreenlet
from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline

# Fewer requests wait for the batch in flight to return: what a batch costs by itself, a second would cost again.
WORTH_A_BATCH = 16
# More at a time would compute for so long that probes and the event loop wait for the interpreter.
MOST_REQUESTS = 64
# Longer than most batches take: one that waits for a server that hangs must not hold up the others.
PATIENCE_S = 0.025
# Clients that ask again at once do so within this time after their answer; the next batch waits for them.
RETURN_S = 0.002

log = logging.getLogger(__name__)


class Observer(Protocol):
    def waited(self, seconds: Sequence[float]) -> None: ...
    def batch_left(self, users: int) -> None: ...


class Batches:
    """`workers` threads, each with one batch in flight: while one waits for the model, another reads features.

    A second batch leaves beside one in flight only when enough requests wait for it, or when one has waited long. So a
    few requests that come together leave together, and many are split between the threads.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Item], Deadline], Sequence[Result]],
        *,
        workers: int,
        largest_batch: int,
        observer: Observer | None = None,
    ) -> None:
        """`largest_batch` counts users."""
        self._predict = predict
        self._largest_batch = largest_batch
        self._observer = observer
        self._waiting: deque[Call] = deque()
        self.unread = 0
        """Requests that wait to be read (server/admission.py); for the metrics"""
        self._closed = False
        self._in_flight = 0  # batches
        self._clients = 0  # requests in the batch that returned last, and those that waited then
        self._last_return = 0.0
        self._changed = threading.Condition()
        # One at a time: two that compute would take turns at the interpreter, and the event loop would seldom get it
        self._computing = threading.Lock()
        for worker in range(workers):
            threading.Thread(target=self._work, name=f"batch-{worker}", daemon=True).start()

    def submit(
        self,
        function: Callable[[], Any],
        deliver: Callable[[Any, Exception | None], None],
        since: float | None = None,
    ) -> Call:
        """`deliver` is called in another thread with the function's result, or with what it raised.

        `since`: the time.monotonic() from which it has waited, if not from now. Raises Overloaded after close().
        """
        call = Call(function, deliver, since)
        with self._changed:
            if self._closed:
                raise Overloaded("The gateway is stopping")
            self._waiting.append(call)
            self._changed.notify()
        return call

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """One result per item, in order. In a submitted function: together with the other functions of its batch."""
        current = getcurrent()
        if not isinstance(current, CallGreenlet):
            return self._predicted(items, deadline)
        current.call.items, current.call.deadline = items, deadline
        return current.wait()

    def queue_length(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """What waits is still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while calls := self._next_batch():
            try:
                self._run(calls)
            except Exception:  # the next batch must leave all the same
                log.exception("A batch met a fault")
            with self._changed:
                self._in_flight -= 1
                self._clients = len(calls) + len(self._waiting)
                self._last_return = time.monotonic()
                self._changed.notify()

    def _next_batch(self) -> list[Call]:
        """Waits until one may leave. Empty once closed, when all is answered."""
        with self._changed:
            while (pause_s := self._pause_s()) != 0:
                if self._closed and not self._waiting:
                    return []
                self._changed.wait(pause_s)
            self._in_flight += 1
            most = min(len(self._waiting), self._largest_batch, MOST_REQUESTS)
            return [self._waiting.popleft() for _ in range(most)]

    def _pause_s(self) -> float | None:
        """Until the next batch may leave: 0 for now, None for not before something changes."""
        if not self._waiting:
            return None
        if len(self._waiting) >= WORTH_A_BATCH:
            return 0
        if self._in_flight:
            return max(0.0, self._waiting[0].since + PATIENCE_S - time.monotonic())
        if len(self._waiting) >= self._clients:
            return 0
        return max(0.0, self._last_return + RETURN_S - time.monotonic())

    def _run(self, calls: Sequence[Call]) -> None:
        """All of them up to their end; a call that asks for predictions again begins another round."""
        with self._computing:
            running = self._begun(deque(calls))
        while running:
            # the latest: one with little time left must not spoil the others' answer
            deadline = max((call.deadline for call in running), key=lambda deadline: deadline.until)
            results = iter(self._predicted([item for call in running for item in call.items], deadline))
            with self._computing:
                running = [call for call in running if call.goes_on(list(itertools.islice(results, len(call.items))))]

    def _begun(self, calls: deque[Call]) -> list[Call]:
        """Those that wait for predictions now. Once they ask for a whole batch of users, the others go back to wait."""
        running: list[Call] = []
        users, began_at = 0, time.monotonic()
        waited_s = []
        while calls and users < self._largest_batch:
            call = calls.popleft()
            waited_s.append(began_at - call.since)
            if call.begins():
                running.append(call)
                users += len(call.items)
        if self._observer:
            self._observer.waited(waited_s)
        with self._changed:
            self._waiting.extendleft(reversed(calls))
            self._changed.notify()
        return running

    def _predicted(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        size = self._largest_batch
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        return [result for part in parts for result in self._part_predicted(part, deadline)]

    def _part_predicted(self, items: Sequence[Item], deadline: Deadline) -> Sequence[Result]:
        if deadline.is_over():  # neither the store's fault nor the model's, whose breakers would count it
            return [DeadlineExceeded("The deadline came while other users were predicted")] * len(items)
        if self._observer:
            self._observer.batch_left(len(items))
        try:
            results = self._predict(items, deadline)
        except Unavailable as error:
            return [error] * len(items)
        except Exception:  # every request of the batch must hear of it
            log.exception("A batch met a fault")
            return [EnricherError("Internal error")] * len(items)
        if len(results) != len(items):
            log.error("%s results for %s users", len(results), len(items))
            return [EnricherError("Internal error")] * len(items)
        return results
