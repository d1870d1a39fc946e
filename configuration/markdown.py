"""Text in MLflow's descriptions, which the UI reads as Markdown: a value never becomes a picture, a link or HTML."""

import re

# of one line, after a leading [OK]; underscores only within words
_PLAIN = re.compile(r"(?:\[[A-Z]+\] )?(?!#)(?:[^<`*\[\]\\~_\n\r]|(?<=\w)_(?=\w)|~(?!~))*")
_LONG_RUN = re.compile("`{100,}")
_LINK_OR_ENTITY = re.compile(r"://|www\.|&#?\w+;")


def literal(text: str) -> str:
    """The text itself if Markdown shows it as it is, else the text as a block of code."""
    if _PLAIN.fullmatch(text) and not _LINK_OR_ENTITY.search(text):
        return text
    code = _LONG_RUN.sub("…", text)  # a fence must be longer than every run, and a description has a limit
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", code))])
    return f"{fence}\n{code}\n{fence}"
