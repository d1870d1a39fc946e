"""A user's id in texts: in the spellings of logs, JSON, addresses, CSV and SQL. Pure."""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus

from steps.cli import spreadsheet

ERASED = "[erased]"
IN_WORDS = rb"[0-9A-Za-z_\x80-\xff-]"
# \n, \t and \r in JSON, \x before hex digits, and %2F in an address, end in a letter but begin no word
ESCAPES = rb"(?:(?<=\\[nrtx])|(?<=%[0-9A-Fa-f]{2}))"
# before a number that is an id and no count: in quotes, in /features/12, user_id=12, PostgreSQL's (user_id)=(12)
BEFORE_NUMBER = rb"(?:(?<=['\"/])|(?<=user_id=)|(?<=%2[Ff])|(?<=\)=\())"


@dataclass(frozen=True)
class Trace:
    """A place with a user's data. count: of rows or mentions. remedy: empty where erase_user deletes them itself, else
    how to delete them."""

    place: str
    count: int
    remedy: str = ""


@dataclass(frozen=True)
class Subject:
    """The user to erase. entity_key: the id in the form of Feast's online stores."""

    user_id: str
    entity_key: bytes

    @cached_property
    def is_number(self) -> bool:
        """Such an id is also in texts that are not about the user."""
        return re.fullmatch(r"[0-9.]+", self.user_id) is not None

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """The id, but not as a part of a longer word; a number only where it is an id."""
        spellings = sorted({text.encode() for text in self._spellings()}, key=lambda text: (-len(text), text))
        before = BEFORE_NUMBER if self.is_number else b""
        return re.compile(b"|".join(before + _whole_word(spelling) for spelling in spellings))

    def count(self, text: bytes) -> int:
        return sum(1 for _match in self.pattern.finditer(text))

    def is_in(self, text: str) -> bool:
        return self.pattern.search(text.encode(errors="replace")) is not None

    def without(self, text: str) -> str:
        return self.pattern.sub(ERASED.encode(), text.encode(errors="replace")).decode(errors="replace")

    def _spellings(self) -> Iterable[str]:
        user_id = self.user_id
        yield from (user_id, repr(user_id)[1:-1], spreadsheet.escape(user_id), html.escape(user_id))
        yield from (json.dumps(user_id)[1:-1], json.dumps(user_id, ensure_ascii=False)[1:-1])
        for quoted in (quote(user_id), quote(user_id, safe=""), quote_plus(user_id)):
            yield from (quoted, re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted))
        yield from (user_id.replace("'", "''"), user_id.replace('"', '""'), self.entity_key.hex())


def _whole_word(text: bytes) -> bytes:
    before = b"(?:(?<!" + IN_WORDS + b")|" + ESCAPES + b")" if re.match(IN_WORDS, text) else b""
    after = b"(?!" + IN_WORDS + b")" if re.search(IN_WORDS + rb"\Z", text) else b""
    return before + re.escape(text) + after
