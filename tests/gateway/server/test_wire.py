"""What arrives at the gateway's socket that is odd, broken or hostile, case by case: never a 5xx, never a wrong 200."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.gateway.server.test_server import wait_until_it_answers

ROOT = Path(__file__).parents[3]
HOST = b"Host: gateway\r\n"
BODY = b'{"user_id": "a"}'


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "tests.gateway.server.slow_app", str(port)], cwd=ROOT) as process:
        wait_until_it_answers(f"http://127.0.0.1:{port}")
        yield port
        process.terminate()


def exchange(
    port: int, sent: bytes, *, half_close: bool = False
) -> tuple[list[tuple[int, dict[str, str], bytes]], bool]:
    """All answers as (status, headers, body), and whether the server closed the connection afterwards."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.5)
        received, closed = b"", False
        try:
            while piece := connection.recv(65536):
                received += piece
            closed = True
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return list(_answers(received)), closed


def _answers(received: bytes) -> Iterator[tuple[int, dict[str, str], bytes]]:
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        yield int(lines[0].split()[1]), headers, received[:length]
        received = received[length:]


def request(line: bytes = b"GET /echo HTTP/1.1", headers: bytes = HOST, body: bytes = b"") -> bytes:
    return line + b"\r\n" + headers + b"\r\n" + body


def post(headers: bytes, body: bytes) -> bytes:
    return request(b"POST /echo HTTP/1.1", HOST + headers, body)


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)

ANSWERED = {
    "a plain request": request(),
    "a body with a length": post(LENGTH, BODY),
    "a body in one chunk": post(CHUNKED, CHUNK + b"0\r\n\r\n"),
    "a body in chunks of one byte": post(CHUNKED, b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"),
    "a chunk with an extension": post(CHUNKED, b"10;a=b\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "trailers after the last chunk": post(CHUNKED, CHUNK + b"0\r\nX-Sum: 1\r\n\r\n"),
    "an upper-case chunk size": post(CHUNKED, b"0A\r\n0123456789\r\n0\r\n\r\n"),
    "names of headers in upper case": request(headers=b"HOST: gateway\r\nX-A: 1\r\n"),
    "spaces around a header's value": request(headers=b"Host:   gateway  \r\n"),
    "an empty header": request(headers=HOST + b"X-Empty:\r\n"),
    "a header of bytes that are not ASCII": request(headers=HOST + b"X-Bytes: \xff\xfe\r\n"),
    "HTTP/1.0 without Host": request(b"GET /echo HTTP/1.0", b""),
    "HTTP/1.0 with keep-alive": request(b"GET /echo HTTP/1.0", b"Connection: keep-alive\r\n"),
    "an absolute target": request(b"GET http://gateway/echo HTTP/1.1"),
    "an empty query": request(b"GET /echo? HTTP/1.1"),
    "a percent-encoded path": request(b"GET /ech%6f HTTP/1.1"),
    "dots in the path": request(b"GET /a/../echo HTTP/1.1"),
    "a body that announces itself": post(LENGTH + b"Expect: 100-continue\r\n", BODY),
    "HEAD": request(b"HEAD /echo HTTP/1.1"),
    "a body on GET": request(headers=HOST + LENGTH, body=BODY),
    "blank lines before the request": b"\r\n\r\n" + request(),
    "a body of nothing": post(b"Content-Length: 0\r\n", b""),
    "leading zeros in the length": post(b"Content-Length: 0016\r\n", BODY),
    "an upgrade that is not offered": request(headers=HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "an unknown Connection": request(headers=HOST + b"Connection: whatever\r\n"),
    "line ends without carriage return": b"GET /echo HTTP/1.1\nHost: gateway\n\n",
    "ninety headers": request(headers=HOST + b"".join(b"X-%d: 1\r\n" % number for number in range(90))),
    "a header of ten thousand bytes": request(headers=HOST + b"X-Long: " + b"a" * 10_000 + b"\r\n"),
}
REFUSED = {
    "nonsense": (b"nonsense\r\n\r\n", 400),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    "a version of the future": (request(b"GET /echo HTTP/9.9"), 400),
    "HTTP/1.1 without Host": (request(headers=b""), 400),
    "two Hosts": (request(headers=HOST + HOST), 400),
    "a Host with a comma": (request(headers=b"Host: a, b\r\n"), 400),
    "a header without colon": (request(headers=HOST + b"bad header\r\n"), 400),
    "a space before the colon": (request(headers=HOST + b"X-A : 1\r\n"), 400),
    "a folded header": (request(headers=HOST + b"X-A: 1\r\n 2\r\n"), 400),
    "a null byte in a header": (request(headers=HOST + b"X-A: \x00\r\n"), 400),
    "a bare carriage return in a header": (request(headers=HOST + b"X-A: 1\rX-B: 2\r\n"), 400),
    "a header without name": (request(headers=HOST + b": 1\r\n"), 400),
    "a space in the target": (request(b"GET /a b HTTP/1.1"), 400),
    "bytes that are not ASCII in the target": (request(b"GET /caf\xe9 HTTP/1.1"), 400),
    "a null byte in the target": (request(b"GET /\x00 HTTP/1.1"), 400),
    "two lengths that differ": (post(b"Content-Length: 16\r\nContent-Length: 17\r\n", BODY), 400),
    "a negative length": (post(b"Content-Length: -1\r\n", BODY), 400),
    "a length with a sign": (post(b"Content-Length: +16\r\n", BODY), 400),
    "a length in hexadecimal": (post(b"Content-Length: 0x10\r\n", BODY), 400),
    "a length longer than any integer": (post(b"Content-Length: " + b"9" * 40 + b"\r\n", BODY), 400),
    "a length that is no number": (post(b"Content-Length: ten\r\n", BODY), 400),
    "a length above the limit": (post(b"Content-Length: 100001\r\n", BODY), 413),
    "chunks above the limit": (post(CHUNKED, b"186a1\r\n" + b"x" * 100_001 + b"\r\n0\r\n\r\n"), 413),
    "a chunk size that is no number": (post(CHUNKED, CHUNK + b"zz\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk size with a sign": (post(CHUNKED, b"+1\r\na\r\n0\r\n\r\n"), 400),
    "a chunk longer than its size": (post(CHUNKED, b"1\r\nabc\r\n0\r\n\r\n"), 400),
    "a chunk size longer than any integer": (post(CHUNKED, b"f" * 20 + b"\r\na\r\n0\r\n\r\n"), 400),
    "an unknown transfer coding": (post(b"Transfer-Encoding: gzip\r\n", BODY), 400),
    "chunked twice": (post(b"Transfer-Encoding: chunked, identity\r\n", CHUNK + b"0\r\n\r\n"), 400),
    "a head above the limit": (request(headers=HOST + b"X-Long: " + b"a" * 20_000 + b"\r\n"), 431),
    "a target above the limit": (request(b"GET /" + b"a" * 20_000 + b" HTTP/1.1"), 431),
    "a thousand headers": (request(headers=HOST + b"".join(b"X-%d: 1\r\n" % number for number in range(1000))), 431),
    "a web socket": (
        request(
            headers=HOST
            + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\nSec-WebSocket-Version: 13\r\n"
        ),
        400,
    ),
    "an application that fails": (request(b"GET /fails HTTP/1.1"), 500),
}


# Where it ends is beyond doubt: the next request on the connection is answered.
FRAMED_WELL = {
    "HTTP/1.1 without Host",
    "two Hosts",
    "a Host with a comma",
    "chunks above the limit",
    "a web socket",
    "an application that fails",
}


@pytest.mark.parametrize("case", ANSWERED)
def test_valid_http_is_answered(port: int, case: str) -> None:
    answers, _closed = exchange(port, ANSWERED[case])

    assert [status for status, _headers, _body in answers if status != 100] == [200]


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_http_is_refused_and_the_bytes_after_it_are_no_request(port: int, case: str) -> None:
    sent, status = REFUSED[case]
    answers, closed = exchange(port, sent + request(b"GET /next HTTP/1.1"))

    assert [answer[0] for answer in answers[:1]] == ([status] if status else [])
    if case in FRAMED_WELL:
        assert [answer[0] for answer in answers[1:]] == [200]
    else:
        assert (len(answers), closed) == (len(answers[:1]), True)


def test_a_body_arrives_unchanged_with_any_framing(port: int) -> None:
    for sent in (post(LENGTH, BODY), post(CHUNKED, CHUNK + b"0\r\n\r\n"), post(CHUNKED, CHUNK + b"0\r\nX: 1\r\n\r\n")):
        [(_status, _headers, body)], _closed = exchange(port, sent)
        assert json.loads(body)["body"].encode() == BODY


def test_where_length_and_chunks_contradict_the_chunks_count_and_the_connection_ends(port: int) -> None:
    smuggled = b"0\r\n\r\n" + request(b"GET /smuggled HTTP/1.1")
    answers, closed = exchange(port, post(CHUNKED + b"Content-Length: %d\r\n" % len(smuggled), smuggled))

    assert closed
    assert len(answers) == 1


@pytest.mark.parametrize(
    "part", [post(b"Content-Length: 30\r\n", BODY), post(CHUNKED, CHUNK), post(CHUNKED, CHUNK[:-4])]
)
def test_a_body_that_ends_early_is_refused_and_never_taken_for_a_whole_one(port: int, part: bytes) -> None:
    answers, closed = exchange(port, part, half_close=True)

    assert [status for status, _headers, _body in answers] in ([], [400])
    assert closed


def test_requests_sent_one_after_the_other_without_waiting_are_answered_in_their_order(port: int) -> None:
    paths = [f"/p{number}" for number in range(20)]
    answers, _closed = exchange(port, b"".join(request(b"GET %s HTTP/1.1" % path.encode()) for path in paths))

    assert [json.loads(body)["path"] for _status, _headers, body in answers] == paths


def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_dash(port: int) -> None:
    [(_status, _headers, body)], _closed = exchange(port, request(headers=HOST + b"X_API_Key: forged\r\n"))

    assert "forged" not in body.decode()


def test_the_refusals_that_reach_us_are_problems_with_the_clients_request_id(port: int) -> None:
    [(status, headers, body)], _closed = exchange(port, request(headers=HOST + HOST + b"X-Request-ID: mine\r\n"))

    assert (status, headers["content-type"], headers["x-request-id"]) == (400, "application/problem+json", "mine")
    problem = json.loads(body)
    assert (problem["code"], problem["request_id"], problem["status"]) == ("refused", "mine", 400)


def test_half_a_head_delays_no_other_request(port: int) -> None:
    halves = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(200)]
    for connection in halves:
        connection.sendall(b"GET /echo HTTP/1.1\r\nHo")
    began = time.monotonic()

    answers, _closed = exchange(port, request(headers=HOST + b"Connection: close\r\n"))

    assert [status for status, _headers, _body in answers] == [200]
    assert time.monotonic() - began < 2
    for connection in halves:
        connection.close()
