"""A version's model card: where it comes from, what its validation and the newest month say, where it is weak. Pure.

Markdown, from the training run and the monitor's figures alone. Every value is shown as code: tags and parameters may
hold any text.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from mlflow.entities import Run

from steps.cli.settings import MODEL_NAME
from steps.monitoring.rows import UNSEEN, Row
from steps.monitoring.verdict import Judgement

FILE = "model_card.md"
HEAD, END = "## Model card", "End of the model card"
LONGEST = 5000  # characters of a version's description
VALIDATION = ("AUC", "Brier", "calibration_error", "F1", "ACC")
FACTS = ("as_of", "feature_service", "dataset_sha256", "calibration", "threshold")
REASONS = 5


def card(version: str, training: Run | None, as_of: date, judgement: Judgement, rows: Sequence[Row]) -> str:
    """training: None where the run no longer exists. as_of: the monitored month."""
    sections = [
        [f"{HEAD}: {MODEL_NAME} version {version}", "Predicts which customers leave, from a month's snapshot of each."],
        _origin(training),
        _monitored(as_of, judgement, rows),
        _weak(rows),
        [f"{END}, made by `monitor` from the training run and the figures of {as_of}."],
    ]
    return "\n".join(line for section in sections for line in section)


def description(text: str, before: str) -> str:
    """The version's new description: the lines before it had, except its former card, and the card,
    shortened where there is no room for it."""
    kept, inside = [], False
    for line in before.splitlines():
        inside = inside or line.startswith(HEAD)
        if not inside:
            kept.append(line)
        if line.startswith(END):
            inside = False
    lines = [*kept, *text.splitlines()]
    while len("\n".join(lines)) > LONGEST and len(lines) > len(kept) + 2:  # the last line ends the card
        del lines[-2]
    described = "\n".join(lines)
    return described if len(described) <= LONGEST else before


def _origin(training: Run | None) -> list[str]:
    if training is None:
        return ["- training: its run no longer exists"]
    tags, params, metrics = training.data.tags, training.data.params, training.data.metrics
    facts = {name: tags.get(name) or params.get(name) for name in FACTS}
    settings = {name: value for name, value in params.items() if name not in (*FACTS, "run_id") and value}
    figures = {name: f"{metrics[name]:.4f}" for name in VALIDATION if name in metrics}
    users = (int(metrics.get(name, 0)) for name in ("rows_train", "rows_validation"))
    return [
        f"- training run: {code(training.info.run_id)}",
        *(f"- {name.replace('_', ' ')}: {code(value)}" for name, value in facts.items() if value),
        f"- settings: {_listed(settings)}",
        "- fitted to {:,} users; validation on {:,} others: {}".format(*users, _listed(figures)),
    ]


def _monitored(as_of: date, judgement: Judgement, rows: Sequence[Row]) -> list[str]:
    realised = [
        f"- realised AUC of {row.month}: {_interval(row)}, {row.n:,} users {UNSEEN}"
        for row in rows
        if (row.metric, row.slice) == ("AUC", UNSEEN) and row.estimate is not None
    ]
    reasons = [f"  - {code(reason)}" for reason in judgement.reasons[:REASONS]]
    more = len(judgement.reasons) - REASONS
    return [
        f"- monitored in {as_of}: {judgement.verdict}",
        *reasons,
        *([f"  - and {more} more"] if more > 0 else []),
        *realised,
    ]


def _weak(rows: Sequence[Row]) -> list[str]:
    """By slice, the weakest first; and the slices that are too small."""
    measured = [row for row in rows if row.metric == "AUC" and "=" in row.slice]
    ranked = sorted((row for row in measured if row.estimate is not None), key=lambda row: row.estimate or 0)
    small = [code(row.slice) for row in measured if row.estimate is None]
    lines = [f"  - {code(row.slice)}: {_interval(row)}, {row.n:,} users" for row in ranked]
    few = [f"- too few labelled users for a figure: {', '.join(small)}"] if small else []
    return [*(["- AUC by slice, the weakest first:", *lines] if lines else []), *few]


def _interval(row: Row) -> str:
    return f"{row.estimate:.4f} (95% interval {row.low:.4f} to {row.high:.4f})"


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {code(value)}" for name, value in values.items()) or "none recorded"


def code(value: object) -> str:
    """One line that Markdown shows as it is."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
