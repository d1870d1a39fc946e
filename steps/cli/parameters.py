"""argparse types for the entry points' parameters: MLflow does not validate them."""

import argparse
import math
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def as_of(text: str) -> date:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # a day that does not exist gets the same message
    raise argparse.ArgumentTypeError(f"{text!r} is not a date. Write it as YYYY-MM-DD, for example 2024-01-31")


def existing_folder(text: str) -> Path:
    folder = Path(text).expanduser()
    if not text or not _passes(folder.is_dir):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder{_looked_for(text, folder)}")
    return folder


def existing_file(text: str) -> Path:
    file = Path(text).expanduser()
    if not text or not _passes(file.is_file):
        raise argparse.ArgumentTypeError(f"{text!r} is not a file{_looked_for(text, file)}")
    return file


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except PermissionError:  # of a parent folder
        return False


def _looked_for(text: str, path: Path) -> str:
    """The absolute path of a relative one: MLflow runs a step in the project's folder, not the caller's."""
    if not text or path.is_absolute():
        return ""
    return f": looked for {Path.cwd() / path}. Give the full path where it is in another folder"


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]+", text) and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")

    return parse


def positive_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


def yes_or_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} must be true or false")
    return text == "true"


def version(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version's number")
    return text


def feature_service(text: str) -> str:
    """Only its form: the existing ones are in Feast's registry."""
    if not re.fullmatch(r"[A-Za-z0-9_]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a FeatureService, such as churn_v1")
    return text


def run_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a run id (32 hexadecimal digits)")
    return text


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """None for an empty string, MLproject's default for a missing value."""
    return lambda text: parse(text) if text else None
