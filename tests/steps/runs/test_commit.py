"""The commit that lineage names: of a checkout, of an image built with one, of an image built without."""

from pathlib import Path

import pytest

from steps.runs import tracking

commit = tracking.commit.__wrapped__  # without its cache


@pytest.fixture
def without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("without_git")
def test_an_image_names_the_commit_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_COMMIT", "0f1e2d")
    assert commit() == "0f1e2d"


@pytest.mark.usefixtures("without_git")
@pytest.mark.parametrize("value", [None, ""])
def test_an_image_without_a_commit_is_not_a_git_checkout(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMFLOW_COMMIT", raising=False)
    if value is not None:  # the value after a build without the argument
        monkeypatch.setenv("STREAMFLOW_COMMIT", value)
    assert commit() == "not a git checkout"


def test_a_checkout_takes_its_commit_from_git_only(monkeypatch: pytest.MonkeyPatch) -> None:
    head = commit()
    monkeypatch.setenv("STREAMFLOW_COMMIT", "0f1e2d")
    assert commit() == head != "0f1e2d"
