"""HTTP to the project's own servers. The one place that decides: never by way of a proxy.

Our own requests take nothing from the shell: no proxy, no password of .netrc, no list of certificates. Other clients
(MLflow's, curl in an activated shell) are told by NO_PROXY. A proxy for a server elsewhere stays in use.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

HOSTS = ("localhost", "127.0.0.1", "::1")
EVERYTHING = "*"


def get(url: str, timeout_s: float) -> "requests.Response":
    with _session() as session:
        return session.get(url, timeout=timeout_s)


def post(url: str, body: object, timeout_s: float) -> "requests.Response":
    with _session() as session:
        return session.post(url, json=body, timeout=timeout_s)


def _session() -> "requests.Session":
    import requests  # noqa: PLC0415 - a tenth of a second that who only sets NO_PROXY need not wait

    session = requests.Session()
    session.trust_env = False
    return session


def proxy_exceptions(environment: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings: what the environment says, and this machine.

    Programs that look at one spelling first would otherwise not see what the other says.
    """
    return {
        name: _with_this_machine(environment.get(name) or environment.get(other) or "")
        for name, other in (("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY"))
    }


def _with_this_machine(exceptions: str) -> str:
    given = [host.strip() for host in exceptions.split(",") if host.strip()]
    if EVERYTHING in given:
        return EVERYTHING  # in a list, some programs take it for a name
    return ",".join([*given, *(host for host in HOSTS if host not in given)])
