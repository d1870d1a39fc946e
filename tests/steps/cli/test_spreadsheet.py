"""No CSV that people open has a cell that a spreadsheet reads as a formula, and every text can be recovered."""

import csv
import io
import re

import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from steps.cli import spreadsheet
from tests.test_house_rules import name_of, sources

FORMULA = re.compile(r"""[\s"\x00-\x1f\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]""")
CHARACTERS = st.one_of(st.sampled_from("=+-@'\"; ,\t\r\n\uff1d\u200b|!a1"), st.characters(codec="utf-8"))
TEXTS = st.text(CHARACTERS, max_size=12)
ATTACKS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "a;=1", 'a,"=1', "'=1", "<b>&\"'"]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))[1:]


@settings(deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
@example(texts=ATTACKS)
def test_no_cell_is_a_formula_and_every_text_can_be_recovered(texts: list[str]) -> None:
    rows = cells(spreadsheet.to_csv(pd.DataFrame({"rank": range(len(texts)), "user_id": texts})))
    assert [spreadsheet.unescape(user_id) for _rank, user_id in rows] == texts
    assert [user_id for _rank, user_id in rows if FORMULA.match(user_id) or user_id[:1] in ("\t", "\r", "\n")] == []


@settings(deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
@example(texts=ATTACKS)
def test_no_locale_s_separator_makes_a_formula(texts: list[str]) -> None:
    """A spreadsheet with another separator splits the lines at it, and does not know that the text is quoted."""
    written = spreadsheet.to_csv(pd.DataFrame({"rank": range(len(texts)), "user_id": texts}))
    assert [part for part in re.split(r"[;,\t\r\n]", written) if FORMULA.match(part)] == []


def test_ordinary_texts_numbers_and_empty_cells_stay_as_they_are() -> None:
    rows = pd.DataFrame({"user_id": ["4686-GEFRM", "ann o'neil"], "gain": [-0.5, 0.25], "trained_on": [True, None]})
    assert spreadsheet.to_csv(rows).splitlines()[1:] == ["4686-GEFRM,-0.5,True", "ann o'neil,0.25,"]


def test_every_csv_for_people_is_written_by_this_module() -> None:
    # Arrow's writer makes CSV for programs: PostgreSQL's COPY and the months of sample_months
    writers = re.compile(r"\.to_csv\(|csv\.writer|DictWriter")
    users = [
        path
        for path in sources("steps", "local_stack", "reports", "deploy", "bench")
        if writers.search(path.read_text())
    ]
    assert [name_of(path) for path in users if "spreadsheet.to_csv(" not in path.read_text()] == [
        "steps/cli/spreadsheet.py"
    ]
