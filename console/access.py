"""Who may read and decide: hosts, signing in with a key, tokens in forms, and headers that bind the browser."""

import hmac
import logging
import secrets
from datetime import timedelta

from flask import Flask, Response, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from configuration.hosts import AllowedHosts
from configuration.named_keys import NamedKey
from console.settings import Settings

SIGNED_IN_FOR = timedelta(hours=12)
TOKEN, NAME = "csrf", "name"
OPEN_ENDPOINTS = frozenset({"health", "static", "sign_in.form", "sign_in.enter"})
HEADERS = {
    # nothing inline, and nothing from or to another host
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

log = logging.getLogger(__name__)


class ForeignHost(HTTPException):
    code = 421
    description = "The console does not serve this host. CONSOLE_ALLOWED_HOSTS lists further names"


def protect(app: Flask, settings: Settings) -> None:
    """The sessions' secret is the process's own: after a restart, people sign in again."""
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="streamflow_console",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=settings.secure_cookie,
        PERMANENT_SESSION_LIFETIME=SIGNED_IN_FOR,
    )
    hosts, keys = settings.accepted_hosts, settings.keys

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        return _admit(hosts, has_keys=bool(keys))

    @app.after_request
    def bind(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"  # customers' data
        return response

    app.jinja_env.globals["csrf_token"] = csrf_token


def _admit(hosts: AllowedHosts, *, has_keys: bool) -> ResponseReturnValue | None:
    if request.endpoint != "health" and not hosts.allow(request.headers.get("Host", "")):
        raise ForeignHost
    g.name = session.get(NAME)
    if request.method == "POST" and not _has_token():
        abort(403, "The form is too old, or comes from another page. Go back, reload the page and send it again.")
    if has_keys and g.name is None and request.endpoint not in OPEN_ENDPOINTS:
        return redirect(url_for("sign_in.form"))
    return None


def csrf_token() -> str:
    """For a hidden field of each form that changes something. Another site's page can neither read nor guess it."""
    if TOKEN not in session:
        session[TOKEN] = secrets.token_urlsafe(24)
    return str(session[TOKEN])


def _has_token() -> bool:
    # browsers tell the page that a form is on; other clients need not
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    sent, own = request.form.get(TOKEN, ""), session.get(TOKEN, "")
    return bool(own) and hmac.compare_digest(sent.encode(), own.encode())


def name_of(key: str, keys: tuple[NamedKey, ...]) -> str | None:
    """The name of the person with the key."""
    matching = None
    for name, valid in keys:  # all of them: the time must not depend on which one matches
        if hmac.compare_digest(key.encode(), valid.encode()):
            matching = name
    return matching


def enter(name: str) -> None:
    """Signs the person in, in a new session: a token from before is worth nothing."""
    session.clear()
    session[NAME] = name
    session.permanent = True


def leave() -> None:
    session.clear()
