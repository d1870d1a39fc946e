"""A command line of MLflow's as click reads it: options and their values, in any spelling."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PARAMETER = "--param-list"
RUN_OPTIONS = {"-e": "--entry-point", "-v": "--version", "-P": PARAMETER, "-A": "--docker-args", "-b": "--backend"}
RUN_FLAGS = {"--build-image", "--help"}


@dataclass(frozen=True)
class Token:
    """One option with its value, under its long name. A positional argument has no name, a flag no value."""

    name: str | None
    value: str | None

    def words(self) -> list[str]:
        return [word for word in (self.name, self.value) if word is not None]


def tokens(arguments: Sequence[str], long_names: dict[str, str], flags: Collection[str]) -> list[Token]:
    """What follows the command's own words."""
    found: list[Token] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            found.append(Token(None, word))
        elif word in flags:
            found.append(Token(word, None))
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            found.append(Token(name, value if equals else _next(rest)))
        else:
            name, value = word[:2], word[2:]
            found.append(Token(long_names.get(name, name), value or _next(rest)))
    return found


def _next(rest: list[str]) -> str | None:
    return rest.pop(0) if rest else None


def value_of(found: Sequence[Token], *names: str) -> str | None:
    """The last one counts, as for click. None when it is not given."""
    values = [token.value for token in found if token.name in names]
    return values[-1] if values else None
