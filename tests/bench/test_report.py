"""A section of a report can be replaced alone."""

from pathlib import Path

import pytest

from bench import report

HEAD = "## Any request"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# Title\n\nWords.\n", "# Title\n\nWords.\n\n## Any request\n\nnew\n"),
        ("# Title\n\n## Any request\n\nold\n", "# Title\n\n## Any request\n\nnew\n"),
        (
            "# Title\n\n## Any request\n\nold\n\n## Next\n\nkept\n",
            "# Title\n\n## Any request\n\nnew\n\n## Next\n\nkept\n",
        ),
    ],
)
def test_a_section_replaces_its_previous_version(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text(before)

    report.put_section(path, HEAD, ["new"])

    assert path.read_text() == after
