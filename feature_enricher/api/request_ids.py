"""Each request has an id: the client's own where it is sane, else a new one. It is in the answer and in the log."""

import random
import re

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
# Short, and nothing in it that could forge a line or a header.
SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def new_id() -> str:
    """Nobody who guesses one gains anything by it: so, Python's random numbers and not the system's."""
    return f"{random.getrandbits(64):016x}"


def id_from(given: str) -> str:
    """The client's own where it is short and harmless, else a new one."""
    return given if SANE.fullmatch(given) else new_id()


def add_request_ids(app: Flask) -> None:
    @app.before_request
    def name_the_request() -> None:
        g.request_id = id_from(request.headers.get(HEADER, ""))

    @app.after_request
    def tell_its_name(response: Response) -> Response:
        response.headers[HEADER] = request_id()
        return response


def request_id() -> str:
    name: str = g.request_id
    return name
