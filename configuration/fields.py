"""The kinds of settings. Each function makes a field with its default, its description and the allowed values.

Some checks are in the types: `port: Whole = port(5001, "The watcher listens at this port")`.
"""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

HIGHEST_PORT = 65535
# secret: never shown. derived: a comment in .env.example, because the local stack and docker-compose.yml set it or its
# default is another setting's value. section: a title in .env.example, above this setting
MARKS = ("secret", "derived", "section")


def _no_bool(value: object) -> object:
    """Python accepts True as 1; `true` is not meant as a number."""
    if isinstance(value, bool):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic only converts ValueError
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value


def _no_blank_path(value: object) -> object:
    return _not_blank(value) if isinstance(value, str) else value


def web_address_of(value: str) -> str:
    """Without slashes at its end. Raises ValueError."""
    parts = urlsplit(value)
    is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    if not is_address or parts.username is not None:
        raise ValueError("not an address")
    return value.rstrip("/")


Number = Annotated[float, BeforeValidator(_no_bool)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
Text = Annotated[str, AfterValidator(_not_blank)]
Folder = Annotated[Path, BeforeValidator(_no_blank_path)]
WebAddress = Annotated[str, AfterValidator(web_address_of)]


def setting(default: object, description: str, allowed: str | None, *, variable: str | None = None, **more: Any) -> Any:
    """A field of any kind. description: for .env.example. variable: its name, if not the prefix and the field's name.

    more: pydantic's constraints, and MARKS.
    """
    marks = {"allowed": allowed, **{name: more.pop(name, None) for name in MARKS}}
    if variable:
        more["alias"] = variable
    field: Any = Field
    return field(default, description=description, json_schema_extra=marks, repr=not marks["secret"], **more)


def seconds(default: float, description: str, *, most: float = 300.0, **more: Any) -> Any:
    return setting(
        default,
        description,
        f"a number of seconds above 0, at most {most:g}",
        gt=0,
        le=most,
        allow_inf_nan=False,
        **more,
    )


def count(default: int, description: str, *, most: int, **more: Any) -> Any:
    return setting(default, description, f"a whole number from 1 to {most}", ge=1, le=most, **more)


def port(default: int, description: str, **more: Any) -> Any:
    return setting(default, description, f"a port from 1 to {HIGHEST_PORT}", ge=1, le=HIGHEST_PORT, **more)


def text(default: str | None, description: str, **more: Any) -> Any:
    return setting(default, description, "a text that is not empty", **more)


def web_address(default: str | None, description: str, **more: Any) -> Any:
    return setting(default, description, "a URL like http://127.0.0.1:5001, without a login", **more)


def choice(default: str, description: str, **more: Any) -> Any:
    """For a field whose type is a Literal, which lists the allowed values."""
    return setting(default, description, None, **more)


def flag(default: bool, description: str, **more: Any) -> Any:
    return setting(default, description, "true or false", **more)


def folder(default: str | Path | None, description: str, **more: Any) -> Any:
    return setting(default, description, "a folder", **more)
