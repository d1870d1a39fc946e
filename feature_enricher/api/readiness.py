"""Whether a prediction would succeed now. Each check makes the same call as a prediction."""

import threading
import time
from collections.abc import Callable
from typing import Any

from feature_enricher.errors.upstream import Unavailable
from feature_enricher.prediction.predictor import Predictor
from feature_enricher.upstream.targets import ModelTarget
from feature_store.deadline import Deadline

OK = "ok"
# Any user will do: the lookup is real, and an unknown user is an answer too.
PROBE_USER = "readiness-probe"


Result = tuple[dict[str, Any], list[str]]
"""The body of /ready, and the names of the failed checks"""


class Readiness:
    """One check at a time: anyone may ask, and a server that hangs must not make the probes wait for each other."""

    def __init__(
        self,
        predictor: Predictor,
        deadline_s: float,
        is_stopping: Callable[[], bool],
        warnings: Callable[[], list[str]] = list,
    ) -> None:
        """warnings: further ones than the watcher's."""
        self._predictor = predictor
        self._deadline_s = deadline_s
        self._is_stopping = is_stopping
        self._warnings = warnings
        self._running = threading.Lock()
        self._finished = -1.0
        self._result: Result = ({}, [])

    def check(self, deadline: Deadline) -> Result:
        """Requests that arrive while a check runs get its result. A gateway that is stopping has no other checks."""
        if self._is_stopping():
            return {}, ["the gateway is stopping"]
        arrived = deadline.until - self._deadline_s
        with self._running:
            if self._finished < arrived:
                state, failed = check(self._predictor, deadline)
                self._result = {**state, "warnings": [*state["warnings"], *self._warnings()]}, failed
                self._finished = time.monotonic()
            return self._result


def check(predictor: Predictor, deadline: Deadline) -> Result:
    """Predictions need all checks."""
    checks = {"store": "Not checked: no version is live", "model": "Not checked: no version is live"}
    try:
        target = predictor.targets.current(deadline)
        checks["live"] = OK
    except Unavailable as error:
        checks["live"] = str(error)
    else:
        checks["store"] = _store(predictor, target, deadline)
        checks["model"] = _model(target, deadline)
    return {"checks": checks, **predictor.targets.state()}, [name for name, status in checks.items() if status != OK]


def _store(predictor: Predictor, target: ModelTarget, deadline: Deadline) -> str:
    try:
        predictor.features.lookup(target.feature_service, [PROBE_USER], deadline)
    except Unavailable as error:
        return str(error)
    return OK


def _model(target: ModelTarget, deadline: Deadline) -> str:
    try:
        target.model.ping(deadline)
    except Unavailable as error:
        return str(error)
    return OK
