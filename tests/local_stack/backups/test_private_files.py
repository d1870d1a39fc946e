"""Nobody else reads a backup: not while it is written, not its temporary files, not what is restored from it."""

import io
import os
import stat
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack.backups import archive, backup, restoring
from local_stack.settings import Settings, StackError


class Watcher(threading.Thread):
    """Records the permissions of everything in a folder, as often as possible."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.ended = folder, threading.Event()
        self.seen: dict[str, set[int]] = {}

    def run(self) -> None:
        while not self.ended.is_set():
            for folder, _folders, files in os.walk(self.folder):
                for path in (Path(folder), *(Path(folder) / name for name in files)):
                    self.record(path)

    def record(self, path: Path) -> None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        self.seen.setdefault(path.name, set()).add(stat.S_IMODE(mode))


@pytest.fixture
def open_umask() -> Iterator[None]:
    umask = os.umask(0)
    yield
    os.umask(umask)


def test_only_the_owner_can_read_a_backup_while_it_is_written(
    server: Settings, tmp_path: Path, open_umask: None
) -> None:
    watcher = Watcher(tmp_path / "new")
    watcher.start()
    try:
        file = backup.backup(server, tmp_path / "new" / "state.tar")
    finally:
        watcher.ended.set()
        watcher.join()
    watcher.record(file)
    assert {".state.tar.partial", "streamflow.dump", "mlflow.dump", "state.tar"} <= watcher.seen.keys()
    assert {name: modes for name, modes in watcher.seen.items() if any(mode & 0o077 for mode in modes)} == {}
    assert watcher.seen["state.tar"] == {0o600}


def test_a_backup_is_never_written_through_a_link(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "state.tar"
    other.write_text("mine")
    link.symlink_to(other)
    with archive.new_archive(link):
        pass
    assert other.read_text() == "mine"
    assert not link.is_symlink()


def test_restored_files_are_closed_to_other_users(tmp_path: Path, open_umask: None) -> None:
    evil, restored = tmp_path / "evil.tar", tmp_path / "restored"
    with tarfile.open(evil, "w") as tar:
        for name, kind in (("artifacts", tarfile.DIRTYPE), ("artifacts/run", tarfile.REGTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.uname = kind, 0o6777, 12345, "nobody"
            tar.addfile(member)
        manifest = tarfile.TarInfo(archive.MANIFEST)
        text = b'{"databases": []}'
        manifest.size = len(text)
        tar.addfile(manifest, io.BytesIO(text))
    restored.mkdir()
    archive.unpack(evil, restored)
    modes = [stat.S_IMODE((restored / name).stat().st_mode) for name in ("artifacts", "artifacts/run")]
    assert modes == [0o700, 0o600]
    assert (restored / "artifacts" / "run").stat().st_uid == os.getuid()


def test_restore_says_that_a_backup_is_trusted_like_code(
    server: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = replace(server, values={**server.values, "STREAMFLOW_STATE": str(tmp_path / "state")})
    with pytest.raises(StackError, match="is not a backup"):
        restoring.restore(elsewhere, tmp_path / "none.tar")
    assert "A backup is trusted like code" in capsys.readouterr().out
