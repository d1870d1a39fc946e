"""How much of a request has arrived, so that a refused client may keep its connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_enricher.raw_http import missing_bytes

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"content-length:2\r\n\r\n{}",
        HEAD + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_a_request_with_all_of_its_body_is_whole(data: bytes) -> None:
    assert missing_bytes(data) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 999999\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length : 2\r\n\r\n{}",
        HEAD + b"Content-Length: x\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_what_goes_on_or_closes_is_not(data: bytes) -> None:
    assert missing_bytes(data) is None


@given(body=st.binary(max_size=50), sent=st.integers(min_value=0, max_value=200))
def test_what_has_not_arrived_of_a_body_is_counted(body: bytes, sent: int) -> None:
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    so_far = (head + body)[:sent]
    assert missing_bytes(so_far) == (len(head) + len(body) - len(so_far) if sent >= len(head) else None)
