"""What a load met: one entry per request, every distinct answer once."""

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
    """Parallel arrays; times in seconds of time.monotonic()."""

    user: NDArray[np.int32]  # place in the load's list of users
    due: Floats  # when the request was to leave; a closed loop's leave at once
    sent: Floats  # when it left, on the first free connection; NaN where it never did
    done: Floats
    status: NDArray[np.int16]
    answer: NDArray[np.int32]  # place in answers
    retry_after: Floats  # NaN where there was no such header
    answers: list[bytes]
    until: float  # no request was to leave after it
    cpu_s: float  # what the load itself took

    def __len__(self) -> int:
        return len(self.due)

    @property
    def ok(self) -> Mask:
        return np.asarray(self.status == OK)

    @property
    def latency_ms(self) -> Floats:
        return (self.done - self.due) * 1e3

    def between(self, start: float, end: float) -> "Recording":
        """The requests that were to leave in that time."""
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
        """Of the right answers' latency; NaN when there was none."""
        times = self.latency_ms[self.ok]
        return float(np.percentile(times, percent)) if len(times) else float("nan")

    def rate(self) -> float:
        """Right answers per second, counted from the first request's start to the last one's end."""
        if not self.ok.any():
            return 0.0
        return float(self.ok.sum() / max(self.done.max() - self.due.min(), 1e-9))

    def codes(self) -> dict[str, int]:
        """How often each problem's code, `no answer`, or a status without a code was met."""
        counts: dict[str, int] = {}
        bad = ~self.ok
        for status, answer in zip(self.status[bad].tolist(), self.answer[bad].tolist(), strict=True):
            name = self._code(status, answer)
            counts[name] = counts.get(name, 0) + 1
        return counts

    def _code(self, status: int, answer: int) -> str:
        if status == NO_ANSWER:
            return f"no answer ({self.answers[answer].decode()})"
        found = CODE.search(self.answers[answer])
        return f"{status} {found.group(1).decode() if found else 'without a code'}"

    def named_errors(self) -> Mask:
        """Per request: an error status with a body that says a code."""
        has_code = np.array([bool(CODE.search(answer)) for answer in self.answers] or [False])
        return np.asarray((self.status >= 400) & has_code[self.answer])  # noqa: PLR2004 - where errors begin


class Recorder:
    """Written to by the load, request by request."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, float, float, int, int, float]] = []
        self._known: dict[bytes, int] = {}

    def add(self, user: int, due: float, sent: float, done: float, reply: Reply) -> None:
        status, body, retry_after = reply
        # errors differ in their request id alone: they are known by what they say
        told = body if status in (OK, NO_ANSWER) else b'{"code": "%s"}' % _said(body)
        place = self._known.setdefault(told, len(self._known))
        self._rows.append((user, due, sent, done, status, place, float("nan") if retry_after is None else retry_after))

    def recording(self, until: float) -> Recording:
        columns: list[Any] = list(zip(*self._rows, strict=True)) or [()] * 7
        kinds = (np.int32, np.float64, np.float64, np.float64, np.int16, np.int32, np.float64)
        arrays: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        user, due, sent, done, status, answer, retry_after = arrays
        answers, cpu_s = list(self._known), time.process_time()
        return Recording(user, due, sent, done, status, answer, retry_after, answers, until, cpu_s)


def _said(body: bytes) -> bytes:
    found = CODE.search(body)
    return found.group(1) if found else b""
