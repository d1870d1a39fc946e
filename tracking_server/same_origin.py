"""Refuses what pages of other origins send, before MLflow sees it.

MLflow's own check lets every page of this machine pass, whatever its port, and answers it with CORS headers: such a
page could promote versions, write artifacts and read everything. Browsers say where a request comes from in headers
that no page can change: Sec-Fetch-Site, which they leave out for http:// addresses of other machines, and Origin, in
every request that can change something. Programs that are no browsers send neither.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAME_ORIGIN = {"same-origin", "none"}  # none: typed by the user, or a bookmark
LINKED_PAGE = "/"  # MLflow's UI is this page; the rest of its addresses follows a #
# MLflow's assistant lets a coding assistant run commands as the server's user, for everybody on this machine
CLOSED = "/ajax-api/3.0/mlflow/assistant"
POLICY_VIOLATION = 1008

log = logging.getLogger(__name__)


class SameOrigin:
    """An ASGI app in front of MLflow's."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if is_foreign(scope.get("method", "GET"), scope["path"], headers):
            log.warning("Refused a request from a page of another origin: %.200r", headers.get("origin", "unknown"))
            await _refuse(scope, send, 403, "Refused: the request comes from a page of another origin.\n")
        elif scope["path"].startswith(CLOSED):
            await _refuse(scope, send, 404, "MLflow's assistant is switched off on this server.\n")
        else:
            await self._app(scope, receive, send)


def is_foreign(method: str, path: str, headers: MutableMapping[str, str]) -> bool:
    """Whether a page of another origin sent the request. Following a link to MLflow's UI is none of them."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None:
        return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
    is_link = (method, path, headers.get("sec-fetch-dest")) == ("GET", LINKED_PAGE, "document")
    return site not in SAME_ORIGIN and not is_link


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
