"""Bytes, encodings, methods and paths: each is read correctly, or refused by name."""

import gzip
import json
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from tests.gateway.fakes import COMPLETE, USER, FakeFeatures, FakeModel, FixedTarget

CAFES = ("caf\ufffd", "cafÃ©", "café")
BODY = json.dumps({"user_id": USER}).encode()


@pytest.fixture
def cafes() -> FlaskClient:
    """Users whose names are wrong decodings of each other."""
    features = FakeFeatures({name: COMPLETE | {"months_active": n} for n, name in enumerate(CAFES)})
    client: FlaskClient = create_app(features=features, targets=FixedTarget(FakeModel())).test_client()
    return client


def test_a_path_in_percent_encoded_utf_8_is_decoded(cafes: FlaskClient) -> None:
    answer = cafes.get("/features/caf%C3%A9")

    assert (answer.status_code, answer.get_json()["user_id"]) == (200, "café")
    assert answer.get_json()["features"]["months_active"] == 2


@pytest.mark.parametrize(("path", "byte"), [("caf%E9", "%E9"), ("%FFx", "%FF"), ("a%C3", "%C3"), ("%ED%A0%80", "%ED")])
def test_a_path_that_is_not_utf_8_is_refused_with_the_byte(cafes: FlaskClient, path: str, byte: str) -> None:
    # not as a URL: the test client would encode it again
    answer = cafes.get("/x", environ_overrides={"PATH_INFO": "/features/" + unquote_to_bytes(path).decode("latin-1")})

    assert (answer.status_code, answer.get_json()["fields"]) == (422, ["path"])
    assert f"{byte} at byte" in answer.get_json()["detail"]


def test_an_unencoded_path_is_refused_if_the_server_decodes_it_as_latin_1(
    cafes: FlaskClient,
) -> None:
    # gunicorn decodes the bytes of "café" as Latin-1 and encodes the result
    environ = {"RAW_URI": "/features/cafÃ©", "PATH_INFO": "/features/cafÃ©".encode().decode("latin-1")}

    answer = cafes.get("/features/x", environ_overrides=environ)

    assert (answer.status_code, answer.get_json()["fields"]) == (422, ["path"])
    assert "percent-encoded" in answer.get_json()["detail"]


def test_an_unencoded_path_is_accepted_if_the_server_decodes_it_as_utf_8(cafes: FlaskClient) -> None:
    environ = {"PATH_INFO": "/features/café".encode().decode("latin-1")}  # as granian does

    answer = cafes.get("/features/x", environ_overrides=environ)

    assert (answer.status_code, answer.get_json()["user_id"]) == (200, "café")


def test_a_byte_order_mark_is_skipped(client: FlaskClient) -> None:
    answer = client.post("/predict", data=b"\xef\xbb\xbf" + BODY, content_type="application/json")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"user_id": "caf\xe9"}', "byte 0xe9 at 16 is not UTF-8"),
        (json.dumps({"user_id": USER}).encode("utf-16"), "byte 0xff at 0 is not UTF-8"),
        (b'{"user_id": }', "Expecting value at line 1 column 13"),
        (b'{"user_id": NaN}', "NaN is not valid JSON"),
        (b"[" * 16_000, "nested too deeply"),
        (b"1" * 5000, "4300 digits"),
    ],
)
def test_an_unreadable_body_is_refused_with_the_position(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")

    assert answer.status_code == 422
    assert message in answer.get_json()["detail"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "GZIP"])
def test_a_compressed_body_is_refused_with_its_encoding(client: FlaskClient, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}

    answer = client.post("/predict", data=gzip.compress(BODY), headers=headers, content_type="application/json")

    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_encoding")
    assert f"not {encoding}" in answer.get_json()["detail"]
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "latin1"])
def test_another_charset_is_refused_with_its_name(client: FlaskClient, charset: str) -> None:
    answer = client.post("/predict", data=BODY, content_type=f"application/json; charset={charset}")

    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_encoding")
    assert f"not {charset}" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=UTF-8"},
        {"Content-Type": 'application/json; charset="utf-8"'},
        {"Content-Type": "application/json", "Content-Encoding": "identity"},
        {"Content-Type": "application/vnd.ours+json"},
    ],
)
def test_json_in_utf_8_is_accepted_with_equivalent_headers(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/predict", data=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused_with_its_name(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/predict", data=BODY, content_type=content_type)

    assert (answer.status_code, answer.get_json()["code"]) == (415, "not_json")
    assert f"not {content_type or 'empty'}" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST", "OPTIONS"}),
        ("PUT", "/predict", {"POST", "OPTIONS"}),
        ("DELETE", f"/features/{USER}", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_refused_with_its_name_and_the_allowed_ones(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.get_json()["code"]) == (405, "wrong_method")
    assert set(answer.headers["Allow"].split(", ")) == allowed
    assert answer.get_json()["detail"].endswith(f"not {method}")


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", f"/features/{USER}", "/features/nobody", "/nothing"])
def test_head_is_get_without_the_body(client: FlaskClient, path: str) -> None:
    got, head = client.get(path), client.head(path)

    assert (head.status_code, head.mimetype, head.data) == (got.status_code, got.mimetype, b"")
    assert "X-Request-ID" in head.headers


@pytest.mark.parametrize("path", ["/health", "/predict", f"/features/{USER}"])
def test_options_names_the_methods(client: FlaskClient, path: str) -> None:
    answer = client.options(path)

    assert answer.status_code == 200
    assert "OPTIONS" in answer.headers["Allow"]
    assert answer.data == b""


@pytest.mark.parametrize("path", ["/health/", "/predict/", "/docs//", "/Health", "/features/", "/features"])
def test_a_similar_path_is_not_found_and_named(client: FlaskClient, path: str) -> None:
    answer: Any = client.get("/x", environ_overrides={"PATH_INFO": path})

    assert (answer.status_code, answer.get_json()["code"]) == (404, "no_such_path")
    assert answer.get_json()["detail"] == f"The path does not exist: {path}"


@pytest.mark.parametrize(("path", "user_id"), [("//features/a", "a"), ("/features//a", "/a"), ("/features/a/", "a/")])
def test_leading_slashes_are_merged_and_those_in_a_user_id_kept(client: FlaskClient, path: str, user_id: str) -> None:
    answer: Any = client.get("/x", environ_overrides={"PATH_INFO": path})

    assert answer.get_json()["detail"] == f"Missing features for user_id={user_id}"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_redirects_to_the_page_keep_a_proxys_prefix(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"X-Forwarded-Prefix": "/elsewhere", "X-Forwarded-Host": "evil.example"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "docs/")
