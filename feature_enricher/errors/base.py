"""What every error of the gateway has, and the two that never reach a client."""

from collections.abc import Mapping
from typing import Any


class EnricherError(Exception):
    status = 500
    code = "internal_error"
    title = "A fault of the gateway"
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
