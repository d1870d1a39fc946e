"""A value in a run's description is shown as text by MLflow's UI, whatever it contains."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration import markdown

MARKUP = [
    "[ERROR] labels.csv, line 3: '![](http://other/x.png)' is not True or False",
    "[ERROR] '<img src=x onerror=alert(1)>' is not a user",
    "'[click](javascript:alert(1))'",
    "see http://other/x and www.other",
    "*bold* `code`",
    "a _b_",
    "&lt;script&gt;",
    "# title",
    "two\nlines",
    "a\n```\n<b>",
    "`" * 4999,
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_shown_as_code(text: str) -> None:
    first, *lines, last = markdown.literal(text).split("\n")
    assert first == last
    assert re.fullmatch("`{3,}", first)
    assert first not in "\n".join(lines)
    assert len(markdown.literal(text)) < 8000


@settings(deadline=None)
@given(text=st.text(st.sampled_from("`~[]()!<>_*&;#\n a1"), max_size=30))
def test_no_text_ends_its_block(text: str) -> None:
    shown = markdown.literal(text)
    if shown != text:
        fence = shown.split("\n")[0]
        assert shown == f"{fence}\n{text}\n{fence}"
        assert fence not in text
    else:
        assert not re.search(r"[<`*\n]|\]\(|!\[|&\w+;", text)


@pytest.mark.parametrize(
    "text", ["[OK] Scored 2024-01-31 with streamflow_churn version 2: 300 users. AUC 0.81 (0.79 to 0.83)", "", "a ~ b"]
)
def test_ordinary_lines_stay_lines(text: str) -> None:
    assert markdown.literal(text) == text
