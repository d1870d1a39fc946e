"""HTTP below Flask, for what never reaches it: what has arrived of a request, and whole answers as bytes."""

import re
from functools import cache
from http import HTTPStatus

from feature_enricher.errors.base import EnricherError
from feature_enricher.errors.parts import Overloaded
from feature_enricher.problem import MEDIA_TYPE, problem_text
from feature_enricher.request_ids import HEADER, new_id

CHUNK_BYTES = 64 * 1024
NOT_SIMPLE = (b"\r\nconnection: close", b"\r\ntransfer-encoding", b"\r\nexpect", b"\r\nupgrade")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n)")
ID_TO_COME = b"0000REQUEST-ID00"  # as long as an id, or Content-Length would be wrong


def missing_bytes(data: bytes) -> int | None:
    """How much of the body is still to come, of one plain request of HTTP/1.1 that leaves its connection open; None for
    any other, for half a head, and for more than one request."""
    head, end, body = data.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    if not end or b" http/1.1\r\n" not in head or any(header in head for header in NOT_SIMPLE):
        return None
    lengths = LENGTH.findall(head)
    missing = int(lengths[0] if lengths else 0) - len(body)
    return missing if len(lengths) <= 1 and 0 <= missing <= CHUNK_BYTES else None


def refusal(*, closes: bool) -> bytes:
    """The 503 for one request too many. Thousands may be needed in a second: all but the request id is made once."""
    return _refusal_but_for_its_id(closes).replace(ID_TO_COME, new_id().encode())


@cache
def _refusal_but_for_its_id(closes: bool) -> bytes:
    error = Overloaded("As many requests as the gateway takes at once are on their way")
    return whole_answer(error, closes=closes, name=ID_TO_COME.decode())


def whole_answer(error: EnricherError, *, closes: bool = True, name: str | None = None) -> bytes:
    """With its HTTP head."""
    name = name or new_id()
    body = problem_text(error, name).encode()
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": len(body), HEADER: name}
    headers |= {"Connection": "close" if closes else "keep-alive", **error.headers}
    lines = [f"{header}: {value}\r\n" for header, value in headers.items()]
    status = HTTPStatus(error.status)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{''.join(lines)}\r\n".encode() + body
