"""The check in front of MLflow: which requests it refuses, by their headers."""

import asyncio

import pytest
import requests

from tests.tracking_server.conftest import TrackingServer
from tracking_server.same_origin import Message, Receive, SameOrigin, Scope, Send, is_foreign

HOST = "localhost:5000"


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),  # a program
        ({"origin": "http://localhost:5000"}, False),
        ({"origin": "HTTP://LocalHost:5000"}, False),
        ({"origin": "http://localhost:9999"}, True),
        ({"origin": "http://127.0.0.1:5000"}, True),
        ({"origin": "http://localhost"}, True),
        ({"origin": "http://localhost:5000.evil.example"}, True),
        ({"origin": "http://localhost:5000@evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),  # another port
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "of-a-later-standard"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost:5000"}, True),
        # behind a proxy that changes Host
        ({"sec-fetch-site": "same-origin", "origin": "https://mlflow.example"}, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_headers_that_only_browsers_send_decide(headers: dict[str, str], foreign: bool, method: str) -> None:
    assert is_foreign(method, "/api/2.0/mlflow/runs/create", {"host": HOST, **headers}) is foreign


@pytest.mark.parametrize(
    ("method", "path", "destination", "foreign"),
    [
        ("GET", "/", "document", False),
        ("POST", "/", "document", True),
        ("GET", "/", "iframe", True),
        ("GET", "/", "empty", True),
        ("GET", "/get-artifact", "document", True),
    ],
)
def test_a_link_reaches_the_page_of_the_ui_alone(method: str, path: str, destination: str, foreign: bool) -> None:
    headers = {"host": HOST, "sec-fetch-site": "cross-site", "sec-fetch-dest": destination}
    assert is_foreign(method, path, headers) is foreign


@pytest.mark.parametrize(("site", "reaches_mlflow"), [(b"same-site", False), (b"same-origin", True)])
def test_a_websocket_of_another_origin_is_closed_before_mlflow_sees_it(site: bytes, reaches_mlflow: bool) -> None:
    scope: Scope = {"type": "websocket", "path": "/", "headers": [(b"Sec-Fetch-Site", site)]}
    reached: list[Scope] = []
    sent: list[Message] = []

    async def mlflow(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing of the request is read")

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(SameOrigin(mlflow)(scope, receive, send))

    assert reached == ([scope] if reaches_mlflow else [])
    assert sent == ([] if reaches_mlflow else [{"type": "websocket.close", "code": 1008}])


def test_a_preflight_gets_no_permission(plain_mlflow: TrackingServer, without_login: TrackingServer) -> None:
    headers = {"Origin": "http://localhost:9999", "Access-Control-Request-Method": "PUT"}
    path = "/api/2.0/mlflow-artifacts/artifacts/x"
    before, now = (
        requests.options(server.url + path, headers=headers, timeout=30) for server in (plain_mlflow, without_login)
    )
    assert before.headers["Access-Control-Allow-Origin"] == "http://localhost:9999"
    assert now.status_code == 403
    assert "Access-Control-Allow-Origin" not in now.headers


@pytest.mark.parametrize(("method", "path"), [("GET", "config"), ("POST", "message")])
def test_mlflows_assistant_is_switched_off(
    plain_mlflow: TrackingServer, without_login: TrackingServer, method: str, path: str
) -> None:
    address = f"/ajax-api/3.0/mlflow/assistant/{path}"
    before, now = (
        requests.request(method, server.url + address, json={}, timeout=30).status_code
        for server in (plain_mlflow, without_login)
    )
    assert (before != 404, now) == (True, 404)


def test_a_program_without_such_headers_is_answered(without_login: TrackingServer) -> None:
    assert without_login.get("/api/2.0/mlflow/registered-models/search").ok
    assert without_login.get("/").text.startswith("<!doctype html>")
