"""Predicts many items in parts, each with one lookup and one call of the model."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.upstream import DeadlineExceeded, Unavailable
from feature_enricher.prediction.predictor import Item, Result
from feature_store.deadline import Deadline

# A part with reasons is doubled while it takes less than half of this time, and halved when it takes more. A version
# may take 0.05 ms a row for them or 25 ms: a call must not reach the time limit of the model server.
REASONS_S = 0.25
REASONS_AT_FIRST = 8  # items

log = logging.getLogger(__name__)


class SizeObserver(Protocol):
    def batch_sent(self, users: int) -> None: ...


class Parts:
    def __init__(
        self,
        predict: Callable[[Sequence[Item], Deadline], Sequence[Result]],
        largest: int,
        observer: SizeObserver | None = None,
    ) -> None:
        """`predict` returns one result per item, in order. `largest`: items in a part."""
        self._predict = predict
        self._largest = largest
        self._largest_explained = min(largest, REASONS_AT_FIRST)
        self._observer = observer

    def predict(self, items: Sequence[Item], deadline: Deadline) -> list[Result]:
        """One result per item, in order. The items of a call either all want reasons, or none does."""
        results: list[Result] = []
        while len(results) < len(items):
            explained = bool(items[len(results)].explain)
            size = self._largest_explained if explained else self._largest
            part = items[len(results) : len(results) + size]
            began = time.monotonic()
            results.extend(self._part_predicted(part, deadline))
            if explained and len(part) == size:
                self._adapt(size, time.monotonic() - began)
        return results

    def _adapt(self, size: int, seconds: float) -> None:
        if seconds > REASONS_S:
            self._largest_explained = max(1, size // 2)
        elif seconds < REASONS_S / 2:
            self._largest_explained = min(self._largest, size * 2)

    def _part_predicted(self, part: Sequence[Item], deadline: Deadline) -> Sequence[Result]:
        if deadline.is_over():  # neither the store nor the model failed: their circuit breakers must not count it
            return [DeadlineExceeded("The deadline passed during the prediction of other users")] * len(part)
        if self._observer:
            self._observer.batch_sent(len(part))
        try:
            results = self._predict(part, deadline)
        except Unavailable as error:
            return [error] * len(part)
        except Exception:  # every request of the batch gets this error
            log.exception("An error in a batch")
            return [EnricherError("Internal error")] * len(part)
        if len(results) != len(part):
            log.error("%s results for %s users", len(results), len(part))
            return [EnricherError("Internal error")] * len(part)
        return results
