"""The report: one HTML file without scripts or outside resources, readable from a width of 390 pixels. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path

from steps.monitoring.estimate import BLIND
from steps.monitoring.rows import ALL, UNSEEN, Row
from steps.monitoring.verdict import Judgement
from steps.training.html_report import STYLE, picture

REPORT = "report.html"
OWN_STYLE = """
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { padding: .75rem 1rem; border-left: .4rem solid; background: #f6f6f6; }
.ok { border-color: #2a7f3f; } .watch { border-color: #b27300; } .alarm { border-color: #b3261e; }
.scroll { overflow-x: auto; }
.scroll table { font-size: .875rem; white-space: nowrap; overflow-wrap: normal; }
"""
ESTIMATED, DRIFT = "Without labels", "Drift of features and predictions"
QUALITY = ("AUC", "Brier", "lift_at_10_percent", "calibration_gap", "calibration_error")
ACROSS = ("unchanged_share", "advanced_share", "one_value_share", "new_category_share", "missing_share")
NOTES = {
    ESTIMATED: f"This is {BLIND}.",
    DRIFT: "PSI: up to 0.05, and up to what chance makes of so few users, nothing has drifted.",
}
OF_USERS = ("users_ratio", "users_gone_share", "users_new_share", "left_out_share")
CELLS = ("month", "figure", "of", "users", "estimate", "95% interval", "threshold", "verdict")


def page(as_of: date, version: str, judgement: Judgement, closing: str, rows: Sequence[Row]) -> str:
    """The document with a place for pictures: see with_pictures."""
    title = f"Version {version} in {as_of}: {judgement.verdict}"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in judgement.reasons) or "<li>nothing to report</li>"
    parts = "\n".join(_section(name, chosen) for name, chosen in _sections(rows).items() if chosen)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{OWN_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<div class="verdict {judgement.verdict}"><p>{escape(closing)}</p><ul>{reasons}</ul></div>
{PICTURES}
{parts}
</body>
</html>
"""


PICTURES = "<!-- pictures -->"


def with_pictures(document: str, pictures: Sequence[tuple[str, Path]]) -> str:
    """Raises OSError for a picture that cannot be read."""
    figures = "\n".join(picture(caption, path) for caption, path in pictures)
    return document.replace(PICTURES, f'<div class="pictures">\n{figures}\n</div>', 1)


def _sections(rows: Sequence[Row]) -> Mapping[str, list[Row]]:
    slices = [row for row in rows if row.metric in QUALITY and "=" in row.slice]
    realised = [row for row in rows if row.metric in (*QUALITY, "validated_AUC") and row not in slices]
    return {
        "What came true": realised,
        ESTIMATED: [row for row in rows if row.metric.endswith("_estimate")],
        DRIFT: [row for row in rows if row.metric in ("PSI", "drift_share")],
        "Other measures of drift": [
            row for row in rows if row.metric in ("PSI_plain", "jensen_shannon", "wasserstein_deviations")
        ],
        "Share who leave": [row for row in rows if row.metric.startswith("target_") and "estimate" not in row.metric],
        "From month to month": [row for row in rows if row.metric in ACROSS],
        "Users": [row for row in rows if row.metric in OF_USERS],
        f"Slices, users {UNSEEN}": slices,
    }


def _section(name: str, rows: Sequence[Row]) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in CELLS)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(row))}</tr>" for row in rows)
    note = f"<p>{escape(NOTES[name])}</p>\n" if name in NOTES else ""
    return f'<h2>{escape(name)}</h2>\n{note}<div class="scroll"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _cells(row: Row) -> tuple[str, ...]:
    part = row.slice if not row.reference else f"{row.slice}, against {row.reference}"
    part = part if row.slice != ALL or row.reference else ALL
    interval = f"{row.low:.4f} to {row.high:.4f}" if row.low is not None and row.high is not None else ""
    threshold = "" if row.threshold is None else f"{row.threshold:.4f}"
    estimate = row.reason if row.estimate is None else f"{row.estimate:.4f}"
    verdict = "" if row.verdict == "none" else row.verdict
    name = row.metric.replace("_", " ")
    return (str(row.month or ""), name, part, f"{row.n:,}" if row.n else "", estimate, interval, threshold, verdict)
