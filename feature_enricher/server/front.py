"""An ASGI application around the Flask one: it reads each request whole, then has a few threads answer it.

Reading and waiting happen on the event loop, where thousands of slow or always-asking clients cost next to nothing.
Requests wait first come, first served, until their deadline. /health, /ready and /metrics have threads of their own, so
that they answer however many predictions wait.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any

from feature_enricher.api.problems import MEDIA_TYPE, problem_text
from feature_enricher.api.request_ids import HEADER, id_from
from feature_enricher.deadline import WSGI_KEY
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import RequestRefused
from feature_enricher.errors.upstream import DeadlineExceeded, Overloaded
from feature_enricher.prediction.batching import Batches
from feature_enricher.server import wsgi
from feature_enricher.server.admission import Admission
from feature_enricher.server.bodies import Bodies, Receive, Send
from feature_enricher.server.predictions import Predictions
from feature_enricher.server.wsgi import Answer, Scope

PROBES = frozenset({"/health", "/ready", "/metrics"})
PROBE_THREADS = 2
# Of the deadline. With less left when its turn comes, a request is refused: it could not be answered in time.
RESERVE = 0.2
TOO_MANY = "Too many requests in flight"
# For all but predictions and probes: features, documentation, errors.
OTHER_THREADS = 8

log = logging.getLogger(__name__)


class Front:
    def __init__(
        self,
        app: Any,
        batches: Batches,
        *,
        deadline_s: float,
        largest_body: int,
        count_refusal: Callable[[int, str], None] = lambda _status, _code: None,
    ) -> None:
        """`app` is the WSGI application, `batches` run it for /predict; `count_refusal` is told status and
        code of each request it never saw."""
        self._app = app
        self._deadline_s = deadline_s
        self._largest_body = largest_body
        self._count_refusal = count_refusal
        self._bodies = Bodies(largest_body)
        self._predictions = Predictions(batches)
        self._admission = Admission(batches, (1 - RESERVE) * deadline_s)
        self._probes = ThreadPoolExecutor(PROBE_THREADS, "probe")
        self._other_paths = ThreadPoolExecutor(OTHER_THREADS, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            answer = await self._answer(scope, body, receive)
            self._bodies.hold(answer.body)
        except EnricherError as error:
            answer = self._refusal(scope, error)
        except Exception:  # the client gets an answer whatever it is
            log.exception("A request met a fault outside the application")
            answer = self._refusal(scope, EnricherError("Internal error"))
        finally:
            self._bodies.release(body)
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await self._bodies.send(answer.body, send)
        finally:
            self._bodies.release(answer.body)

    async def _answer(self, scope: Scope, body: bytearray, receive: Receive) -> Answer:
        """The application's. Raises what a refusal says."""
        if scope["path"] == "/predict":
            return await self._prediction(scope, body, receive)
        await self._read(scope, body, receive)
        return await self._in_thread(self._probes if scope["path"] in PROBES else self._other_paths, scope, body)

    async def _prediction(self, scope: Scope, body: bytearray, receive: Receive) -> Answer:
        """What it waits to be admitted counts towards its deadline, the time that its body takes does not."""
        arrived = time.monotonic()
        if not (admission := await self._admission.admitted()):
            return self._refusal(scope, Overloaded(TOO_MANY))  # raised, it would leave its frames as garbage
        waited_s = time.monotonic() - arrived
        await self._read(scope, body, receive)
        self._admission.was_read(admission)
        read, left_s = time.monotonic(), self._deadline_s - waited_s
        call = partial(self._call, scope, body, read + left_s)
        answer: Answer = await self._predictions.run(call, left_s, read - waited_s)
        return answer

    async def _read(self, scope: Scope, body: bytearray, receive: Receive) -> None:
        headers = dict(scope["headers"])
        length = int(headers.get(b"content-length", 0))  # the server has checked that it is a number
        if (length or b"transfer-encoding" in headers) and length <= self._largest_body:
            await self._bodies.read_into(body, receive)
        # a body whose length is above the limit is not read: Flask refuses it by its length

    async def _in_thread(self, threads: ThreadPoolExecutor, scope: Scope, body: bytearray) -> Answer:
        until = time.monotonic() + self._deadline_s
        call = partial(self._call_unless_late, scope, body, until)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.get_running_loop().run_in_executor(threads, call)
        except TimeoutError as error:
            raise DeadlineExceeded("The answer was not there by the deadline") from error

    def _call_unless_late(self, scope: Scope, body: bytearray, until: float) -> Answer:
        if until - time.monotonic() < RESERVE * self._deadline_s:
            raise Overloaded(TOO_MANY)
        return self._call(scope, body, until)

    def _call(self, scope: Scope, body: bytearray, until: float) -> Answer:
        """In a thread: the event loop, which all requests share, does no more for each than it must."""
        environ = wsgi.environ_of(scope, body)
        _check_host(environ)
        environ[WSGI_KEY] = until
        return wsgi.call(self._app, environ)

    def _refusal(self, scope: Scope, error: EnricherError) -> Answer:
        self._count_refusal(error.status, error.code)
        request_id = id_from(dict(scope["headers"]).get(HEADER.lower().encode(), b"").decode("latin-1"))
        headers = {"Content-Type": MEDIA_TYPE, HEADER: request_id, **error.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Answer(error.status, encoded, problem_text(error, request_id).encode())


def _check_host(environ: dict[str, Any]) -> None:
    """RFC 9112, section 3.2: a request of HTTP/1.1 without exactly one Host is refused.

    granian hands over an empty one where there was none, and a client of HTTP/1.0 need not send one.
    """
    host = environ.get("HTTP_HOST", "")
    if "," in host or (not host and environ["SERVER_PROTOCOL"] == "HTTP/1.1"):
        raise RequestRefused("HTTP/1.1 requires exactly one Host header", HTTPStatus.BAD_REQUEST)
