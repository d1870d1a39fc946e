"""gunicorn's gthread worker, bounded: no client can hold a thread by silence, and what is too much is refused at once.

gthread puts requests beyond its threads into a queue without end, where no deadline runs; a new connection that sends
nothing holds a thread for five seconds; closing one that the client keeps open holds the whole worker for two; and an
idle connection holds up the stop. All of that is done here on the main thread, without waiting.
"""

import contextlib
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from feature_enricher.errors import EnricherError, Overloaded, RequestRefused
from feature_enricher.raw_http import CHUNK_BYTES, missing_bytes, refusal, whole_answer

# For one read or one write of a request's bytes, by the kernel: a client that stops halfway frees its thread.
STALLED_S = 5
# How long a connection that is done with may take to close.
LINGER_S = 1.0
TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class BoundedWorker(ThreadWorker):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._busy = 0
        self._lingering: deque[tuple[float, TConn]] = deque()

    def enqueue_req(self, conn: TConn) -> None:
        if not conn.initialized and not conn.data_ready:
            self._await_data(conn)
        elif self._busy >= self.cfg.threads:
            self._shed(conn)
        else:
            self._busy += 1
            super().enqueue_req(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        self._busy -= 1
        if not fs.cancelled() and fs.exception() is None and fs.result() and self.alive:
            super().finish_request(conn, fs)
        else:
            self._end(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """What never reached the application is answered in its way; gunicorn's own answer quotes the request."""
        del req, addr
        if isinstance(exc, ParseException):
            status = TOO_LARGE if isinstance(exc, LimitRequestHeaders | LimitRequestLine) else HTTPStatus.BAD_REQUEST
            refused: EnricherError = RequestRefused("This is not a request that HTTP/1.1 allows", status)
            self.log.info("Refused: %s", exc)
        else:
            refused = EnricherError("Internal error")
            self.log.error("A request met a fault outside the application", exc_info=exc)
        with contextlib.suppress(OSError):
            client.sendall(whole_answer(refused))

    def murder_keepalived(self) -> None:
        """Called in every round of the main loop."""
        if not self.alive:
            self._close_idle()
        super().murder_keepalived()
        while self._lingering and (not self.alive or self._lingering[0][0] < time.monotonic()):
            self._close(self._lingering.popleft()[1])

    def _await_data(self, conn: TConn) -> None:
        limit = struct.pack("ll", STALLED_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        if self._busy < self.cfg.threads:
            super().on_client_socket_readable(conn, client)
        elif (missing := self._refuse(conn)) == 0:
            conn.set_timeout()  # it stays where it is: under overload every call to the kernel counts
        else:
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self._after_refusal(conn, missing)

    def _shed(self, conn: TConn) -> None:
        conn.sock.setblocking(False)
        self._after_refusal(conn, self._refuse(conn))

    def _refuse(self, conn: TConn) -> int | None:
        """Sends the 503. Returns how much of the request is still to come; None when the connection is to be closed.

        A client keeps its connection where it can: under overload, new ones would cost most of all.
        """
        request = b""
        with contextlib.suppress(OSError):
            request = conn.sock.recv(CHUNK_BYTES)
        if not request:
            return None  # the client has closed it, and asked nothing
        missing = missing_bytes(request) if self.alive else None
        try:
            conn.sock.send(refusal(closes=missing is None))
        except OSError:
            missing = None
        self.wsgi.extensions["streamflow"].metrics.request_shed(Overloaded.status, Overloaded.code)
        return missing

    def _after_refusal(self, conn: TConn, missing: int | None) -> None:
        if missing is None:
            self._end(conn)  # what there may be more of the request is drained while lingering
        elif missing == 0:
            self._keep(conn)
        else:
            self._linger(conn, partial(self._read_rest, conn, missing))

    def _keep(self, conn: TConn) -> None:
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _end(self, conn: TConn) -> None:
        """Closes once the client has: closing before it has read would cut its answer off."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self._linger(conn, partial(self._drain, conn))
        except (OSError, ValueError, KeyError):  # it is closed already
            self.nr_conns -= 1
            conn.close()

    def _linger(self, conn: TConn, on_data: Callable[[Any], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, on_data)
        self._lingering.append((time.monotonic() + LINGER_S, conn))

    def _read_rest(self, conn: TConn, missing: int, _client: Any) -> None:
        """What a refused request still lacked: its client sends head and body one after the other."""
        try:
            missing -= len(conn.sock.recv(missing)) or missing + 1
        except BlockingIOError:
            return
        except ConnectionError:
            missing = -1
        self.poller.unregister(conn.sock)
        if missing > 0:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_rest, conn, missing))
            return
        self._lingering = deque(item for item in self._lingering if item[1] is not conn)
        self._keep(conn) if missing == 0 and self.alive else self._close(conn)

    def _drain(self, conn: TConn, _client: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                if conn.sock.recv(CHUNK_BYTES):
                    return
            except ConnectionError:
                pass
            self._lingering = deque(item for item in self._lingering if item[1] is not conn)
            self._close(conn)

    def _close(self, conn: TConn) -> None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _close_idle(self) -> None:
        """Asked to stop: nobody's request is on these."""
        for idle in (self.keepalived_conns, self.pending_conns):
            while idle:
                self._close(idle.popleft())
