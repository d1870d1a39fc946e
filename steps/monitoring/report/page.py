"""The report: one HTML file without scripts or outside resources, readable from a width of 390 pixels. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import NamedTuple

from steps.monitoring.contributions import CHANGE, CONTRIBUTION
from steps.monitoring.estimate import BLIND
from steps.monitoring.rows import ALL, UNSEEN, Row
from steps.monitoring.verdict import Judgement
from steps.scoring.reasons import SAMPLE
from steps.training.html_report import document, picture

REPORT = "report.html"
OWN_STYLE = """
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { padding: .1rem 1rem; border-left: .4rem solid; background: #f6f6f6; margin-bottom: 1.5rem; }
.ok { border-color: #2a7f3f; } .watch { border-color: #b27300; } .alarm { border-color: #b3261e; }
.scroll { overflow-x: auto; }
.scroll table { font-size: .875rem; white-space: nowrap; overflow-wrap: normal; }
.scroll .number { text-align: right; font-variant-numeric: tabular-nums; }
.scroll .reason { white-space: normal; min-width: 14rem; }
@media (max-width: 40rem) { .scroll .words { white-space: normal; min-width: 6rem; overflow-wrap: anywhere; } }
tr.watch td { background: #fff4e0; } tr.alarm td { background: #fdecea; }
"""
QUALITY = ("AUC", "Brier", "lift_at_10_percent", "calibration_gap", "calibration_error")
ACROSS = ("unchanged_share", "advanced_share", "one_value_share", "new_category_share", "missing_share")
OF_USERS = ("users_ratio", "users_gone_share", "users_new_share", "left_out_share")
OF_CAMPAIGNS = ("campaign_share_left", "campaign_effect")
OTHER_EFFECTS = ("PSI_plain", "jensen_shannon", "wasserstein_deviations")
ESTIMATE_NOTE = f"This is {BLIND}."
CAMPAIGN_NOTE = (
    "The effect is the share who left of the listed users, less that of the control group: below 0, the campaign kept "
    "users. An interval with 0 in it shows no effect yet. Users who are gone have left; those without a label are not "
    "counted."
)
PSI_NOTE = "PSI: up to 0.05, and up to what chance makes of so few users, nothing has drifted."
CONTRIBUTION_NOTE = f"Over a sample of {SAMPLE:,} users at most, the same in every month, on the scale in the heading."
KINDS = {
    "figure": "words", "of": "words", "against": "words", "estimate": "number", "threshold": "number",
    "users": "number",
}  # fmt: skip
IN_HEADINGS = (ALL, UNSEEN, "validation users", "features")


class Section(NamedTuple):
    """common: what the heading names of all rows, their reference or month."""

    heading: str
    rows: list[Row]
    note: str = ""
    common: str = ""


def page(as_of: date, version: str, judgement: Judgement, closing: str, rows: Sequence[Row]) -> str:
    """The document with a place for pictures: see with_pictures."""
    title = f"Version {version} in {as_of}: {judgement.verdict}"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in judgement.reasons) or "<li>nothing to report</li>"
    parts = "\n".join(_section(section) for section in _sections(rows) if section.rows)
    verdict = f'<div class="verdict {judgement.verdict}"><p>{escape(closing)}</p><ul>{reasons}</ul></div>'
    return document(title, f"{verdict}\n{PICTURES}\n{parts}", OWN_STYLE)


PICTURES = "<!-- pictures -->"


def with_pictures(text: str, pictures: Sequence[tuple[str, Path]]) -> str:
    """Raises OSError for a picture that cannot be read."""
    figures = "\n".join(picture(caption, path) for caption, path in pictures)
    return text.replace(PICTURES, f'<div class="pictures">\n{figures}\n</div>', 1)


def _sections(rows: Sequence[Row]) -> list[Section]:
    slices = [row for row in rows if row.metric in QUALITY and "=" in row.slice]
    month = str(slices[0].month) if slices else ""
    realised = [row for row in rows if row.metric in (*QUALITY, "validated_AUC") and row not in slices]
    leave = [row for row in rows if row.metric in ("target_share_before", "target_share", "target_drift")]
    estimated = [row for row in rows if row.metric.endswith("_estimate")]
    return [
        Section(f"What came true, users {UNSEEN}", [row for row in realised if row.slice != ALL]),
        Section("What came true, all users", [row for row in realised if row.slice == ALL]),
        Section(f"Without labels, users {UNSEEN}", estimated, ESTIMATE_NOTE),
        *_by_reference("Drift of features and predictions", rows, ("PSI", "drift_share"), PSI_NOTE),
        Section("Share who leave", leave),
        *_by_reference("Unchanged, advanced, new and missing values", rows, ACROSS),
        Section("Campaigns: who left", [row for row in rows if row.metric in OF_CAMPAIGNS], CAMPAIGN_NOTE),
        Section("Users", [row for row in rows if row.metric in OF_USERS]),
        Section(f"Slices of {month}, users {UNSEEN}", slices, common=month),
        *_by_reference("Mean size of the features' contributions", rows, (CONTRIBUTION,), CONTRIBUTION_NOTE),
        *_by_reference("Change of the features' contributions", rows, (CHANGE,)),
        *_by_reference("Other measures of drift", rows, OTHER_EFFECTS),
    ]


def _by_reference(heading: str, rows: Sequence[Row], metrics: Sequence[str], note: str = "") -> list[Section]:
    chosen = [row for row in rows if row.metric in metrics]
    return [
        Section(f"{heading}, against {against}", [row for row in chosen if row.reference == against], note, against)
        for against in dict.fromkeys(row.reference for row in chosen)
    ]


def _section(section: Section) -> str:
    """Columns in which nothing stands are left out."""
    cells = [_cells(row, section.common) for row in section.rows]
    columns = [column for column in cells[0] if any(row[column] for row in cells)]
    head = "".join(f'<th scope="col" class="{KINDS.get(column, "")}">{escape(column)}</th>' for column in columns)
    body = "\n".join(
        f'<tr class="{row.verdict}">{"".join(_cell(column, texts[column], row) for column in columns)}</tr>'
        for row, texts in zip(section.rows, cells, strict=True)
    )
    note = f"<p>{escape(section.note)}</p>\n" if section.note else ""
    table = f'<div class="scroll"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'
    return f"<h2>{escape(section.heading)}</h2>\n{note}{table}"


def _cell(column: str, text: str, row: Row) -> str:
    kind = "reason" if column == "estimate" and row.estimate is None else KINDS.get(column, "")
    return f'<td class="{kind}">{escape(text)}</td>'


def _cells(row: Row, common: str) -> Mapping[str, str]:
    """Text by column."""
    interval = f"{row.low:.4f} to {row.high:.4f}" if row.low is not None and row.high is not None else ""
    return {
        "month": str(row.month) if row.month and str(row.month) != common else "",
        "figure": row.metric.replace("_", " "),
        "of": "" if row.slice in IN_HEADINGS else row.slice,
        "against": "" if row.reference == common else row.reference,
        "estimate": row.reason if row.estimate is None else f"{row.estimate:.4f}",
        "95% interval": interval,
        "threshold": "" if row.threshold is None else f"{row.threshold:.4f}",
        "verdict": "" if row.verdict == "none" else row.verdict,
        "users": f"{row.n:,}" if row.n and row.metric != "drift_share" else "",
    }
