"""A backup as a file: a tar with the sha256 of everything in it, last of all. Cut short or changed, it is refused."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from local_stack.settings import StackError

MANIFEST = "manifest.json"
NO_BACKUP = "is no backup of StreamFlow's, or is cut short"


class _Hashing:
    """A file to read, and the sha256 of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


class Archive:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, str] = {}

    def add(self, source: Path, name: str) -> None:
        """A file, or a folder with all below it; links as what they lead to. What goes meanwhile is left out."""
        for path in [source, *(Path(top) / one for top, _folders, files in os.walk(source, followlinks=True)
                               for one in files)]:  # fmt: skip
            inside = name if path == source else f"{name}/{path.relative_to(source).as_posix()}"
            try:
                info = self._tar.gettarinfo(path, inside)
            except FileNotFoundError:
                continue
            if info.isdir():
                self._tar.addfile(info)
            elif info.isfile():
                with path.open("rb") as file:
                    hashing = _Hashing(file)
                    self._tar.addfile(info, hashing)
                self.files[inside] = hashing.digest.hexdigest()

    def close(self, scratch: Path, facts: dict[str, Any]) -> None:
        """Writes the manifest, which ends a whole archive."""
        manifest = scratch / MANIFEST
        manifest.write_text(json.dumps({**facts, "files": self.files}))
        self._tar.add(manifest, MANIFEST)


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)  # it holds all that is known of the customers
    with tarfile.open(path, "w", dereference=True) as tar:
        yield Archive(tar)


def unpack(source: Path, folder: Path) -> dict[str, Any]:
    """Everything into the folder. Returns the manifest. Raises StackError for what is not a whole, unchanged backup."""
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise StackError(f"FROM={source} is not a backup. Give a file that make backup wrote")
    try:
        with tarfile.open(source) as tar:
            tar.extractall(folder, members=_plain_members(tar, source))  # noqa: S202 - they are checked
    except (tarfile.TarError, EOFError) as error:
        raise StackError(f"FROM={source} is damaged ({error}); nothing was changed") from error
    manifest = _manifest(folder / MANIFEST, source)
    _require_unchanged(folder, manifest.get("files"), source)
    return manifest


def _plain_members(tar: tarfile.TarFile, source: Path) -> list[tarfile.TarInfo]:
    """Raises StackError for what no backup holds. (tarfile's own filter came with Python 3.11.4.)"""
    members = tar.getmembers()
    for member in members:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise StackError(f"FROM={source}: {member.name} leads out of it, or is no plain file")
    return members


def _manifest(path: Path, source: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"FROM={source} {NO_BACKUP}: it has no manifest that can be read") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("databases"), list):
        raise StackError(f"FROM={source} {NO_BACKUP}: its manifest names no databases")
    return manifest


def _require_unchanged(folder: Path, files: dict[str, str] | None, source: Path) -> None:
    """files: None in backups from before version 0.3, which recorded none."""
    for name, sha256 in (files or {}).items():
        path = folder / name
        if not path.is_file():
            raise StackError(f"FROM={source} is damaged: {name} is missing; nothing was changed")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise StackError(f"FROM={source} is damaged: {name} is not as it was written; nothing was changed")
