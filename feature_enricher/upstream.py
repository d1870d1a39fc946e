"""One server behind the gateway: pooled connections, time limits, one retry on a stale connection."""

import json
import time
from dataclasses import dataclass
from http.client import RemoteDisconnected
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from feature_enricher.errors import NoAnswer

CHUNK_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024


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
    def __init__(self, url: str, timeout_s: float, connections: int) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # Proxies and .netrc are for the outside world; reading them costs more than a loopback call.
        self._session.trust_env = False
        # read1() hands compressed bytes out in ways that are hard to bound; answers are small, so: none.
        self._session.headers["Accept-Encoding"] = "identity"
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount(url, adapter)

    def get(self, path: str, **query: str) -> Answer:
        return self._call("GET", path, params=query)

    def post(self, path: str, payload: object) -> Answer:
        return self._call("POST", path, json=payload)

    def _call(self, method: str, path: str, **content: Any) -> Answer:
        """Only for calls without side effects: one that met a stale connection is made a second time."""
        try:
            try:
                return self._call_once(method, path, **content)
            except requests.ConnectionError as error:
                if not _was_closed_unanswered(error):
                    raise
                return self._call_once(method, path, **content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(f"{method} {self._url}{path}") from error

    def _call_once(self, method: str, path: str, **content: Any) -> Answer:
        deadline = time.monotonic() + self._timeout_s
        with self._session.request(
            method, self._url + path, timeout=self._timeout_s, allow_redirects=False, stream=True, **content
        ) as response:
            return Answer(response.status_code, self._read(response, deadline))

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """requests limits each read, not their sum: a server that drips bytes could hold it for ever."""
        body = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES):
            body += chunk
            if time.monotonic() > deadline:
                raise NoAnswer(f"The answer was not complete in {self._timeout_s:g} s")
            if len(body) > MAX_ANSWER_BYTES:
                raise NoAnswer(f"The answer is longer than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)


def _was_closed_unanswered(error: requests.ConnectionError) -> bool:
    """True when the peer closed a kept-alive connection before a byte of the answer came."""
    broken = error.args[0] if error.args else None
    if not isinstance(broken, urllib3.exceptions.ProtocolError):
        return False
    return any(isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in broken.args)
