"""A backup file: a tar whose last member has the sha256 of every file. A truncated or changed backup is refused."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from local_stack.settings import StackError

MANIFEST = "manifest.json"
NO_BACKUP = "is not a StreamFlow backup, or is truncated"


class _Hashing:
    """Reads a file and hashes the bytes that were read."""

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
        """Add a file or a folder recursively; links are followed. Files deleted meanwhile are skipped."""
        for path in [source, *(Path(top) / file for top, _folders, files in os.walk(source, followlinks=True)
                               for file in files)]:  # fmt: skip
            with suppress(FileNotFoundError):
                self._add(path, name if path == source else f"{name}/{path.relative_to(source).as_posix()}")

    def _add(self, path: Path, member: str) -> None:
        info = self._tar.gettarinfo(path, member)
        if info.isdir():
            self._tar.addfile(info)
        elif info.isfile():
            with path.open("rb") as content:
                hashing = _Hashing(content)
                self._tar.addfile(info, hashing)
            self.files[member] = hashing.digest.hexdigest()

    def close(self, scratch: Path, facts: dict[str, Any]) -> None:
        """Write the manifest, the last member of a complete archive."""
        manifest = scratch / MANIFEST
        manifest.write_text(json.dumps({**facts, "files": self.files}))
        self._tar.add(manifest, MANIFEST)


@contextmanager
def private_files() -> Iterator[None]:
    """New files and folders of this process, and of programs that it starts, are closed to other users."""
    umask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(umask)


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    """Closed to other users from its first byte: it contains all customer data. Never a file that was there before."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w+b") as file, tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        yield Archive(tar)


def unpack(source: Path, folder: Path) -> dict[str, Any]:
    """Extract into `folder`. Returns the manifest. Raises StackError unless the backup is complete and unchanged."""
    if not source.is_file() or not tarfile.is_tarfile(source):
        raise StackError(f"FROM={source} is not a backup. Name a file written by make backup")
    try:
        with tarfile.open(source) as tar:
            tar.extraction_filter = lambda member, _folder: member  # _plain_members() is the filter
            tar.extractall(folder, members=_plain_members(tar, source))  # noqa: S202 - the members are checked
    except (tarfile.TarError, EOFError) as error:
        raise StackError(f"FROM={source} is damaged ({error}); nothing was restored") from error
    manifest = _manifest(folder / MANIFEST, source)
    _require_unchanged(folder, manifest.get("files"), source)
    return manifest


def _plain_members(tar: tarfile.TarFile, source: Path) -> list[tarfile.TarInfo]:
    """Closed to other users, whatever the backup says. Raises StackError for members that no backup has. (tarfile's
    own filter needs Python 3.11.4.)"""
    members = tar.getmembers()
    for member in members:
        member.mode = 0o700 if member.isdir() else 0o600
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
            raise StackError(f"FROM={source}: {member.name} is outside the backup's folder, or not a plain file")
    return members


def _manifest(path: Path, source: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"FROM={source} {NO_BACKUP}: it has no readable manifest") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("databases"), list):
        raise StackError(f"FROM={source} {NO_BACKUP}: its manifest names no databases")
    return manifest


def _require_unchanged(folder: Path, files: dict[str, str] | None, source: Path) -> None:
    """files: name -> sha256; None in the first backups, which had no such list."""
    for name, sha256 in (files or {}).items():
        path = folder / name
        if not path.is_file():
            raise StackError(f"FROM={source} is damaged: {name} is missing; nothing was restored")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise StackError(f"FROM={source} is damaged: {name} was changed; nothing was restored")
