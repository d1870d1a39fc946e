"""An ASGI application in front of the Flask one: it checks who asks, reads the request whole, and a few threads answer.

Requests are read and wait on the event loop, where thousands of slow or busy clients cost almost nothing. They are
served in the order of arrival, until their deadline. /health, /ready and /metrics each have their own threads and
answer regardless of the number of waiting predictions.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from feature_enricher.access_control.access import ANYBODY, AccessControl
from feature_enricher.access_control.access import PROBES as NEVER_SHED
from feature_enricher.access_control.heads import Client, head_of_scope
from feature_enricher.api.access_log import log_refusal
from feature_enricher.api.problems import MEDIA_TYPE, problem_text
from feature_enricher.api.request_ids import HEADER, id_from
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import TooManyRequests, Unauthorized
from feature_enricher.errors.upstream import DeadlineExceeded, Overloaded
from feature_enricher.prediction.batching import Batches
from feature_enricher.server import wsgi
from feature_enricher.server.admission import Admission
from feature_enricher.server.bodies import Bodies, Receive, Send
from feature_enricher.server.predictions import Predictions
from feature_enricher.server.wsgi import Answer, Scope

PROBES = ("/health", "/ready", "/metrics")
# For each of them: /ready waits for servers that may hang, and /health must not wait for it.
PROBE_THREADS = 2
# Share of the deadline. A request with less time left is refused: it could not be answered in time.
RESERVE = 0.2
# For all paths but predictions and probes: features, documentation, errors.
OTHER_THREADS = 8

log = logging.getLogger(__name__)


class Front:
    def __init__(
        self,
        app: Any,
        batches: Batches,
        access: AccessControl,
        *,
        deadline_s: float,
        largest_body: int,
        count_refusal: Callable[[int, str, str], None] = lambda _status, _code, _client: None,
    ) -> None:
        """`app` is the WSGI application, which `batches` call for /predict. `count_refusal` is called with status, code
        and the client's name for each request refused before the application."""
        self._app = app
        self._access = access
        self._deadline_s = deadline_s
        self._largest_body = largest_body
        self._count_refusal = count_refusal
        self._bodies = Bodies(largest_body)
        self._predictions = Predictions(batches)
        self._admission = Admission(batches, (1 - RESERVE) * deadline_s)
        self._probes = {path: ThreadPoolExecutor(PROBE_THREADS, path) for path in PROBES}
        self._other_paths = ThreadPoolExecutor(OTHER_THREADS, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, client = bytearray(), ANYBODY
        try:
            client = await self._admitted(scope)
            answer = await self._answer(scope, body, receive, client)
            self._bodies.hold(answer.body)
        except EnricherError as error:
            answer = self._refusal(scope, error, client)
        except Exception:  # the client gets an answer after any error
            log.exception("An error outside the application")
            answer = self._refusal(scope, EnricherError("Internal error"), client)
        finally:
            self._bodies.release(body)
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await self._bodies.send(answer.body, send)
        finally:
            self._bodies.release(answer.body)

    async def _admitted(self, scope: Scope) -> Client:
        """The answer to a wrong key waits here, where it costs a connection of its client and nothing else."""
        try:
            return self._access.admit(head_of_scope(scope))
        except EnricherError as error:
            log_refusal(scope["method"], scope["path"], error, _request_id(scope), _key_name(error))
            if isinstance(error, Unauthorized):
                await asyncio.sleep(error.delay_s)
            raise

    async def _answer(self, scope: Scope, body: bytearray, receive: Receive, client: Client) -> Answer:
        """The application's answer. Raises EnricherError for a refusal."""
        if scope["path"] == "/predict":
            return await self._prediction(scope, body, receive, client)
        await self._read(scope, body, receive)
        return await self._in_thread(self._probes.get(scope["path"], self._other_paths), scope, body, client)

    async def _prediction(self, scope: Scope, body: bytearray, receive: Receive, client: Client) -> Answer:
        """Waiting for admission counts towards the deadline; receiving the body does not."""
        arrived = time.monotonic()
        admission = await self._admission.admitted()
        if not admission:  # an exception would leave its frames to the garbage collector
            return self._refusal(scope, Overloaded(Overloaded.title), client)
        waited_s = time.monotonic() - arrived
        await self._read(scope, body, receive)
        self._admission.was_read(admission)
        read, left_s = time.monotonic(), self._deadline_s - waited_s
        call = partial(wsgi.call, self._app, scope, body, client, read + left_s)
        answer: Answer = await self._predictions.run(call, left_s, read - waited_s)
        return answer

    async def _read(self, scope: Scope, body: bytearray, receive: Receive) -> None:
        headers = dict(scope["headers"])
        length = int(headers.get(b"content-length", 0))  # granian has checked that it is a number
        if (length or b"transfer-encoding" in headers) and length <= self._largest_body:
            await self._bodies.read_into(body, receive)
        # a body longer than the limit is not read: Flask refuses it by its Content-Length

    async def _in_thread(self, threads: ThreadPoolExecutor, scope: Scope, body: bytearray, client: Client) -> Answer:
        until = time.monotonic() + self._deadline_s
        call_app = wsgi.call if scope["path"] in NEVER_SHED else self._call_unless_late
        call = partial(call_app, self._app, scope, body, client, until)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.get_running_loop().run_in_executor(threads, call)
        except TimeoutError as error:
            raise DeadlineExceeded("The deadline passed before there was an answer") from error

    def _call_unless_late(self, app: Any, scope: Scope, body: bytearray, client: Client, until: float) -> Answer:
        if until - time.monotonic() < RESERVE * self._deadline_s:
            raise Overloaded(Overloaded.title)
        return wsgi.call(app, scope, body, client, until)

    def _refusal(self, scope: Scope, error: EnricherError, client: Client) -> Answer:
        self._count_refusal(error.status, error.code, _key_name(error, client))
        request_id = _request_id(scope)
        headers = {"Content-Type": MEDIA_TYPE, HEADER: request_id, **error.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Answer(error.status, encoded, problem_text(error, request_id).encode())


def _key_name(error: EnricherError, client: Client = ANYBODY) -> str:
    """The name of the client's key, for metrics and log."""
    return error.client if isinstance(error, TooManyRequests) else client.key_name


def _request_id(scope: Scope) -> str:
    return id_from(dict(scope["headers"]).get(HEADER.lower().encode(), b"").decode("latin-1"))
