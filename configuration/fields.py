"""The kinds of settings. Each function makes a field: its default, what it is, and what is allowed, in one place.

The checks are partly in the types beside them: `port: Whole = port(5001, "The watcher listens at this port")`.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

HIGHEST_PORT = 65535
# secret: never shown. derived: a comment in .env.example, because the local stack and docker-compose.yml set it, or
# because its default is another setting's value. section: a title in .env.example, above this setting
MARKS = ("secret", "derived", "section")


def _no_bool(value: object) -> object:
    """Python counts True as 1; nobody who writes `true` means a number."""
    if isinstance(value, bool):
        raise ValueError("a number")  # noqa: TRY004 - pydantic turns this one alone into its own
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value


def _no_blank_path(value: object) -> object:
    return _not_blank(value) if isinstance(value, str) else value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.port == 0 or parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError("no address")
    return value.rstrip("/")


Number = Annotated[float, BeforeValidator(_no_bool)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Text = Annotated[str, AfterValidator(_not_blank)]
Folder = Annotated[Path, BeforeValidator(_no_blank_path)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


def setting(default: object, what: str, allowed: str | None, *, variable: str | None = None, **more: Any) -> Any:
    """A field of any kind. what: one line for .env.example. variable: its name, where the prefix does not give it.

    more: pydantic's constraints, and what MARKS names.
    """
    marks = {"allowed": allowed, **{name: more.pop(name, None) for name in MARKS}}
    if variable:
        more["alias"] = variable
    field: Any = Field
    return field(default, description=what, json_schema_extra=marks, repr=not marks["secret"], **more)


def seconds(default: float, what: str, *, most: float = 300.0, **more: Any) -> Any:
    return setting(
        default, what, f"a number of seconds above 0, at most {most:g}", gt=0, le=most, allow_inf_nan=False, **more
    )


def count(default: int, what: str, *, most: int, **more: Any) -> Any:
    return setting(default, what, f"a whole number from 1 to {most}", ge=1, le=most, **more)


def port(default: int, what: str, **more: Any) -> Any:
    return setting(default, what, f"a port from 1 to {HIGHEST_PORT}", ge=1, le=HIGHEST_PORT, **more)


def text(default: str | None, what: str, **more: Any) -> Any:
    return setting(default, what, "a text that is not empty", **more)


def web_address(default: str | None, what: str, **more: Any) -> Any:
    return setting(default, what, "a URL like http://127.0.0.1:5001", **more)


def choice(default: str, what: str, **more: Any) -> Any:
    """Of a field whose type is a Literal, which says what is allowed."""
    return setting(default, what, None, **more)


def flag(default: bool, what: str, **more: Any) -> Any:
    return setting(default, what, "true or false", **more)


def folder(default: str | Path | None, what: str, **more: Any) -> Any:
    return setting(default, what, "a folder", **more)
