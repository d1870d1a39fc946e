"""The deadline of a request, which the server passes to the application in the WSGI environment."""

from collections.abc import Mapping
from typing import Any

from feature_store.deadline import Deadline

WSGI_KEY = "streamflow.deadline"
"""In the WSGI environment: the time.monotonic() by which the request must be answered"""


def deadline_of(environ: Mapping[str, Any], seconds: float) -> Deadline:
    """The server's deadline, counted from the arrival of the whole request. Without a server: `seconds` from now."""
    until = environ.get(WSGI_KEY)
    return Deadline.after(seconds) if until is None else Deadline(until)
