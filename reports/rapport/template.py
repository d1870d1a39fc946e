"""The report's template is Markdown that is carried out from top to bottom:

```console          $ lines are run, and what they print is put below them
$ command
```
![text](img/x.png)  the picture x is taken, by the action of that name
{{name}}            a figure, known when all is done
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

TEMPLATE = Path(__file__).with_name("template.md")
FIGURE = re.compile(r"\{\{(\w+)\}\}")
PICTURE = re.compile(r"!\[[^\]]*\]\(img/(\w+)\.png\)")


class Runs(Protocol):
    def run(self, command: str) -> str: ...


class Takes(Protocol):
    def take(self, name: str) -> None: ...


def carry_out(template: str, shell: Runs, pictures: Takes) -> str:
    """The template with the output of its commands; its pictures are taken on the way."""
    lines: list[str] = []
    in_console = False
    for line in template.splitlines():
        lines.append(line)
        if line.startswith("```"):
            in_console = line == "```console"
        elif in_console and line.startswith("$ "):
            lines += shell.run(line[2:]).splitlines()
        elif found := PICTURE.search(line):
            pictures.take(found[1])
    return "\n".join(lines) + "\n"


def fill_in(text: str, figures: Mapping[str, str]) -> str:
    """Raises KeyError for a figure that nobody collected."""
    return FIGURE.sub(lambda found: figures[found[1]], text)


def stated(template: str, report: str) -> dict[str, str]:
    """The figures as the report states them. Raises ValueError when a line of the template is not in the report, or
    when the report states one figure in two ways."""
    found: dict[str, str] = {}
    for line in template.splitlines():
        pattern = _pattern(line)
        match = re.search(pattern, report, re.MULTILINE)
        if match is None:
            raise ValueError(f"The report lacks this line of its template; run make report: {line}")
        for name, value in zip(FIGURE.findall(line), match.groups(), strict=True):
            if found.setdefault(name, value) != value:
                raise ValueError(f"The report states {name} as {found[name]} and as {value}")
    return found


def commands(text: str) -> list[str]:
    return re.findall(r"^\$ (.+)$", text, re.MULTILINE)


def _pattern(line: str) -> str:
    parts = FIGURE.split(line)[::2]
    return "^" + "(.+?)".join(re.escape(part) for part in parts) + "$"
