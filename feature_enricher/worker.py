"""gunicorn's gevent worker, bounded: no client can hold a place by silence, and what is too much is refused.

gunicorn's own answers whatever comes, however much it is, and lets a client that asks again at once go before all
others. Here a request takes one of `most_in_flight` places once its first bytes are there; without a free place it gets
its 503 from the bytes alone, before HTTP is parsed. Whoever was refused is not heard for a moment: clients that come
again at once would otherwise take the processor from those that are being answered. These compute in turns (turns.py).

The modules of the standard library that wait are replaced by gevent's in this process (not in the one that starts it):
`threading` makes greenlets here, and what waits in C needs native_threads.py.
"""

import socket
import time
from http import HTTPStatus
from typing import Any

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import http
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, NoMoreData, ParseException
from gunicorn.workers.ggevent import GeventWorker

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.parts import Overloaded
from feature_enricher.errors.requests import RequestRefused
from feature_enricher.raw_http import CHUNK_BYTES, missing_bytes, refusal, whole_answer
from feature_enricher.turns import take_turn

# For one read or one write of a request's bytes: a client that stops halfway frees its place.
STALLED_S = 5.0
# How long a connection that is done with may take to close.
LINGER_S = 1.0
# Refusals are to be there within 50 ms.
REFUSAL_PAUSE_S = 0.025
POLL_S = 0.1
TOO_LARGE = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class BoundedWorker(GeventWorker):
    most_in_flight = 384
    """Set by gunicorn_conf.py"""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight = 0
        self._idle: set[Any] = set()

    def run(self) -> None:
        connections = Pool(self.worker_connections)
        servers = [
            StreamServer(listener, handle=self._handler(listener), spawn=connections) for listener in self.sockets
        ]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            gevent.sleep(POLL_S)
        for server in servers:
            server.close()
        self._end(connections)

    def _end(self, connections: Pool) -> None:
        """Nobody's request is on idle connections; those in flight have their time."""
        gevent.killall(list(self._idle), block=False)
        if not connections.join(timeout=self.cfg.graceful_timeout):
            self.log.warning("Requests were cut off after %s s", self.cfg.graceful_timeout)
            connections.kill(timeout=LINGER_S)

    def _handler(self, listener: Any) -> Any:
        address = listener.getsockname()
        return lambda client, peer: self._handle(address, client, peer)

    def _handle(self, address: Any, client: Any, peer: Any) -> None:
        try:
            self._converse(address, client, peer)
            self._linger(client)
        except OSError:
            pass  # the client is gone
        finally:
            client.close()

    def _converse(self, address: Any, client: Any, peer: Any) -> None:
        """One request after the other, until either side has had enough. Raises OSError."""
        parser = http.get_parser(self.cfg, client, peer)
        while data := parser.unreader.take_buffered() or self._next_bytes(client):
            client.settimeout(STALLED_S)
            if self._in_flight >= self.most_in_flight:
                goes_on = self._refuse(client, data)
            else:
                goes_on = self._answer(address, client, peer, parser, data)
            if not goes_on or not self.alive:
                break

    def _next_bytes(self, client: Any) -> bytes:
        """Empty when the client has closed the connection, or said nothing for too long."""
        if not self.alive:
            return b""
        client.settimeout(self.cfg.keepalive)
        greenlet = gevent.getcurrent()
        self._idle.add(greenlet)
        try:
            data: bytes = client.recv(CHUNK_BYTES)
        except TimeoutError:
            return b""
        finally:
            self._idle.discard(greenlet)
        return data

    def _answer(self, address: Any, client: Any, peer: Any, parser: Any, data: bytes) -> bool:
        """Whether the connection may be used again."""
        self._in_flight += 1
        try:
            take_turn()  # others first: this client may have asked again already
            parser.unreader.unread(data)
            request = next(parser)
            self.handle_request(address, request, client, peer)
            return bool(parser.finish_body(deadline=time.monotonic() + STALLED_S))
        except (StopIteration, NoMoreData):
            return False
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self.handle_error(None, client, peer, error)
            return False
        finally:
            self._in_flight -= 1

    def _refuse(self, client: Any, data: bytes) -> bool:
        """Whether the connection may be used again: under overload, new ones would cost most of all.

        Whoever asks again at once waits for a moment, and has then been read without being waited for.
        """
        missing = missing_bytes(data) if self.alive else None
        answer = refusal(closes=missing is None)
        client.sendall(answer[client.send(answer) :])  # all of it at the first try, as a rule: sendall alone asks more
        self.wsgi.extensions["streamflow"].metrics.request_shed(Overloaded.status, Overloaded.code)
        while missing and (rest := client.recv(missing)):  # its client sends head and body one after the other
            missing -= len(rest)
        gevent.sleep(REFUSAL_PAUSE_S)
        return missing == 0

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What never reached the application is answered in its way; gunicorn's own answer quotes the request."""
        del req, addr
        if isinstance(exc, ParseException):
            status = TOO_LARGE if isinstance(exc, LimitRequestHeaders | LimitRequestLine) else HTTPStatus.BAD_REQUEST
            refused: EnricherError = RequestRefused("This is not a request that HTTP/1.1 allows", status)
            self.log.info("Refused: %s", exc)
        else:
            refused = EnricherError("Internal error")
            self.log.error("A request met a fault outside the application", exc_info=exc)
        client.sendall(whole_answer(refused))

    def _linger(self, client: Any) -> None:
        """Closes once the client has: closing before it has read would cut its answer off."""
        client.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LINGER_S
        client.settimeout(LINGER_S)
        while client.recv(CHUNK_BYTES) and time.monotonic() < until:
            pass
