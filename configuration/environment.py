"""The base of each program's settings: pydantic-settings reads the environment, with one wording for errors.

An empty variable counts as not set, as in .env: its default applies.
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
    """One line per invalid setting."""


def prefixed(prefix: str) -> SettingsConfigDict:
    """model_config of a class whose field `port` is the variable PREFIXPORT, unless the field names another."""
    return SettingsConfigDict(alias_generator=lambda field: prefix + field.upper(), env_prefix=prefix)


class EnvironmentSettings(BaseSettings):
    """Fields come from the functions of configuration.fields. read() refuses unknown names."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", case_sensitive=True, env_ignore_empty=True, hide_input_in_errors=True
    )
    invalid: ClassVar[type[Exception]] = InvalidSettings
    """Raised for invalid values"""

    @classmethod
    def read(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """overrides: values by variable, with or without the prefix; they win over the environment.

        Raises cls.invalid, with a line per error.
        """
        names, prefix = cls.variables(), str(cls.model_config["env_prefix"])
        try:
            return cls(**{name if name in names else prefix + name: value for name, value in (overrides or {}).items()})
        except ValidationError as error:
            raise cls.invalid("\n".join(cls._message(detail) for detail in error.errors())) from None

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        return {str(field.alias): field for field in cls.model_fields.values()}

    @classmethod
    def unknown_variables(cls, also_valid: Iterable[str] = ()) -> list[str]:
        """A warning for each variable that has the prefix of this class and is not a setting: mostly typing errors.

        also_valid: settings of other programs with the same prefix.
        """
        return unknown_variables(os.environ, (str(cls.model_config["env_prefix"]),), {*cls.variables(), *also_valid})

    @classmethod
    def _message(cls, detail: ErrorDetails) -> str:
        if not detail["loc"]:  # about several settings together
            return str(detail["ctx"]["error"])
        name = str(detail["loc"][0])
        if name not in cls.variables():
            return f"{_unknown(name, cls.variables())}. {SEE}"
        field = cls.variables()[name]
        return must_be(name, detail["input"], allowed(field), secret=mark(field, "secret"))


def must_be(name: str, value: object, allowed: str, *, secret: bool = False) -> str:
    """The message about an invalid setting. secret: hides the value. Credentials before an @ are always hidden."""
    shown = CREDENTIALS.sub(r"\1***@", value) if isinstance(value, str) else value
    return f"{name}{'' if secret else f'={shown!r}'}: must be {allowed}. {SEE}"


def unknown_variables(variables: Iterable[str], prefixes: tuple[str, ...], names: Collection[str]) -> list[str]:
    """A warning for each variable that has one of the prefixes and is not one of the names."""
    unknown = sorted(name for name in variables if name.startswith(prefixes) and name not in names)
    return [f"{_unknown(name, names)} and is ignored. {SEE}" for name in unknown]


def _unknown(name: str, names: Iterable[str]) -> str:
    # without the prefix, which alone would make any two settings of a program alike
    prefix = name.partition("_")[0] + "_"
    rests = [other.removeprefix(prefix) for other in names if other.startswith(prefix)]
    close = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1)
    return f"{name} is not a setting{f' (did you mean {prefix}{close[0]}?)' if close else ''}"


def allowed(field: FieldInfo) -> str:
    """The values that a field allows, in words. Of a Literal: its choices."""
    if mark(field, "allowed"):
        return str(mark(field, "allowed"))
    *choices, last = get_args(field.annotation)
    return f"{', '.join(choices)} or {last}"


def mark(field: FieldInfo, name: str) -> Any:
    """A mark that configuration.fields.setting() put on a field, or None."""
    extra = field.json_schema_extra
    return extra[name] if isinstance(extra, dict) else None
