"""The base of each program's settings: read from the environment by pydantic-settings, with one wording for errors.

A variable that is empty counts as one that is not set, here as in .env: its default holds.
"""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Self, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

SEE = "See .env.example"
CREDENTIALS = re.compile(r"^(\w+://)?.*@", re.DOTALL)


class InvalidSettings(Exception):
    """One line per setting that cannot be used."""


def prefixed(prefix: str) -> SettingsConfigDict:
    """model_config of a class whose field `port` is the variable PREFIXPORT, where the field names no other."""
    return SettingsConfigDict(alias_generator=lambda field: prefix + field.upper(), env_prefix=prefix)


class EnvironmentSettings(BaseSettings):
    """Fields are made with the functions of configuration.fields; an unknown name that is handed in is refused."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", case_sensitive=True, env_ignore_empty=True, hide_input_in_errors=True
    )
    invalid: ClassVar[type[Exception]] = InvalidSettings
    """Raised for a value that cannot be used"""

    @classmethod
    def read(cls, given: Mapping[str, Any] | None = None) -> Self:
        """given: values by variable, with or without the prefix; they win over the environment.

        Raises cls.invalid, with a line for each fault.
        """
        names, prefix = cls.variables(), str(cls.model_config["env_prefix"])
        try:
            return cls(**{name if name in names else prefix + name: value for name, value in (given or {}).items()})
        except ValidationError as error:
            raise cls.invalid("\n".join(cls._message(fault) for fault in error.errors())) from None

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        return {str(field.alias): field for field in cls.model_fields.values()}

    @classmethod
    def unknown_variables(cls, known: Iterable[str] = ()) -> list[str]:
        """A warning for each variable that has the prefix of this class and is no setting: a typing error, mostly.

        known: settings of other programs with the same prefix.
        """
        return unknown_variables(os.environ, (str(cls.model_config["env_prefix"]),), {*cls.variables(), *known})

    @classmethod
    def _message(cls, fault: ErrorDetails) -> str:
        if not fault["loc"]:  # of the settings together
            return str(fault["ctx"]["error"])
        name = str(fault["loc"][0])
        if name not in cls.variables():
            return f"{_unknown(name, cls.variables())}. {SEE}"
        field = cls.variables()[name]
        return must_be(name, fault["input"], allowed(field), secret=mark(field, "secret"))


def must_be(name: str, value: object, allowed: str, *, secret: bool = False) -> str:
    """What is wrong with a setting. secret: the value is not shown; what stands before an @ never is."""
    shown = CREDENTIALS.sub(r"\1***@", value) if isinstance(value, str) else value
    return f"{name}{'' if secret else f'={shown!r}'}: must be {allowed}. {SEE}"


def unknown_variables(given: Iterable[str], prefixes: tuple[str, ...], names: Collection[str]) -> list[str]:
    """A warning for each variable that has one of the prefixes and is none of the names."""
    strange = sorted(name for name in given if name.startswith(prefixes) and name not in names)
    return [f"{_unknown(name, names)} and is ignored. {SEE}" for name in strange]


def _unknown(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"{name} is not a setting{f' (did you mean {close[0]}?)' if close else ''}"


def allowed(field: FieldInfo) -> str:
    if mark(field, "allowed"):
        return str(mark(field, "allowed"))
    *others, last = get_args(field.annotation)
    return f"{', '.join(others)} or {last}"


def mark(field: FieldInfo, name: str) -> Any:
    """What configuration.fields.setting() noted about a field."""
    extra = field.json_schema_extra
    return extra[name] if isinstance(extra, dict) else None
