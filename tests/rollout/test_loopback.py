"""Requests to the project's own servers ignore the shell's proxies, logins and certificates."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from rollout import loopback

PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class Echo(BaseHTTPRequestHandler):
    """Answers with the request's Authorization."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write((self.headers.get("Authorization") or "none").encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Its address, in a shell with broken proxies, a default login and no certificates."""
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    server = HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_requests_to_own_servers_ignore_the_shell_s_proxy_and_login(own_server: str) -> None:
    assert loopback.get(own_server, 5.0).text == "none"


def test_no_proxy_makes_other_clients_connect_directly(own_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        requests.get(own_server, timeout=5)
    for name, value in loopback.proxy_exceptions({}).items():
        monkeypatch.setenv(name, value)
    assert requests.get(own_server, timeout=5).ok


@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_the_shell_s_proxy_exceptions_are_kept_in_both_spellings(spelling: str) -> None:
    exceptions = loopback.proxy_exceptions({spelling: "intranet, 127.0.0.1"})
    assert exceptions == dict.fromkeys(("NO_PROXY", "no_proxy"), "intranet,127.0.0.1,localhost,::1")


def test_no_proxy_for_all_hosts_is_kept() -> None:
    assert loopback.proxy_exceptions({"NO_PROXY": "*"}) == {"NO_PROXY": "*", "no_proxy": "*"}


def test_other_hosts_are_still_reached_through_the_shell_s_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    for name, value in loopback.proxy_exceptions({}).items():
        monkeypatch.setenv(name, value)
    proxies = requests.utils.get_environ_proxies("http://mlflow.example:5000")
    assert requests.utils.select_proxy("http://mlflow.example:5000", proxies) == "http://proxy.example:3128"
