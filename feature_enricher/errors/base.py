"""What every error of the gateway has, and the two that never reach a client."""

from collections.abc import Mapping
from typing import Any

LONGEST_REASON = 1000  # characters; a server's answer may be quoted in it


class EnricherError(Exception):
    status = 500
    code = "internal_error"
    title = "Internal error of the gateway"
    remedy = "report the request id; the trace is in the gateway's log"

    def members(self) -> dict[str, Any]:
        """What this error tells beside its code and message."""
        return {}

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class InvalidSetting(EnricherError):
    """A setting that makes no sense; the gateway does not start with it."""


class NoAnswer(EnricherError):
    pass


def reason(error: BaseException) -> str:
    """The error and its causes on one line, for the log alone."""
    links: list[str] = []
    link: BaseException | None = error
    while link is not None:
        links.append(f"{type(link).__name__}: {link}")
        link = link.__cause__
    return " ".join(" <- ".join(links).split())[:LONGEST_REASON]
