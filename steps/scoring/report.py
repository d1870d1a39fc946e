"""The report for a retention team: the users to contact, their number, and the quality of the scores.

The list and the counts cover all scored users. Quality figures and their pictures cover only users that the version was
never trained on: on its training rows any forest looks nearly perfect.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from steps.cli import spreadsheet
from steps.scoring import known_labels, plots, quality
from steps.scoring.quality import Quality
from steps.scoring.scores import MonthScores
from steps.training import html_report

Facts = dict[str, Any]

CALL_LIST = "call_list.csv"


@dataclass(frozen=True)
class Subject:
    """The month and version that were scored, and the name of the scores."""

    as_of: str
    version: str
    engine: str
    calibration: str | None  # recorded in the version; None for older versions
    threshold: float
    unknown_training: str  # why the version's training users are unknown; '' where they are known

    @property
    def title(self) -> str:
        return f"{self.as_of}, version {self.version}"

    @property
    def number(self) -> str:
        """The name of the model's number: without calibration it is a score, not a probability."""
        return "score" if self.calibration in (None, "none") else "probability of leaving"


@dataclass(frozen=True)
class ListPart:
    """The users to contact, with at least the columns user_id, probability and trained_on; and what the page and the
    figures say of them beside."""

    listed: pd.DataFrame
    facts: Facts = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    pictures: plots.Pictures = field(default_factory=list)


def write(folder: Path, subject: Subject, scored: MonthScores, labels: pa.Table, part: ListPart) -> Facts:
    """Writes the list, the pictures and report.html into the folder. Returns the figures."""
    listed = part.listed
    (folder / CALL_LIST).write_text(spreadsheet.to_csv(listed), encoding="utf-8", newline="")
    probability, left = known_labels.never_trained_on(scored, labels)
    measured = quality.measure(probability, left)
    facts = {**counts(scored, labels, listed), "users_measured": len(left), "left_of_measured": int(left.sum())}
    if measured is None:
        facts["no_quality"] = no_quality_reason(subject, facts)
    else:
        facts |= figures(measured) | {"measured_on": population(measured)}
    introduction, table = intro(facts), rows(subject, facts) | part.rows
    all_users = f"{subject.title}, all {scored.users:,} users{_trained_share(scored)}"
    pictures = plots.distribution(folder, scored.probability, scored.trained_on, all_users, subject.number)
    if measured is not None:
        title = f"{subject.title}, {facts['measured_on']}"
        pictures += plots.curves(folder, probability, left, title, subject.number)
    page = html_report.page(f"Scores of {subject.title}", introduction, table, pictures + part.pictures)
    (folder / html_report.REPORT).write_text(page, encoding="utf-8")
    return facts | part.facts


def counts(scored: MonthScores, labels: pa.Table, listed: pd.DataFrame) -> Facts:
    trained_on = scored.trained_on
    return {
        "users": scored.users,
        "users_missing_features": scored.left_out.missing_features,
        "users_unknown_category": scored.left_out.unknown_category,
        "unknown_categories": {feature: dict(values) for feature, values in scored.left_out.values.items()},
        "users_trained_on": None if trained_on is None else int(trained_on.sum()),
        "predicted_to_leave": int(scored.leaves.sum()),
        "predicted_to_leave_trained_on": None if trained_on is None else int((scored.leaves & trained_on).sum()),
        "mean_probability": float(scored.probability.mean()),
        "listed": len(listed),
        "listed_trained_on": None if trained_on is None else int(listed["trained_on"].eq(True).sum()),
        "lowest_listed_probability": float(listed["probability"].min()) if len(listed) else None,
        "labelled": len(known_labels.labelled(scored, labels)[0]),
    }


def figures(measured: Quality) -> Facts:
    facts: Facts = {}
    for name, figure in measured.by_name.items():
        facts |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return facts


def population(measured: Quality) -> str:
    return f"{measured.users:,} users never trained on"


def no_quality_reason(subject: Subject, facts: Facts) -> str:
    """Why there are no quality figures."""
    if subject.unknown_training:
        return f"the training users of version {subject.version} are unknown: {subject.unknown_training}"
    if not facts["labelled"]:
        return f"no label of {subject.as_of} is loaded for these users"
    return (
        f"{facts['users_measured']} labelled users were never trained on, {facts['left_of_measured']} of them left; at "
        f"least {quality.MIN_USERS} are needed, {quality.MIN_PER_CLASS} who left and {quality.MIN_PER_CLASS} who stayed"
    )


def intro(facts: Facts) -> str:
    if "no_quality" in facts:
        return f"No quality figures: {facts['no_quality']}."
    return (
        f"AUC, Brier score, lift, gain and calibration are of the {facts['measured_on']} whose labels are loaded "
        f"({facts['left_of_measured']:,} of them left). The counts and the list are of all {facts['users']:,} users."
    )


def rows(subject: Subject, facts: Facts) -> dict[str, str]:
    """The table of the page; each name includes the users that its figure covers."""
    measured = {
        f"{name.replace('_', ' ')}, {facts['measured_on']}": figure(facts, name)
        for name in ("AUC", "Brier", "lift_at_10_percent")
        if name in facts
    }
    return {
        "users scored": f"{facts['users']:,}",
        "left out, features missing": f"{facts['users_missing_features']:,}",
        "left out, category unknown to the version": f"{facts['users_unknown_category']:,}{unknown_values(facts)}",
        "training users among those scored": _count(facts["users_trained_on"]),
        f"predicted to leave ({subject.number} above {subject.threshold:g})": f"{facts['predicted_to_leave']:,}",
        "training users among those predicted to leave": _count(facts["predicted_to_leave_trained_on"]),
        f"mean {subject.number}, all users": f"{facts['mean_probability']:.4f}",
        "listed": f"{facts['listed']:,}; {spreadsheet.NOTE}",
        "training users among those listed (ranked too high)": _count(facts["listed_trained_on"]),
        f"lowest {subject.number} listed": f"{facts['lowest_listed_probability']:.4f}" if facts["listed"] else "none",
        "users scored with a label": f"{facts['labelled']:,}",
        **measured,
        "calibration": subject.calibration or "not recorded",
        "engine": subject.engine,
    }


def figure(facts: Facts, name: str) -> str:
    low, high = facts[f"{name}_low"], facts[f"{name}_high"]
    return f"{facts[name]:.4f} ({quality.LEVEL:.0%} interval {low:.4f} to {high:.4f})"


def unknown_values(facts: Facts) -> str:
    """The values that the version was not trained on, with their numbers of users; '' where there are none."""
    counts = [
        f"{feature}={value!r} {count}"
        for feature, values in facts["unknown_categories"].items()
        for value, count in values.items()
    ]
    return f": {', '.join(counts)}" if counts else ""


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _trained_share(scored: MonthScores) -> str:
    return "" if scored.trained_on is None else f" ({int(scored.trained_on.sum()):,} trained on)"
