"""Natural batching: while one batch is on its way the next one gathers. No timer, no wait when idle; bounded."""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from feature_enricher.deadline import Deadline
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.parts import DeadlineExceeded, Overloaded, Unavailable
from feature_enricher.serving import Item, Result
from feature_enricher.turns import take_turn

# Requests that go on together; then comes what is ready meanwhile, and whom to refuse.
ANSWERED_AT_ONCE = 8
# Fewer requests are not split: what a batch costs by itself, they would pay twice.
WORTH_A_BATCH = 16

log = logging.getLogger(__name__)


class Observer(Protocol):
    def batch_left(self, users: int, waited_s: Sequence[float]) -> None: ...


class _Job:
    """Some users of one request, who wait together."""

    __slots__ = ("_answered", "asks", "deadline", "results", "since")

    def __init__(self, asks: Sequence[Item], deadline: Deadline) -> None:
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
    """`lanes` threads, each with one batch on its way: the gateway reads for one while another's model call runs.

    So, whoever waits to be read is shared evenly among the lanes that have nothing on its way.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Item], Deadline], Sequence[Result]],
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
        self._idle = lanes  # lanes with no batch on its way
        self._changed = threading.Condition()
        for lane in range(lanes):
            threading.Thread(target=self._run, name=f"batch-{lane}", daemon=True).start()

    def predict(self, asks: Sequence[Item], deadline: Deadline) -> list[Result]:
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

    @property
    def users_waiting(self) -> int:
        return self._users_waiting

    def close(self) -> None:
        """What waits is still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while self._something_waits():
            take_turn(share=1 / self._idle, at_least=WORTH_A_BATCH)  # those who go first come along
            if jobs := self._gathered():
                self._serve(jobs)
                with self._changed:
                    self._idle += 1

    def _something_waits(self) -> bool:
        """Waits for the first job. False once closed, when all is answered."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            return bool(self._waiting)

    def _gathered(self) -> list[_Job]:
        """As many as fit; none where another lane was quicker."""
        with self._changed:
            jobs: list[_Job] = []
            users = 0
            while self._waiting and (not jobs or users + len(self._waiting[0].asks) <= self._largest_batch):
                jobs.append(self._waiting.popleft())
                users += len(jobs[-1].asks)
            self._users_waiting -= users
            self._idle -= bool(jobs)
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
            for nth, job in enumerate(jobs, 1):
                job.answer(list(itertools.islice(results, len(job.asks))))
                if nth % ANSWERED_AT_ONCE == 0:
                    take_turn(share=0)

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
