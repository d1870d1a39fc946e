"""Whether a prediction would succeed now, part by part; each check makes the call that a prediction makes."""

from feature_enricher.errors import RegistryUnavailable, Unavailable
from feature_enricher.serving import Serving

OK = "ok"
# Any user will do: the look-up is real, and a user the store does not know is an answer too.
PROBE_USER = "readiness-probe"


def check(serving: Serving) -> tuple[dict[str, str], list[str]]:
    """What each part says, and the names of those without which no prediction can be made."""
    registry = _registry(serving)
    store = _store(serving)
    model = _model(serving)
    failing = [name for name, said in (("store", store), ("model", model)) if said != OK]
    if serving.known_service is None:
        failing.append("registry")
    return {"store": store, "model": model, "registry": registry}, failing


def _registry(serving: Serving) -> str:
    try:
        if serving.known_service is None:
            serving.service()
        else:
            serving.registry.feature_service()
    except RegistryUnavailable as error:
        if serving.known_service is None:
            return str(error)
        return f"{error} (not needed now: the feature list is known)"
    return OK


def _store(serving: Serving) -> str:
    if serving.known_service is None:
        return "Not checked: the feature list is not known"
    try:
        serving.features.lookup(serving.known_service, [PROBE_USER])
    except Unavailable as error:
        return str(error)
    return OK


def _model(serving: Serving) -> str:
    try:
        serving.model.ping()
    except Unavailable as error:
        return str(error)
    return OK
