"""The files of a model: their digests, and the comparison with a folder."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

# MLflow writes it at each download of a version: {"model_name": …, "model_version": …}
REGISTERED_META = "registered_model_meta"


class SealBroken(Exception):
    """One line: which file, signature or statement is not the sealed one."""


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file, by POSIX path, without REGISTERED_META. Raises SealBroken for anything else in it: links,
    devices, sockets."""
    paths = sorted(_files(folder), key=lambda path: path.as_posix())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return {name: _sha256(path) for path, name in names.items() if name != REGISTERED_META}


def compare(sealed: Mapping[str, str], folder: Path) -> None:
    """Raises SealBroken with the first file that differs, is missing or was added."""
    present = digests(folder)
    for name in sorted(sealed.keys() | present.keys()):
        if name not in present:
            raise SealBroken(f"{name} is missing; it was sealed with sha256 {sealed[name]}")
        if name not in sealed:
            raise SealBroken(f"{name} was not sealed; its sha256 is {present[name]}")
        if sealed[name] != present[name]:
            raise SealBroken(f"{name} has sha256 {present[name]}; it was sealed with sha256 {sealed[name]}")


def remove_bytecode(folder: Path) -> None:
    """Deletes every __pycache__ of a copy of one's own. Python writes it into a model that somebody loads where it is
    stored; nobody sealed it, and Python would run it."""
    for path in list(folder.rglob("__pycache__")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def require_meta(folder: Path, model: str, version: str) -> None:
    """Raises SealBroken where REGISTERED_META names another version: the model reads its identity from it."""
    path = folder / REGISTERED_META
    expected = {"model_name": model, "model_version": version}
    try:
        named = yaml.safe_load(path.read_text()) if path.exists() else expected
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SealBroken(f"{REGISTERED_META} cannot be read") from error
    if not isinstance(named, dict) or {str(name): str(value) for name, value in named.items()} != expected:
        raise SealBroken(f"{REGISTERED_META} names {named}, not version {version} of {model}")


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as opened:
        entries = list(opened)
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _files(Path(entry.path))
        elif stat.S_ISREG(mode):
            yield Path(entry.path)
        else:
            raise SealBroken(f"{entry.name} is neither a file nor a folder")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
