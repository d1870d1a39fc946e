"""Files, commands and settings named in CONTRIBUTING.md and SECURITY.md exist."""

import re
import tomllib
from pathlib import Path

import pytest

from local_stack.environment import variables
from local_stack.settings import ROOT

PAGES = ("CONTRIBUTING.md", "SECURITY.md")


def text(page: str) -> str:
    return (ROOT / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_every_named_file_exists(page: str) -> None:
    linked = [link for link in re.findall(r"\]\(([^)#]+)", text(page)) if "://" not in link]
    named = re.findall(r"`([\w./-]+(?:\.(?:py|md|toml|txt|sql|yml)|/))`", text(page))
    typed = re.findall(r"(?<![\w/])(tests/[\w/]+\.py)", text(page))
    made_up = {"steps/NAME.py", "tests/steps/test_NAME.py"}
    assert [name for name in {*linked, *named, *typed} - made_up if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_pythons_are_those_of_pyproject(page: str) -> None:
    lowest, above = re.findall(r"3\.(\d+)", tomllib.loads(text("pyproject.toml"))["project"]["requires-python"])
    assert f"Python 3.{lowest} to 3.{int(above) - 1}" in text(page)


def test_every_named_make_target_exists() -> None:
    named = set(re.findall(r"(?:^\$ |`)(?:\w+=\w+ )?make ([a-z-]+)", text("CONTRIBUTING.md"), re.MULTILINE))
    assert named >= {"dev", "check", "lock"}
    assert named <= set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))


def test_constants_named_in_a_recipe_are_in_the_named_file() -> None:
    for name, file in {
        "HYPERPARAMETERS": "steps/training/pipelines.py",
        "TITLES": "steps/training/pipelines.py",
        "MODELS": "tests/steps/states/trainings.py",
    }.items():
        assert f"`{name}`" in text("CONTRIBUTING.md")
        assert re.search(rf"^{name}\b", Path(ROOT / file).read_text(), re.MULTILINE)


def test_every_setting_named_in_security_exists() -> None:
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=\w+)?`", text("SECURITY.md")))
    assert named
    assert named <= variables.all_names()
