"""user_ids and categories that are formulas or markup, in the files of a score."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from steps.cli import spreadsheet
from steps.scoring import report
from steps.scoring.report import ListPart, Subject
from steps.scoring.scores import LeftOut, MonthScores

USERS = ['=HYPERLINK("http://other")', "+1", "-1", "@SUM(A1)", "\t=1", "a;=1", "<img src=x onerror=alert(1)>", "'ann'"]
CATEGORY = '"><script>alert(1)</script>'


def test_the_list_has_no_formula_and_the_page_no_markup_of_a_value(tmp_path: Path) -> None:
    nobody = np.zeros(len(USERS), dtype=np.bool_)
    left_out = LeftOut(0, 1, {"net_service": Counter({CATEGORY: 1})})
    probability = np.linspace(0.9, 0.2, len(USERS))
    scored = MonthScores(pa.chunked_array([USERS]), probability, probability > 0.5, nobody, left_out)
    labels = pa.table({"user_id": pa.array([], pa.string()), "churn_label": pa.array([], pa.bool_())})
    to_contact = pd.DataFrame({"user_id": USERS, "probability": probability, "trained_on": nobody})

    report.write(
        tmp_path, Subject("2024-01-31", "1", "local", "sigmoid", 0.5, ""), scored, labels, ListPart(to_contact)
    )

    with (tmp_path / report.CALL_LIST).open(newline="", encoding="utf-8") as file:
        listed = [row["user_id"] for row in csv.DictReader(file)]
    assert [user for user in listed if user[0] in "=+-@\t\r"] == []
    assert [spreadsheet.unescape(user) for user in listed] == USERS
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert spreadsheet.NOTE in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
