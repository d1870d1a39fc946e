"""Decisions: what was decided and why; the versions that wait, and a person's approval or refusal.

The console decides nothing: it records what a person asked for, and starts the step `approve` with the person's name,
as a terminal does. Without a command for that, as in a container, the step carries the request out when it runs next.
"""

import subprocess
import threading
from dataclasses import dataclass

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console.pages.parts import section, settings
from console.settings import Settings
from console.sources import registry
from console.sources.registry import Version
from steps import warehouse
from steps.cli.errors import StepError
from steps.cli.settings import MODEL_NAME
from steps.warehouse import RecordedRequest

SHOWN = 200
ONE_AT_A_TIME = threading.Lock()
ACTIONS = {"approve": "false", "refuse": "true"}
"""Button -> the step's parameter `refuse`"""

blueprint = Blueprint("decisions", __name__)


@dataclass(frozen=True)
class Waiting:
    version: Version
    against: Version | None
    """The version in Production now"""
    request: RecordedRequest | None
    """What a person asked for, not carried out yet"""


@blueprint.get("/decisions")
def page() -> str:
    made = warehouse.decisions(MODEL_NAME)
    return render_template(
        "decisions.html",
        waiting=section(waiting),
        made=list(reversed(made))[:SHOWN],
        total=len(made),
        at_once=bool(settings().approval),
    )


def waiting() -> list[Waiting]:
    versions, numbers = registry.all_versions(), registry.waiting()
    by_number, requests = {version.number: version for version in versions}, registry.open_requests()
    serving = registry.serving(versions)
    return [Waiting(by_number[number], serving, requests.get(number)) for number in numbers if number in by_number]


@blueprint.post("/decisions/<int:number>")
def decide(number: int) -> ResponseReturnValue:
    action = request.form.get("action", "")
    if g.name is None:
        abort(403, "Sign in with a key of CONSOLE_KEYS to approve or refuse a version.")
    if action not in ACTIONS:
        abort(400, "Approve or refuse: nothing else is possible.")
    ok, text = request_decision(number, action, g.name)
    if ok and settings().approval:
        ok, text = carry_out(settings(), number, g.name, ACTIONS[action])
    flash(text, "ok" if ok else "problem")
    return redirect(url_for("decisions.page"))


def request_decision(number: int, action: str, name: str) -> tuple[bool, str]:
    """Whether the request was recorded, and a sentence for the person."""
    try:
        registry.request_decision(str(number), action, name)
    except StepError as error:
        return False, str(error)
    return True, f"[OK] Recorded: {name} asks to {action} version {number}. The step approve carries it out."


def carry_out(settings: Settings, number: int, name: str, refuse: str) -> tuple[bool, str]:
    """Whether the step succeeded, and its last line."""
    command = [*settings.approval, f"--version={number}", f"--by={name}", f"--refuse={refuse}", "--pending=false"]
    if not ONE_AT_A_TIME.acquire(blocking=False):
        return False, "Another decision is being carried out. Try again when it is done."
    try:
        done = subprocess.run(  # noqa: S603 - the command of a setting, and no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=settings.approve_timeout_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"The step approve could not be run to its end: {error}"
    finally:
        ONE_AT_A_TIME.release()
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return done.returncode == 0, lines[-1] if lines else f"The step approve ended with exit code {done.returncode}."
