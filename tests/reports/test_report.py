"""The report: its template is executed in order, and the committed report matches its template."""

import re
import struct
from pathlib import Path

import pytest

from local_stack.settings import ROOT
from reports.rapport.figures import REPRODUCIBLE, french
from reports.rapport.template import TEMPLATE, commands, execute, fill_in, stated

REPORT = ROOT / "reports" / "rapport_tp4.md"
SHARP_PIXELS = 1800


class ActionLog:
    def __init__(self) -> None:
        self.actions: list[str] = []

    def run(self, command: str) -> str:
        self.actions.append(command)
        return f"output of {command}"

    def take(self, name: str) -> None:
        self.actions.append(name)


def test_commands_and_pictures_are_executed_in_the_order_of_the_text() -> None:
    log = ActionLog()
    text = "a {{x}}\n```console\n$ one\n$ two\n```\n![p](img/shot.png)\n```\n$ not run\n```\n"

    done = execute(text, log, log)

    assert log.actions == ["one", "two", "shot"]
    assert "$ one\noutput of one\n$ two\noutput of two\n```" in done
    assert fill_in(done, {"x": "7"}).startswith("a 7\n")


def test_output_does_not_end_its_block() -> None:
    class Hostile(ActionLog):
        def run(self, command: str) -> str:
            return f"```\n<img src=x>{super().run(command)}\n  ~~~"

    done = execute("```console\n$ one\n```\n", Hostile(), Hostile())
    assert re.findall(r"^ {0,3}(?:```|~~~).*$", done, re.MULTILINE) == ["```console", "```"]


def test_a_missing_figure_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill_in("{{nothing}}", {})


def test_stated_reads_the_figures_back() -> None:
    assert stated("AUC {{auc}}, {{rows}} rows", "x\nAUC 0,81, 7 rows\ny") == {"auc": "0,81", "rows": "7"}


@pytest.mark.parametrize(
    ("template", "report", "message"),
    [("one\ntwo", "one", "is missing in the report"), ("a {{x}}\nb {{x}}", "a 1\nb 2", "as 1 and as 2")],
)
def test_a_report_that_differs_from_its_template_is_an_error(template: str, report: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stated(template, report)


def test_numbers_are_written_the_french_way() -> None:
    assert french(0.81226) == "0,8123"


def test_the_committed_report_has_every_line_of_its_template_and_every_figure() -> None:
    figures = stated(TEMPLATE.read_text(), REPORT.read_text())
    assert set(REPRODUCIBLE) <= set(figures)
    assert "{{" not in REPORT.read_text()


def test_every_command_of_the_report_has_its_output() -> None:
    report, run = REPORT.read_text(), commands(TEMPLATE.read_text())
    assert 'make up DATA="$DATA"' in run
    for command in run:
        after = report.split(f"$ {command}\n")[1]
        assert command.startswith("until ") or not after.startswith(("$ ", "```")), command


def test_every_picture_exists_and_is_sharp() -> None:
    named = set(re.findall(r"\(img/(\w+\.png)\)", REPORT.read_text()))
    assert named == {path.name for path in (REPORT.parent / "img").iterdir()}
    assert len(named) >= 6
    for name in named:
        assert width(REPORT.parent / "img" / name) >= SHARP_PIXELS


def width(picture: Path) -> int:
    """Pixels, from a PNG's header."""
    return int(struct.unpack(">I", picture.read_bytes()[16:20])[0])


def test_no_path_of_the_machine_is_in_the_report() -> None:
    assert re.findall(r"(?<![\w.$])/(?:home|root|work|tmp|var)/\S*", REPORT.read_text()) == []
