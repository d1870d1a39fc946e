"""argparse types for the entry points' parameters: MLflow does not validate them."""

import argparse
import math
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
LONGEST_NAME = 100
NO_PERSONS = ("gate", "watcher")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def as_of(text: str) -> date:
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # a day that does not exist gets the same message
    raise argparse.ArgumentTypeError(f"{text!r} is not a date. Write it as YYYY-MM-DD, for example 2024-01-31")


def text(value: str) -> str:
    """Any text in UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError as error:  # bytes of the command line that are no text
        raise argparse.ArgumentTypeError(f"{value!r} is not UTF-8 text") from error
    return value


def path(text: str) -> Path:
    """The text as a path; ~ is the home folder. Shell text in it is a plain name."""
    if CONTROL_CHARACTERS.search(text):
        raise argparse.ArgumentTypeError(f"{text!r} has control characters, which a path must not have")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path: there is no home folder of that user") from error


def existing_folder(text: str) -> Path:
    folder = path(text)
    if not text or not _passes(folder.is_dir):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder{_looked_for(text, folder)}")
    return folder


def new_folder(text: str) -> Path:
    """A folder, or the path of one that can be created."""
    folder = path(text)
    if not text or (_passes(folder.exists) and not _passes(folder.is_dir)):
        raise argparse.ArgumentTypeError(f"{text!r} is {'a file, ' if text else ''}not a folder")
    return folder


def existing_file(text: str) -> Path:
    file = path(text)
    if not text or not _passes(file.is_file):
        raise argparse.ArgumentTypeError(f"{text!r} is not a file{_looked_for(text, file)}")
    return file


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except OSError:  # a parent folder may not be entered, or the name is too long
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
    value = _decimal(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = _decimal(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parse


def _decimal(text: str) -> float:
    """NaN for other text, also for what float() reads besides decimals: 1_0, spaces, line breaks."""
    return float(text) if DECIMAL.fullmatch(text) else math.nan


def yes_or_no(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} must be true or false")
    return text == "true"


def version(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a version's number")
    return text


def person(text: str) -> str:
    """A person's name; no name that a decision of the steps themselves is signed with."""
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        limits = f"a name of 1 to {LONGEST_NAME} printable characters"
        raise argparse.ArgumentTypeError(f"{text!r} is not {limits}. Give yours: -P by=NAME, or BY=NAME to make")
    if name.lower() in NO_PERSONS or name.lower().startswith("rule:"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a person. Give your name: -P by=NAME, or BY=NAME to make")
    return name


def feature_service(text: str) -> str:
    """Only its form: the existing ones are in Feast's registry."""
    if not re.fullmatch(r"[A-Za-z0-9_]{1,100}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a FeatureService, such as churn_v1")
    return text


def campaign(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a campaign's name: letters, digits, spaces and ._- (up to 80)"
        )
    return text


def run_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a run id (32 hexadecimal digits)")
    return text


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """None for an empty string, MLproject's default for a missing value."""
    return lambda text: parse(text) if text else None


def add_month_and_version(parser: argparse.ArgumentParser) -> None:
    """--as-of and --version, of a step that runs a version on a month."""
    parser.add_argument("--as-of", type=as_of, required=True, help="the month's day, YYYY-MM-DD")
    in_production = "of the model; '' for the version in Production"
    parser.add_argument("--version", type=optional(version), required=True, help=in_production)


def add_month_folder(parser: argparse.ArgumentParser) -> None:
    """--month-dir and --as-of, and add_unusual(), of a step that reads a month's files."""
    parser.add_argument("--month-dir", type=existing_folder, required=True, help="folder with the six files")
    parser.add_argument("--as-of", type=as_of, required=True, help="the month's day, YYYY-MM-DD")
    add_unusual(parser)


def add_unusual(parser: argparse.ArgumentParser) -> None:
    """--confirm-date and --new-categories."""
    far = "true: as_of is right, however far from other months"
    parser.add_argument("--confirm-date", type=yes_or_no, required=True, help=far)
    new = "true: accept unknown names in columns of categories"
    parser.add_argument("--new-categories", type=yes_or_no, required=True, help=new)
