"""Customer: the gateway's answer for one user with its reasons, and for other values of the features; the user's scores
by month."""

import math
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request

from console.charts import bars
from console.pages.parts import gateway, section
from console.sources import registry
from console.sources.gateway import Explained
from console.sources.http import Answer
from steps import warehouse
from steps.warehouse import UserScore

LONGEST_USER_ID = 4096
REASONS = 8
PREFIX = "feature."
"""Of the fields with other values: a feature may have any name"""
WORDS = {"true": True, "false": False}

blueprint = Blueprint("customer", __name__)


@blueprint.get("/customer")
def page() -> str:
    user_id = request.args.get("user_id", "")[:LONGEST_USER_ID]
    if not user_id.strip():
        return render_template("customer.html", user_id="", answer=None)
    plain = gateway().predict(user_id, {})
    stored = plain.body.get("features_used") or {}
    explanation = explained(user_id, {}, len(stored)) if plain.ok else Explained(plain)
    changed = changes(stored, request.args)
    other = explained(user_id, changed, len(stored)) if changed and plain.ok else None
    reasons, other_reasons = explanation.reasons, other.reasons if other else {}
    longest = bars.largest(reasons, other_reasons)
    return render_template(
        "customer.html",
        user_id=user_id,
        prefix=PREFIX,
        answer=explanation.answer,
        bars=bars.chart(reasons, longest),
        unexplained=explanation.unexplained,
        changed=changed,
        other=other.answer if other else None,
        other_bars=bars.chart(other_reasons, longest),
        days=days(explanation.answer),
        scores=section(lambda: scores(user_id)),
    )


def explained(user_id: str, overrides: Mapping[str, Any], features: int) -> Explained:
    return gateway().explain(user_id, overrides, min(features, REASONS))


def changes(stored: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, Any]:
    """The form's values that differ from the stored ones. A text that is no value of the feature's type, or a number
    that JSON does not have, is sent as it is: the gateway says what is wrong with it."""
    entered = {name: form[PREFIX + name] for name in stored if form.get(PREFIX + name, "") != ""}
    typed = {name: typed_as(stored[name], text) for name, text in entered.items()}
    return {name: new for name, new in typed.items() if new != stored[name]}


def typed_as(stored: object, text: str) -> Any:
    if isinstance(stored, bool):
        return WORDS.get(text, text)
    if not isinstance(stored, int | float):
        return text
    try:
        number = type(stored)(text)
    except ValueError:
        return text
    return text if isinstance(number, float) and not math.isfinite(number) else number


def days(answer: Answer) -> Mapping[str, str]:
    """View -> the day of its values; one entry without a view where all agree."""
    as_of = answer.body.get("as_of")
    return as_of if isinstance(as_of, dict) else {"": as_of} if as_of else {}


def scores(user_id: str) -> list[UserScore]:
    return warehouse.scores_of_user(user_id, [version.number for version in registry.all_versions()])
