"""What the pages share: the application's parts, and sections that fail alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import current_app

from console.settings import Settings
from console.sources.gateway import Gateway
from steps.cli.errors import StepError

T = TypeVar("T")


@dataclass(frozen=True)
class Section(Generic[T]):
    """content: None where it cannot be read, and then `problem` says why."""

    content: T | None
    problem: str = ""


def section(read: Callable[[], T]) -> Section[T]:
    """A page about the state of things must show the others when one of them is down."""
    try:
        return Section(read())
    except StepError as error:
        return Section(None, str(error))


def settings() -> Settings:
    own: Settings = current_app.extensions["console"]["settings"]
    return own


def gateway() -> Gateway:
    own: Gateway = current_app.extensions["console"]["gateway"]
    return own
