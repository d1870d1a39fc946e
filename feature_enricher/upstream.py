"""One server behind the gateway: pooled connections, a deadline per call, one retry on a stale connection."""

import json
from dataclasses import dataclass
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlencode

import urllib3

from feature_enricher.deadline import Deadline
from feature_enricher.errors import NoAnswer

CHUNK_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
JSON_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """Strict JSON: raises ValueError on NaN and Infinity, which Python's parser would let through."""
        try:
            return json.loads(self.body.decode("utf-8"), parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("Nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class Upstream:
    """Thread-safe. Knows no proxies and no .netrc: those are for the outside world."""

    def __init__(self, url: str, timeout_s: float, connections: int) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._path = urllib3.util.parse_url(url).path or ""
        self._pool = urllib3.connection_from_url(url, maxsize=connections, retries=False)

    def get(self, path: str, deadline: Deadline | None = None, **query: str) -> Answer:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, None, deadline)

    def post(self, path: str, payload: object, deadline: Deadline | None = None) -> Answer:
        return self._call("POST", path, json.dumps(payload, allow_nan=False).encode(), deadline)

    def close(self) -> None:
        self._pool.close()

    def _call(self, method: str, path: str, body: bytes | None, deadline: Deadline | None) -> Answer:
        """Only for calls without side effects: one that met a stale connection is made a second time."""
        until = deadline.within(self._timeout_s) if deadline else Deadline.after(self._timeout_s)
        try:
            try:
                return self._call_once(method, path, body, until)
            except urllib3.exceptions.ProtocolError as error:
                if not _was_closed_unanswered(error):
                    raise
                return self._call_once(method, path, body, until)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(f"{method} {self._url}{path}") from error

    def _call_once(self, method: str, path: str, body: bytes | None, until: Deadline) -> Answer:
        if until.is_over():
            raise NoAnswer(f"No time left to call {self._url}{path}")
        response = self._pool.request(
            method,
            self._path + path,
            body=body,
            headers=JSON_HEADERS if body is not None else None,
            timeout=urllib3.Timeout(until.left()),
            redirect=False,
            preload_content=False,
        )
        try:
            answer = Answer(response.status, self._read(response, until))
        except BaseException:
            response.close()  # half an answer must not be met by the next caller
            raise
        response.release_conn()
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, until: Deadline) -> bytes:
        """A time limit of the library's is for each read, not their sum: a server that drips could hold it for ever."""
        body = bytearray()
        while chunk := response.read1(CHUNK_BYTES):
            body += chunk
            if until.is_over():
                raise NoAnswer(f"The answer was not complete in {self._timeout_s:g} s")
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswer(f"The answer is longer than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)


def _was_closed_unanswered(error: urllib3.exceptions.ProtocolError) -> bool:
    """True when the peer closed a kept-alive connection before a byte of the answer came."""
    return any(isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in error.args)
