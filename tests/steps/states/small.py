"""The project's defaults, except small models, for tests of whole months."""

from pathlib import Path

from local_stack.settings import ROOT

FEW = {
    'default: "300"}': 'default: "8"}',  # trees of a forest
    'default: "150"}': 'default: "10"}',  # of boosting
}


def quick_project(folder: Path, changes: dict[str, str] | None = None) -> Path:
    """The folder, with MLproject: small models, and further changes of its text."""
    text = (ROOT / "MLproject").read_text()
    for default, changed in {**FEW, **(changes or {})}.items():
        assert default in text, default
        text = text.replace(default, changed)
    (folder / "MLproject").write_text(text)
    return folder
