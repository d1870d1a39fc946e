"""Parses MLflow's command lines as click does: options and their values, in any spelling."""

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

    def arguments(self) -> list[str]:
        return [text for text in (self.name, self.value) if text is not None]


def parse_tokens(arguments: Sequence[str], long_names: dict[str, str], flags: Collection[str]) -> list[Token]:
    """Parse the arguments after the command's own words."""
    tokens: list[Token] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "-":
            tokens.append(Token(None, argument))
        elif argument in flags:
            tokens.append(Token(argument, None))
        elif argument.startswith("--"):
            name, equals, value = argument.partition("=")
            tokens.append(Token(name, value if equals else _next(rest)))
        else:
            name, value = argument[:2], argument[2:]
            tokens.append(Token(long_names.get(name, name), value or _next(rest)))
    return tokens


def _next(rest: list[str]) -> str | None:
    return rest.pop(0) if rest else None


def value_of(tokens: Sequence[Token], *names: str) -> str | None:
    """The option's last value, as for click; None if it is not given."""
    values = [token.value for token in tokens if token.name in names]
    return values[-1] if values else None
