"""Recording of a load: one entry per request, every distinct answer once."""

import re
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.load.connection import NO_ANSWER, Reply

OK, UNAVAILABLE = 200, 503
CODE = re.compile(rb'"code"\s*:\s*"([^"]+)"')

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Recording:
    """Parallel arrays, one element per request; times in seconds of time.monotonic()."""

    user: NDArray[np.int32]  # index in the load's list of users
    due: Floats  # scheduled time; in a closed loop, the time of the previous answer
    sent: Floats  # when it was sent, over the first free connection; NaN if it never was
    done: Floats
    status: NDArray[np.int16]
    answer: NDArray[np.int32]  # index in answers
    retry_after: Floats  # seconds; NaN without the header
    answers: list[bytes]
    until: float  # no request was scheduled after it
    cpu_s: float  # processor seconds of the load generator

    def __len__(self) -> int:
        return len(self.due)

    @property
    def ok(self) -> Mask:
        return np.asarray(self.status == OK)

    @property
    def latency_ms(self) -> Floats:
        return (self.done - self.due) * 1e3

    def between(self, start: float, end: float) -> "Recording":
        """The requests scheduled from `start` until before `end`."""
        return self.where((self.due >= start) & (self.due < end))

    def where(self, chosen: Mask) -> "Recording":
        return replace(
            self,
            user=self.user[chosen],
            due=self.due[chosen],
            sent=self.sent[chosen],
            done=self.done[chosen],
            status=self.status[chosen],
            answer=self.answer[chosen],
            retry_after=self.retry_after[chosen],
        )

    def percentile_ms(self, percent: float) -> float:
        """Percentile of the right answers' latency in ms; NaN without right answers."""
        times = self.latency_ms[self.ok]
        return float(np.percentile(times, percent)) if len(times) else float("nan")

    def rate(self) -> float:
        """Right answers per second, from the first request's scheduled time to the last request's end."""
        if not self.ok.any():
            return 0.0
        return float(self.ok.sum() / max(self.done.max() - self.due.min(), 1e-9))

    def codes(self) -> dict[str, int]:
        """Counts of all answers except 200: by status and error code, status without a code, or `no answer`."""
        counts: dict[str, int] = {}
        bad = ~self.ok
        for status, answer in zip(self.status[bad].tolist(), self.answer[bad].tolist(), strict=True):
            name = self._code(status, answer)
            counts[name] = counts.get(name, 0) + 1
        return counts

    def _code(self, status: int, answer: int) -> str:
        if status == NO_ANSWER:
            return f"no answer ({self.answers[answer].decode()})"
        code = _code_in(self.answers[answer])
        return f"{status} {code.decode() if code else 'without a code'}"

    def named_errors(self) -> Mask:
        """Per request: whether it got an error status with a code in its body."""
        has_code = np.array([bool(CODE.search(answer)) for answer in self.answers] or [False])
        return np.asarray((self.status >= 400) & has_code[self.answer])  # noqa: PLR2004 - where errors begin


class Recorder:
    """Collects requests one by one; recording() returns all as arrays."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, float, float, int, int, float]] = []
        self._answers: dict[bytes, int] = {}

    def add(self, user: int, due: float, sent: float, done: float, reply: Reply) -> None:
        status, body, retry_after = reply
        # errors with the same code differ only in their request id: they are stored once
        answer = body if status in (OK, NO_ANSWER) else b'{"code": "%s"}' % _code_in(body)
        index = self._answers.setdefault(answer, len(self._answers))
        self._rows.append((user, due, sent, done, status, index, float("nan") if retry_after is None else retry_after))

    def recording(self, until: float) -> Recording:
        columns: list[Any] = list(zip(*self._rows, strict=True)) or [()] * 7
        kinds = (np.int32, np.float64, np.float64, np.float64, np.int16, np.int32, np.float64)
        arrays: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        user, due, sent, done, status, answer, retry_after = arrays
        answers, cpu_s = list(self._answers), time.process_time()
        return Recording(user, due, sent, done, status, answer, retry_after, answers, until, cpu_s)


def _code_in(body: bytes) -> bytes:
    """The error code in the body; empty without one."""
    match = CODE.search(body)
    return match.group(1) if match else b""
