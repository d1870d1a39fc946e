"""Whether a prediction would succeed now. Each check makes the same call as a prediction."""

from typing import Any

from feature_enricher.errors.upstream import Unavailable
from feature_enricher.prediction.predictor import Predictor
from feature_enricher.upstream.targets import ModelTarget
from feature_store.deadline import Deadline

OK = "ok"
# Any user will do: the lookup is real, and an unknown user is an answer too.
PROBE_USER = "readiness-probe"


def check(predictor: Predictor, deadline: Deadline) -> tuple[dict[str, Any], list[str]]:
    """The body of /ready, and the names of the failed checks. Predictions need all of them."""
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
