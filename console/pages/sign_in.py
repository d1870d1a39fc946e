"""Signing in with a key of CONSOLE_KEYS, and out again."""

import logging

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import access
from console.pages.parts import settings

WRONG = 401

blueprint = Blueprint("sign_in", __name__)
log = logging.getLogger(__name__)


@blueprint.get("/sign-in")
def form() -> str:
    return render_template("sign_in.html", wrong=False)


@blueprint.post("/sign-in")
def enter() -> ResponseReturnValue:
    name = access.name_of(request.form.get("key", ""), settings().keys)
    if name is None:
        log.warning("A wrong key from %s", request.remote_addr)
        return render_template("sign_in.html", wrong=True), WRONG
    access.enter(name)
    return redirect(url_for("now.page"))


@blueprint.post("/sign-out")
def leave() -> ResponseReturnValue:
    access.leave()
    return redirect(url_for("sign_in.form"))
