"""The page is self-contained, and no text becomes markup."""

import base64
from html.parser import HTMLParser
from pathlib import Path

from steps.training.html_report import page

PNG = b"\x89PNG\r\n\x1a\n and the rest"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            self.values.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def example(folder: Path) -> Page:
    picture = folder / "roc.png"
    picture.write_bytes(PNG)
    rows = {"AUC": "0.8123", "users <measured> on": 'the "75"'}
    return Page(page("Training <b>of</b> January", "75 users & no more", rows, [("ROC <i>", picture)]))


def test_the_pictures_are_in_the_page(tmp_path: Path) -> None:
    (source,) = example(tmp_path).values["src"]
    assert source == "data:image/png;base64," + base64.b64encode(PNG).decode()


def test_nothing_is_run_or_fetched(tmp_path: Path) -> None:
    parsed = example(tmp_path)
    assert not {"script", "link", "iframe", "b", "i"} & set(parsed.tags)
    assert "href" not in parsed.values
    assert not [name for name in parsed.values if name.startswith("on")]


def test_title_figures_and_captions_are_escaped(tmp_path: Path) -> None:
    text = example(tmp_path).text
    assert text.count("Training <b>of</b> January") == 2
    for part in ("75 users & no more", "AUC", "0.8123", "users <measured> on", 'the "75"', "ROC <i>"):
        assert part in text


def test_a_narrow_screen_uses_its_own_width(tmp_path: Path) -> None:
    assert "width=device-width, initial-scale=1" in example(tmp_path).values["content"]
