"""HTTP to the project's own servers, never through a proxy.

These requests ignore the shell's proxies, .netrc and certificate bundle. Other clients (MLflow's, curl in an activated
shell) get NO_PROXY; they still use a proxy for other hosts.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

HOSTS = ("localhost", "127.0.0.1", "::1")
ALL_HOSTS = "*"


def get(url: str, timeout_s: float) -> "requests.Response":
    with _session() as session:
        return session.get(url, timeout=timeout_s)


def post(url: str, body: object, timeout_s: float) -> "requests.Response":
    with _session() as session:
        return session.post(url, json=body, timeout=timeout_s)


def _session() -> "requests.Session":
    import requests  # noqa: PLC0415 - takes 0.1 s, which setting NO_PROXY alone does not need

    session = requests.Session()
    session.trust_env = False
    return session


def proxy_exceptions(environment: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both spellings: the environment's hosts and this machine.

    Programs differ in which spelling they read first; both get the same list.
    """
    return {
        name: _with_this_machine(environment.get(name) or environment.get(alternative) or "")
        for name, alternative in (("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY"))
    }


def _with_this_machine(exceptions: str) -> str:
    hosts = [host.strip() for host in exceptions.split(",") if host.strip()]
    if ALL_HOSTS in hosts:
        return ALL_HOSTS  # in a list, some programs read * as a host name
    return ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
