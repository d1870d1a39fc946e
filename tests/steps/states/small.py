"""The project's defaults, except small models, for tests of whole months."""

from pathlib import Path

from local_stack.settings import ROOT


def quick_project(folder: Path, trees: int = 8, iterations: int = 10) -> Path:
    """The folder, with MLproject: forests of so many trees, and so many iterations of boosting."""
    text = (ROOT / "MLproject").read_text()
    for default, changed in {'"300"} # forest': trees, '"150"} # boosting': iterations}.items():
        assert text.count(default) == 1, default
        text = text.replace(default, f'"{changed}"}} #{default.partition("#")[2]}')
    (folder / "MLproject").write_text(text)
    return folder
