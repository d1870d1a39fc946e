"""Natural batching: while one batch is on its way the next one gathers. No timer, no wait when idle; bounded."""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from feature_enricher.deadline import Deadline
from feature_enricher.errors import DeadlineExceeded, EnricherError, Overloaded, Unavailable
from feature_enricher.serving import Ask, Scored

Result = Scored | EnricherError
# Fewer users wait for the batch in flight to return: what a batch costs by itself, a second one would cost again.
WORTH_A_BATCH = 16
# Longer than most batches take: one that waits for a server that hangs must not hold up the others.
PATIENCE_S = 0.025
# Clients that ask again do so within this time after their answer; the next batch waits for them.
RETURN_S = float(__import__("os").environ.get("RETURN", "0.002"))

log = logging.getLogger(__name__)


class Observer(Protocol):
    def batch_left(self, users: int, waited_s: Sequence[float]) -> None: ...


class _Job:
    """Some users of one request, who wait together."""

    __slots__ = ("_answered", "asks", "deadline", "results", "since")

    def __init__(self, asks: Sequence[Ask], deadline: Deadline) -> None:
        self.asks = asks
        self.deadline = deadline
        self.since = time.monotonic()
        self.results: Sequence[Result] = ()
        self._answered = threading.Lock()  # the cheapest thing that one can wait on and another let go
        self._answered.acquire()

    def answer(self, results: Sequence[Result]) -> None:
        self.results = results
        self._answered.release()

    def fail(self, error: EnricherError) -> None:
        self.answer([error] * len(self.asks))

    def wait(self) -> Sequence[Result]:
        """At the deadline at the latest; the batch may still be on its way then, and nobody reads its answer."""
        if self._answered.acquire(timeout=self.deadline.left()):
            return self.results
        late = DeadlineExceeded("The answer was not there by the deadline")
        return [late] * len(self.asks)


class Batcher:
    """`lanes` threads, each with one batch in flight: while one waits for the model, another reads features.

    A second batch leaves beside one in flight only when enough users wait for it, or when one has waited long. So a
    few requests that come together leave together, and many are split between the threads.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Ask], Deadline], Sequence[Result]],
        *,
        lanes: int,
        largest_batch: int,
        longest_queue: int,
        observer: Observer | None = None,
    ) -> None:
        """`largest_batch` and `longest_queue` count users."""
        self._answer = answer
        self._largest_batch = largest_batch
        self._longest_queue = longest_queue
        self._observer = observer
        self._waiting: deque[_Job] = deque()
        self._users_waiting = 0
        self._closed = False
        self._in_flight = 0  # batches
        self._clients = 0  # requests in the batch that returned last, and those that waited then
        self._last_return = 0.0
        self._changed = threading.Condition()
        for lane in range(lanes):
            threading.Thread(target=self._run, name=f"batch-{lane}", daemon=True).start()

    def predict(self, asks: Sequence[Ask], deadline: Deadline) -> list[Result]:
        """One result per ask, in order, by the deadline. Raises Overloaded at once when the queue is full."""
        size = self._largest_batch
        jobs = [_Job(asks[start : start + size], deadline) for start in range(0, len(asks), size)]
        with self._changed:
            if self._closed:
                raise Overloaded("The gateway is stopping")
            # an empty queue takes any request, however many users it is for
            if self._waiting and self._users_waiting + len(asks) > self._longest_queue:
                raise Overloaded(f"{self._users_waiting} users are waiting already")
            self._waiting.extend(jobs)
            self._users_waiting += len(asks)
            self._changed.notify(len(jobs))
        return [result for job in jobs for result in job.wait()]

    def close(self) -> None:
        """What waits is still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while self._something_waits():
            if jobs := self._gathered():
                self._serve(jobs)
                self._returned(jobs)

    def _something_waits(self) -> bool:
        """Waits until a batch may leave. False once closed, when all is answered."""
        with self._changed:
            while not (self._closed and not self._waiting):
                if (pause_s := self._pause_s()) == 0:
                    return True
                self._changed.wait(pause_s)
            return False

    def _pause_s(self) -> float | None:
        """Until the next batch may leave: 0 for now, None for not before something changes."""
        if not self._waiting:
            return None
        if self._users_waiting >= WORTH_A_BATCH:
            return 0
        if self._in_flight:
            return max(0.0, self._waiting[0].since + PATIENCE_S - time.monotonic())
        if len(self._waiting) >= self._clients:
            return 0
        return max(0.0, self._last_return + RETURN_S - time.monotonic())

    def _returned(self, jobs: Sequence[_Job]) -> None:
        with self._changed:
            self._in_flight -= 1
            self._clients = len(jobs) + len(self._waiting)
            self._last_return = time.monotonic()
            self._changed.notify()

    def _gathered(self) -> list[_Job]:
        """As many as fit; none where another lane was quicker."""
        with self._changed:
            jobs: list[_Job] = []
            users = 0
            while self._waiting and (not jobs or users + len(self._waiting[0].asks) <= self._largest_batch):
                jobs.append(self._waiting.popleft())
                users += len(jobs[-1].asks)
            self._users_waiting -= users
            self._in_flight += bool(jobs)
            return jobs

    def _serve(self, jobs: Sequence[_Job]) -> None:
        in_time = []
        for job in jobs:
            if job.deadline.is_over():
                job.fail(DeadlineExceeded("The deadline came while the request was waiting"))
            else:
                in_time.append(job)
        if in_time:
            self._serve_in_time(in_time)

    def _serve_in_time(self, jobs: Sequence[_Job]) -> None:
        try:
            results = self._results(jobs)
        except Unavailable as error:
            _fail(jobs, error)
        except Exception as error:  # noqa: BLE001 - every waiting request must hear of it
            _fail(jobs, _fault(error))
        else:
            for job in jobs:
                job.answer(list(itertools.islice(results, len(job.asks))))

    def _results(self, jobs: Sequence[_Job]) -> Iterator[Result]:
        asks = [ask for job in jobs for ask in job.asks]
        if self._observer:
            now = time.monotonic()
            self._observer.batch_left(len(asks), [now - job.since for job in jobs])
        # the latest: one with little time left must not spoil the others' answer
        until = max((job.deadline for job in jobs), key=lambda deadline: deadline.until)
        results = self._answer(asks, until)
        if len(results) != len(asks):
            raise ValueError(f"{len(results)} results for {len(asks)} users")
        return iter(results)


def _fault(error: Exception) -> EnricherError:
    log.error("A batch met a fault", exc_info=error)
    return EnricherError("Internal error")


def _fail(jobs: Sequence[_Job], error: EnricherError) -> None:
    for job in jobs:
        job.fail(error)
