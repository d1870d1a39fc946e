"""README.md and docs/: lengths, links, and the existence of every file, setting and message that they name."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dotenv import dotenv_values

from local_stack.settings import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
MOST_README_LINES, MOST_COLUMNS = 120, 120


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    """The page's links to files and headings of the project."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not urlsplit(link).scheme]


def target(page: Path, link: str) -> Path:
    path = link.split("#", maxsplit=1)[0]
    return (page.parent / path).resolve() if path else page


def anchors(page: Path) -> set[str]:
    """The headings in the form of GitHub's links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_valid(page: Path, link: str) -> bool:
    path, heading = target(page, link), link.partition("#")[2]
    return path.exists() and (not heading or heading in anchors(path))


def reachable(start: Path) -> set[Path]:
    """The pages reachable by links. A link to a folder leads to its files, because GitHub lists them."""
    seen: set[Path] = set()
    queue = [start]
    while queue:
        page = queue.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        if page.is_dir():
            queue += page.glob("*.md")
        elif page.suffix == ".md":
            queue += [target(page, link) for link in links(page)]
    return seen


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= MOST_README_LINES


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_lines_of_text_are_short(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > MOST_COLUMNS] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_an_existing_file_or_heading(page: Path) -> None:
    assert [link for link in links(page) if not is_valid(page, link)] == []


def test_a_broken_link_is_noticed() -> None:
    assert is_valid(README, "#folders")
    assert not is_valid(README, "#no-such-heading")
    assert not is_valid(README, "docs/no-such-page.md")


def test_every_page_is_reachable_from_the_readme() -> None:
    assert {name_of(page) for page in set(DOCS.rglob("*.md")) - reachable(README)} == set()


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=name_of)
def test_every_named_path_exists(page: Path) -> None:
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    named = set(re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()))
    made_by_the_reader = {"steps/warehouse/sql/migrations/0002_late_payments.sql"}
    assert sorted(name for name in named - made_by_the_reader if not (ROOT / name).exists()) == []


SUPERSEDED = re.compile(r"^\*Superseded by \[\d+\]\((\d{4}-[\w-]+\.md)\)", re.MULTILINE)


@cache
def project_files() -> frozenset[str]:
    """Paths below the project's folder, each with a leading slash."""
    return frozenset(f"/{name_of(path)}" for path in ROOT.rglob("*") if not path.is_relative_to(ROOT / ".venv"))


def missing_files(text: str) -> list[str]:
    """Files named in backticks that do not exist. A file may be named without its leading folders."""
    named = re.findall(r"`([\w./-]+\.(?:py|sql|sh|md|ya?ml|toml|txt))`", text)
    return sorted(name for name in named if not any(file.endswith(f"/{name}") for file in project_files()))


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=name_of)
def test_a_decision_names_existing_files_or_the_decision_that_supersedes_it(page: Path) -> None:
    text = page.read_text()
    assert SUPERSEDED.search(text) or missing_files(text) == []


def test_a_missing_file_is_noticed() -> None:
    assert missing_files("`server/front.py`, `MLproject`, `steps/no_such.py`") == ["steps/no_such.py"]


def test_every_file_of_the_layout_exists() -> None:
    tree = (DOCS / "developing.md").read_text().split("## Layout")[1].split("```")[1]
    listed = set(re.findall(r"[\w/]+\.(?:py|md|toml|txt|yaml)", tree))
    every = {path.name for path in ROOT.rglob("*") if not path.is_relative_to(ROOT / ".venv")}
    assert listed
    assert sorted(name for name in listed if name not in every) == []


def test_every_named_setting_exists() -> None:
    settings = set(dotenv_values(ROOT / ".env.example"))
    settings |= set(re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    pages = "\n".join(page.read_text() for page in [README, *DOCS.glob("*.md")])
    named = set(re.findall(r"\b((?:ENRICHER|STREAMFLOW|GATEWAY|ROLLOUT)_[A-Z_]*[A-Z])\b", pages))
    assert named
    assert named - settings == set()


def test_every_message_in_the_troubleshooting_is_printed_by_a_program() -> None:
    table = (DOCS / "operation.md").read_text().split("## Troubleshooting")[1]
    cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    parts = [part.strip() for cell in cells for quoted in re.findall(r"`(.+?)`", cell) for part in quoted.split("…")]
    folders = ("local_stack", "steps", "rollout", "sealing")
    source = "\n".join(path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert parts
    assert [part for part in parts if part not in source] == []
