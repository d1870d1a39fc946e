"""The base of the gateway's errors, and the two that never reach a client."""

from collections.abc import Mapping
from typing import Any

LONGEST_REASON = 1000  # characters; it may quote a server's answer


class EnricherError(Exception):
    status = 500
    code = "internal_error"
    title = "Internal error of the gateway"
    remedy = "report the request id; the traceback is in the gateway's log"

    def members(self) -> dict[str, Any]:
        """Members of the problem document beside code and message."""
        return {}

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class InvalidSetting(EnricherError):
    """An invalid setting; the gateway does not start."""


class NoAnswer(EnricherError):
    pass


def reason(error: BaseException) -> str:
    """The error and its causes on one line, only for the log."""
    links: list[str] = []
    link: BaseException | None = error
    while link is not None:
        links.append(f"{type(link).__name__}: {link}")
        link = link.__cause__
    return " ".join(" <- ".join(links).split())[:LONGEST_REASON]
