"""Predicts waiting requests together: one lookup and one call of the model for a batch.

Each request's code runs in a greenlet (calls.py); the greenlets of a batch share one thread. Each runs until it needs
predictions; then the batch predicts for all of them, and they continue with their results. With a thread for each
request, switching between threads took more time than the requests themselves (docs/decisions/0061).
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from greenlet import getcurrent

from feature_enricher.errors.upstream import DeadlineExceeded, Overloaded
from feature_enricher.prediction.calls import Call, CallGreenlet
from feature_enricher.prediction.parts import Parts
from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline

# Fewer requests wait until the batch in flight returns: a second batch would repeat the fixed cost of a batch.
WORTH_A_BATCH = 16
# More at once would compute for so long that the event loop and the probes wait for the interpreter.
MOST_REQUESTS = 64
# Longer than most batches take. A batch that waits for an unresponsive server must not block the others.
PATIENCE_S = 0.025
# Busy clients send their next request within this time after an answer; the next batch waits for them.
RETURN_S = 0.002

log = logging.getLogger(__name__)


class Observer(Protocol):
    def waited(self, seconds: Sequence[float]) -> None: ...
    def batch_sent(self, users: int) -> None: ...


class Batches:
    """Has `workers` threads, each with one batch in flight: one reads features while another waits for the model.

    With a batch in flight, the next one is sent only when enough requests wait for it, or when one has waited for
    PATIENCE_S. A few requests that arrive together are therefore sent together; many are split between the threads.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Item], Deadline], Sequence[Result]],
        *,
        workers: int,
        largest_batch: int,
        observer: Observer | None = None,
    ) -> None:
        """`predict` returns one result per item, in order. `largest_batch`: in users."""
        self._parts = Parts(predict, largest_batch, observer)
        self._largest_batch = largest_batch
        self._observer = observer
        self._waiting: deque[Call] = deque()
        self.unread = 0
        """Requests waiting to be read (server/admission.py), for the metrics"""
        self._closed = False
        self._in_flight = 0  # batches
        self._clients = 0  # requests in the batch that returned last, and those waiting at that moment
        self._last_return = 0.0
        self._changed = threading.Condition()
        # One batch computes at a time: two would keep the interpreter from the event loop
        self._computing = threading.Lock()
        for worker in range(workers):
            threading.Thread(target=self._work, name=f"batch-{worker}", daemon=True).start()

    def submit(
        self,
        function: Callable[[], Any],
        deliver: Callable[[Any, Exception | None], None],
        since: float | None = None,
    ) -> Call:
        """Queues the function for a batch. `deliver` is called in another thread with its result or its error.

        `since`: when it began to wait (time.monotonic()), by default now. Raises Overloaded after close().
        """
        call = Call(function, deliver, since)
        with self._changed:
            if self._closed:
                raise Overloaded("The gateway is stopping")
            self._waiting.append(call)
            self._changed.notify()
        return call

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """One result per item, in order. Within a submitted function: together with the rest of its batch."""
        current = getcurrent()
        if not isinstance(current, CallGreenlet):
            return self._parts.predict(items, deadline)
        current.call.items, current.call.deadline = items, deadline
        results = current.wait()
        if current.call.abandoned:  # its client was told so
            return [DeadlineExceeded("The deadline passed before there was an answer")] * len(items)
        return results

    def queue_length(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Stops taking requests. Waiting requests are still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while calls := self._next_batch():
            try:
                self._run(calls)
            except Exception:  # the thread must survive for the next batch
                log.exception("An error in a batch")
            with self._changed:
                self._in_flight -= 1
                self._clients = len(calls) + len(self._waiting)
                self._last_return = time.monotonic()
                self._changed.notify()

    def _next_batch(self) -> list[Call]:
        """Waits until a batch may be sent. Returns an empty list after close(), once every request is answered."""
        with self._changed:
            while (delay_s := self._delay_s()) != 0:
                if self._closed and not self._waiting:
                    return []
                self._changed.wait(delay_s)
            self._in_flight += 1
            most = min(len(self._waiting), self._largest_batch, MOST_REQUESTS)
            return [self._waiting.popleft() for _ in range(most)]

    def _delay_s(self) -> float | None:
        """Seconds until the next batch may be sent; 0: now; None: not until something changes."""
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
        """Runs the calls to their end, in rounds: predictions for all of them, then their code up to the next need.
        Calls that want reasons come last: those may take long."""
        with self._computing:
            running = self._start_calls(deque(calls))
        while running:
            plain = [call for call in running if not call.explains]
            calls, waiting = (plain, [call for call in running if call.explains]) if plain else (running, [])
            # the latest deadline: a call with little time left must not fail the others
            deadline = max((call.deadline for call in calls), key=lambda deadline: deadline.until)
            results = iter(self._parts.predict([item for call in calls for item in call.items], deadline))
            with self._computing:
                running = [call for call in calls if call.resume(list(itertools.islice(results, len(call.items))))]
                running += waiting

    def _start_calls(self, calls: deque[Call]) -> list[Call]:
        """Starts calls until they need predictions for a full batch of users. The remaining calls wait again."""
        running: list[Call] = []
        users, started_at = 0, time.monotonic()
        waited_s = []
        while calls and users < self._largest_batch:
            call = calls.popleft()
            waited_s.append(started_at - call.since)
            if call.start():
                running.append(call)
                users += len(call.items)
        if self._observer:
            self._observer.waited(waited_s)
        with self._changed:
            self._waiting.extendleft(reversed(calls))
            self._changed.notify()
        return running
