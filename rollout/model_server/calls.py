"""Calls of the watcher to a model server, each with a connection of its own and never through a proxy."""

import json
from dataclasses import dataclass

from configuration.model_address import Connect


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def call(connect: Connect, path: str, body: object, timeout_s: float) -> Answer:
    """POSTs the body as JSON; None: a GET. timeout_s: of each wait. Raises OSError, HTTPException."""
    connection = connect()
    connection.timeout = timeout_s
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    finally:
        connection.close()
