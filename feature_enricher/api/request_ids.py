"""Each request has an id, in the answer and in the log: the client's own if it is valid, otherwise a new one."""

import random
import re

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
# Short, and without characters that could forge a log line or a header.
VALID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def new_id() -> str:
    """Python's random numbers, not the system's: guessing an id gains nothing."""
    return f"{random.getrandbits(64):016x}"


def id_from(client_id: str) -> str:
    """The client's own id if it is valid, otherwise a new one."""
    return client_id if VALID.fullmatch(client_id) else new_id()


def add_request_ids(app: Flask) -> None:
    @app.before_request
    def set_request_id() -> None:
        g.request_id = id_from(request.headers.get(HEADER, ""))

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers[HEADER] = request_id()
        return response


def request_id() -> str:
    identifier: str = g.request_id
    return identifier
