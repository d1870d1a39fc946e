"""Which texts a client may send."""

import unicodedata

# Cc: control characters, NUL among them (PostgreSQL cannot store it). Cs: lone surrogates, not text.
FORBIDDEN_CATEGORIES = {"Cc", "Cs"}
# The same for a JSON schema, which is to be met nowhere in the text
FORBIDDEN_PATTERN = "[\\x00-\\x1f\\x7f-\\x9f]"


def is_readable(text: str) -> bool:
    """Without control characters and broken text."""
    if text.isascii() and text.isprintable():  # nearly always, and quickly seen
        return True
    return not any(unicodedata.category(character) in FORBIDDEN_CATEGORIES for character in text)
