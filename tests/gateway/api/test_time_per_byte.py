"""Any request costs processor time in proportion to its size: 16 times the size, 16 times the time, not 256 times.

The tests compare the time per byte of a large request with that of a small one of the same kind, in processor time of
this process, which other processes do not affect.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_enricher.app import create_app
from tests.gateway.fakes import USER, AllUsersKnown, FakeModel, FixedTarget

KEYS = ",".join(f"a-key-of-letters-{n:04d}" for n in range(10))
SMALL, LARGE = 4 * 1024, 64 * 1024
SMALL_HEAD, LARGE_HEAD = 2 * 1024, 32 * 1024
# Linear time gives 1, quadratic time 16. Fixed costs per request lower it.
LARGEST_RATIO = 4.0
REPEATS, ATTEMPTS = 3, 4

Request = dict[str, Any]
Maker = Callable[[int], Request]


@pytest.fixture(scope="module")
def gateway() -> Iterator[FlaskClient]:
    config = {"MAX_USERS": 100_000, "API_KEYS": KEYS, "MAX_USER_ID_LENGTH": 4096}
    app = create_app(config, features=AllUsersKnown(), targets=FixedTarget(FakeModel()))
    yield app.test_client()
    app.extensions["streamflow"].close()


def repeat(text: str, size: int) -> str:
    return text * max(1, size // len(text))


def numbered(form: str, size: int) -> str:
    """As many different ones as fit, separated by commas."""
    return ",".join(form % n for n in range(max(1, size // (len(form) + 5))))


def body(start: str, filling: Callable[[int], str], end: str) -> Maker:
    return lambda size: {"data": (start + filling(size) + end).encode("utf-8", "surrogatepass")}


def repeated(text: str) -> Callable[[int], str]:
    return lambda size: repeat(text, size)


def different(form: str) -> Callable[[int], str]:
    return lambda size: numbered(form, size)


ONE_USER = f'{{"user_id": "{USER}", "features": {{'
BODIES: Mapping[str, Maker] = {
    "equal names": body("{", repeated('"a": 1,'), '"a": 1}'),
    "names that come twice": body("{", lambda size: ",".join(f'"{n}": 1,"{n}": 2' for n in range(size // 18)), "}"),
    "unknown names": body("{", different('"%d": 1'), "}"),
    "equal names of features": body(ONE_USER, repeated('"a": 1,'), '"a": 1}}'),
    "unknown features": body(ONE_USER, different('"f%d": 1'), "}}"),
    "many users with many unknown features": lambda size: {
        "data": ('{"user_ids": [' + numbered('"%d"', size // 2) + '], "features": {' + numbered('"f%d": 1', size // 2)
                 + "}}").encode()
    },
    "many users with a wrong feature": body('{"features": {"monthly_fee": ""}, "user_ids": [', different('"%d"'), "]}"),
    "many users with a feature": body('{"features": {"monthly_fee": 5}, "user_ids": [', different('"%d"'), "]}"),
    "users": body('{"user_ids": [', different('"%d"'), "]}"),
    "one user again and again": body('{"user_ids": [', repeated('"a",'), '"a"]}'),
    "users that are numbers": body('{"user_ids": [', different("%d"), "]}"),
    "users that are empty": body('{"user_ids": [', repeated('"",'), '""]}'),
    "users that are lists": body('{"user_ids": [', repeated("[],"), "[]]}"),
    "a long user": body('{"user_id": "', repeated("a"), '"}'),
    "a long user of escapes": body('{"user_id": "', repeated("\\u00e9"), '"}'),
    "a long user of lone surrogates": body('{"user_id": "', repeated("\\ud800"), '"}'),
    "a long user of quotes": body('{"user_id": "', repeated('\\"'), '"}'),
    "a long name": body('{"', repeated("é"), '": 1}'),
    "a long feature": body(ONE_USER + '"net_service": "', repeated("é"), '"}}'),
    "a control character at the end": body(ONE_USER + '"net_service": "', repeated("é"), '\\u0000"}}'),
    "whole numbers": body(ONE_USER + '"monthly_fee": [', repeated("1" * 4000 + ","), "1]}}"),
    "a number of many digits": body(ONE_USER + '"monthly_fee": ', repeated("1"), "}}"),
    "a fraction of many digits": body(ONE_USER + '"monthly_fee": 1.', repeated("12345678901234567"), "}}"),
    "a fraction of many zeros": body(ONE_USER + '"monthly_fee": 0.', repeated("0"), "1}}"),
    "an exponent of many digits": body(ONE_USER + '"monthly_fee": 1e', repeated("1"), "}}"),
    "open arrays": body("", repeated("["), ""),
    "open objects": body("", repeated('{"a":'), ""),
    "nested arrays": body(ONE_USER + '"monthly_fee": [', repeated("[" * 400 + "]" * 400 + ","), "1]}}"),
    "nested objects": body(ONE_USER + '"monthly_fee": [', repeated('{"a":' * 400 + "1" + "}" * 400 + ","), "1]}}"),
    "lines before a mistake": body("", repeated("\n"), "x"),
    "spaces": body("{", repeated(" "), f'"user_id": "{USER}"}}'),
    "bytes that are not UTF-8": lambda size: {"data": b'{"user_id": "' + b"a" * size + b"\xff"},
    "an open string": body('{"user_id": "', repeated("a"), ""),
    "backslashes": body('{"user_id": "', repeated("\\\\"), ""),
}  # fmt: skip


def head(**environ: Callable[[int], str]) -> Maker:
    return lambda size: {
        "data": b'{"user_id": "u"}',
        "environ_overrides": {name: make(size) for name, make in environ.items()},
    }


def path(make: Callable[[int], str]) -> Maker:
    return lambda size: {"method": "GET", "environ_overrides": {"PATH_INFO": make(size)}}


HEADS: Mapping[str, Maker] = {
    "a long request id": head(HTTP_X_REQUEST_ID=repeated("a")),
    "a request id that ends wrongly": head(HTTP_X_REQUEST_ID=lambda size: "a" * size + " "),
    "a long key": head(HTTP_X_API_KEY=repeated("a")),
    "a long bearer": head(HTTP_AUTHORIZATION=lambda size: "Bearer " + "a" * size),
    "parameters of the content type": head(CONTENT_TYPE=lambda size: "application/json" + repeat("; a=b", size)),
    "semicolons in the content type": head(CONTENT_TYPE=lambda size: "application/json" + ";" * size),
    "continued parameters": head(
        CONTENT_TYPE=lambda size: "application/json; " + "; ".join(f"a*{n}=b" for n in range(size // 8))
    ),
    "an open quote": head(CONTENT_TYPE=lambda size: 'application/json; charset="' + "\\" * size),
    "many quotes": head(CONTENT_TYPE=lambda size: 'application/json; charset="' + '\\"' * (size // 2) + '"'),
    "encodings": head(HTTP_CONTENT_ENCODING=repeated("gzip,")),
    "accept": head(HTTP_ACCEPT=repeated("text/html;q=0.1,")),
    "cookies": head(HTTP_COOKIE=repeated("a=b; ")),
    "a query": head(QUERY_STRING=repeated("a=b&")),
    "slashes": path(repeated("/")),
    "parts": path(repeated("/a")),
    "a user of slashes": path(lambda size: "/features/" + "/" * size),
    "a user of parts": path(lambda size: "/features" + repeat("/a", size)),
    "a user of bytes": path(lambda size: "/features/" + "\xc3\xa9" * (size // 2)),
    "a user of wrong bytes": path(lambda size: "/features/" + "\xe9" * size),
    "a file of the page": path(lambda size: "/docs/swagger" + repeat("/..", size)),
}


def seconds(client: FlaskClient, request: Request) -> float:
    """Processor seconds of this process: the minimum of several tries."""
    arguments = {"method": "POST", "content_type": "application/json", **request}
    environ = {"HTTP_X_API_KEY": KEYS.split(",")[-1], **arguments.pop("environ_overrides", {})}
    tries = []
    for _ in range(REPEATS):
        began = time.process_time()
        answer = client.open("/predict", environ_overrides=environ, **arguments)
        tries.append(time.process_time() - began)
        assert answer.status_code < 500, answer.text[:300]
    return min(tries)


def assert_in_proportion(client: FlaskClient, make: Maker, small: int, large: int) -> None:
    ratios = []
    for _ in range(ATTEMPTS):
        ratios.append(seconds(client, make(large)) / large / (seconds(client, make(small)) / small))
        if ratios[-1] <= LARGEST_RATIO:
            return
    pytest.fail(f"times as long per byte for a request {large // small} times as large: {ratios}")


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_costs_time_in_proportion_to_its_size(gateway: FlaskClient, kind: str) -> None:
    assert_in_proportion(gateway, BODIES[kind], SMALL, LARGE)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_costs_time_in_proportion_to_its_size(gateway: FlaskClient, kind: str) -> None:
    assert_in_proportion(gateway, HEADS[kind], SMALL_HEAD, LARGE_HEAD)


TOKENS = ["{", "}", "[", "]", '"', ":", ",", "\\", "\\u", "0", "1", "-", ".", "e", "true", "null", "a", "é", " ", "\n"]
NAMES = ['"user_id":', '"user_ids":', '"features":', '"monthly_fee":', '"a",', "1,", "[],", "{},"]
PIECE = st.lists(st.sampled_from([*TOKENS, *NAMES]), min_size=1, max_size=8).map("".join)


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(start=PIECE, repetition=PIECE, end=PIECE)
def test_a_repetitive_body_costs_time_in_proportion_to_its_size(
    gateway: FlaskClient, start: str, repetition: str, end: str
) -> None:
    assert_in_proportion(gateway, body(start, repeated(repetition), end), SMALL, LARGE)


def test_quadratic_time_fails_the_test() -> None:
    class Quadratic:
        def open(self, *_path: object, data: bytes, **_options: object) -> Any:
            names = json.loads(data)
            return type("Answer", (), {"status_code": 200, "text": str([names.count(name) for name in names][:1])})

    with pytest.raises(pytest.fail.Exception, match="16 times as large"):
        assert_in_proportion(Quadratic(), body("[", different('"%d"'), "]"), 1024, 16 * 1024)  # type: ignore[arg-type]
