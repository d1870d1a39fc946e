"""Settings that list keys with the names of their holders: ENRICHER_API_KEYS and CONSOLE_KEYS."""

import re

NO_KEY = "none"
"""In metrics: the name of clients without a valid key"""
SHORTEST_KEY = 16
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}", re.ASCII)
KEYS = (
    f"keys of at least {SHORTEST_KEY} printable ASCII characters, as KEY or NAME:KEY, separated by commas; a name has "
    f"a letter first and at most 32 letters, digits, dots, dashes and underscores, and is not {NO_KEY!r}; no key twice"
)

NamedKey = tuple[str, str]
"""Name and key"""


def split_keys(value: object) -> object:
    """`name:key,key` as (name, key) and (key-2, key). Raises ValueError."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    named = tuple(_named(part, number) for number, part in enumerate(parts, start=1))
    if len({key for _name, key in named}) < len(named):
        raise ValueError("a key twice")
    return named


def _named(part: str, number: int) -> NamedKey:
    """A plain key is named by its place in the list."""
    before, colon, after = part.partition(":")
    name, key = (before.strip(), after.strip()) if colon else (f"key-{number}", part)
    if name == NO_KEY or not NAME.fullmatch(name):
        raise ValueError("not a name")
    if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise ValueError("not a key")
    return name, key
