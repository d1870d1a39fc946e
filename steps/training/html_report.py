"""A self-contained page: figures and plots in one HTML file, which MLflow's UI shows as an artifact. Pure."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

REPORT = "report.html"

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; padding: 1rem;
  max-width: 60rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .75rem .25rem 0; text-align: left; font-weight: normal;
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #555; font-size: .875rem; }
"""


def page(title: str, intro: str, rows: Mapping[str, str], pictures: Sequence[tuple[str, Path]]) -> str:
    """An HTML document without scripts or external resources, readable from a width of 390 pixels.

    rows: a table of two columns, names and values. pictures: caption and PNG file, embedded. All text is escaped.
    Raises OSError for a picture that cannot be read.
    """
    table = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows.items()
    )
    figures = "\n".join(picture(caption, path) for caption, path in pictures)
    return document(
        title,
        f"""<p>{escape(intro)}</p>
<table>
{table}
</table>
<div class="pictures">
{figures}
</div>""",
    )


def document(title: str, body: str, style: str = "") -> str:
    """body: HTML. style: CSS beside the reports' own."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""


def picture(caption: str, path: Path) -> str:
    """The PNG file inside the HTML, with its caption."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
