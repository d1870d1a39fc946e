"""Whether a prediction would succeed now, part by part; each check makes the call that a prediction makes."""

from typing import Any

from feature_enricher.errors.upstream import Unavailable
from feature_enricher.prediction.predictor import Serving
from feature_enricher.upstream.targets import Target
from feature_store.deadline import Deadline

OK = "ok"
# Any user will do: the look-up is real, and a user the store does not know is an answer too.
PROBE_USER = "readiness-probe"


def check(serving: Serving, deadline: Deadline) -> tuple[dict[str, Any], list[str]]:
    """What each part says, and the names of those without which no prediction can be made."""
    checks = {"store": "Not checked: no version is live", "model": "Not checked: no version is live"}
    try:
        target = serving.targets.current(deadline)
        checks["live"] = OK
    except Unavailable as error:
        checks["live"] = str(error)
    else:
        checks["store"] = _store(serving, target, deadline)
        checks["model"] = _model(target, deadline)
    return {"checks": checks, **serving.targets.state()}, [name for name, said in checks.items() if said != OK]


def _store(serving: Serving, target: Target, deadline: Deadline) -> str:
    try:
        serving.features.lookup(target.feature_service, [PROBE_USER], deadline)
    except Unavailable as error:
        return str(error)
    return OK


def _model(target: Target, deadline: Deadline) -> str:
    try:
        target.model.ping(deadline)
    except Unavailable as error:
        return str(error)
    return OK
