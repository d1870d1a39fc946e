"""The report's template is Markdown, run from top to bottom:

```console          $ lines are run; their output is inserted below them
$ command
```
![text](img/x.png)  the picture x is taken
{{name}}            a figure, filled in at the end
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

TEMPLATE = Path(__file__).with_name("template.md")
FIGURE = re.compile(r"\{\{(\w+)\}\}")
PICTURE = re.compile(r"!\[[^\]]*\]\(img/(\w+)\.png\)")


class RunsCommands(Protocol):
    def run(self, command: str) -> str: ...


class TakesPictures(Protocol):
    def take(self, name: str) -> None: ...


def execute(template: str, shell: RunsCommands, pictures: TakesPictures) -> str:
    """Runs the commands and takes the pictures in order. Returns the template with the commands' output inserted."""
    lines: list[str] = []
    in_console = False
    for line in template.splitlines():
        lines.append(line)
        if line.startswith("```"):
            in_console = line == "```console"
        elif in_console and line.startswith("$ "):
            # indented by four, a fence in the output does not end the block
            output = shell.run(line[2:]).splitlines()
            lines += [f"    {text}" if text.lstrip().startswith(("```", "~~~")) else text for text in output]
        elif picture := PICTURE.search(line):
            pictures.take(picture[1])
    return "\n".join(lines) + "\n"


def fill_in(text: str, figures: Mapping[str, str]) -> str:
    """Replaces each {{name}} by its figure. Raises KeyError for a missing figure."""
    return FIGURE.sub(lambda match: figures[match[1]], text)


def stated(template: str, report: str) -> dict[str, str]:
    """The figures in a finished report, by name.

    Raises ValueError when a line of the template is missing in the report, or a figure has two values in it.
    """
    figures: dict[str, str] = {}
    for line in template.splitlines():
        pattern = _pattern(line)
        match = re.search(pattern, report, re.MULTILINE)
        if match is None:
            raise ValueError(f"A line of the template is missing in the report; run make report: {line}")
        for name, value in zip(FIGURE.findall(line), match.groups(), strict=True):
            if figures.setdefault(name, value) != value:
                raise ValueError(f"The report states {name} as {figures[name]} and as {value}")
    return figures


def commands(text: str) -> list[str]:
    """The commands of all $ lines, in order."""
    return re.findall(r"^\$ (.+)$", text, re.MULTILINE)


def _pattern(line: str) -> str:
    parts = FIGURE.split(line)[::2]
    return "^" + "(.+?)".join(re.escape(part) for part in parts) + "$"
