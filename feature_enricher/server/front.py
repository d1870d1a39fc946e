"""An ASGI application around the Flask one: it reads each request whole, then waits for one of a few threads.

Reading and waiting happen on the event loop, where thousands of slow or always-asking clients cost next to nothing.
/health, /ready and /metrics have threads of their own, so that they answer however many predictions wait.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from feature_enricher.deadline import WSGI_KEY
from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.requests import RequestRefused
from feature_enricher.problem import MEDIA_TYPE, problem_text
from feature_enricher.request_ids import HEADER, id_from
from feature_enricher.server import wsgi
from feature_enricher.server.admission import Admission
from feature_enricher.server.bodies import Bodies, Receive
from feature_enricher.server.wsgi import Answer, Scope

Send = Callable[[dict[str, Any]], Awaitable[None]]

PROBES = frozenset({"/health", "/ready", "/metrics"})
PROBE_THREADS = 2
# Of the deadline; the rest is for the answer itself.
WAIT_SHARE = 0.85

log = logging.getLogger(__name__)


class Front:
    def __init__(
        self,
        app: Any,
        *,
        threads: int,
        deadline_s: float,
        largest_body: int,
        count_refusal: Callable[[int, str], None] = lambda _status, _code: None,
    ) -> None:
        """`app` is the WSGI application; `count_refusal` is told status and code of each request it never saw."""
        self._app = app
        self._deadline_s = deadline_s
        self._largest_body = largest_body
        self._count_refusal = count_refusal
        self._bodies = Bodies(largest_body)
        self.work = Admission(threads, WAIT_SHARE * deadline_s)
        self._probes = Admission(PROBE_THREADS, WAIT_SHARE * deadline_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            answer = await self._answer(scope, body, receive)
        except EnricherError as error:
            answer = self._refusal(scope, error)
        except Exception:  # the client gets an answer whatever it is
            log.exception("A request met a fault outside the application")
            answer = self._refusal(scope, EnricherError("Internal error"))
        finally:
            self._bodies.release(body)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, body: bytearray, receive: Receive) -> Answer:
        environ = wsgi.environ_of(scope)
        _check_host(environ)
        length = int(environ.get("CONTENT_LENGTH", 0))  # the server has checked that it is a number
        if (length or "HTTP_TRANSFER_ENCODING" in environ) and length <= self._largest_body:
            await self._bodies.read_into(body, receive)
            wsgi.add_body(environ, body)
        # a body whose length is above the limit is not read: Flask refuses it by its length
        environ[WSGI_KEY] = time.monotonic() + self._deadline_s
        threads = self._probes if environ["PATH_INFO"] in PROBES else self.work
        return await threads.run(partial(wsgi.call, self._app, environ))

    def _refusal(self, scope: Scope, error: EnricherError) -> Answer:
        self._count_refusal(error.status, error.code)
        request_id = id_from(dict(scope["headers"]).get(HEADER.lower().encode(), b"").decode("latin-1"))
        headers = {"Content-Type": MEDIA_TYPE, HEADER: request_id, **error.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return Answer(error.status, encoded, problem_text(error, request_id).encode())


def _check_host(environ: dict[str, Any]) -> None:
    """RFC 9112, section 3.2: a request of HTTP/1.1 without exactly one Host is refused."""
    host = environ.get("HTTP_HOST")
    if (host is None and environ["SERVER_PROTOCOL"] == "HTTP/1.1") or (host and "," in host):
        raise RequestRefused("HTTP/1.1 requires exactly one Host header", HTTPStatus.BAD_REQUEST)
