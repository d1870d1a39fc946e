"""Folders for sockets: private, short enough, and removed."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from configuration.model_address import LONGEST_SOCKET_PATH, socket_path
from rollout.errors import InvalidSetting, LaunchFailed
from rollout.model_server.listeners import UnixListener, remove_left_sockets
from rollout.probation.answers import ReportedAnswers
from rollout.probation.way_back import WayBack
from rollout.settings import LONGEST_FOLDER, Settings, load_settings
from rollout.watcher import Watcher
from tests.rollout.fakes import FakeRecorder


@pytest.fixture
def sockets() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path is too long
        yield Path(folder)


@pytest.fixture
def settings(tmp_path: Path, sockets: Path) -> Settings:
    return load_settings({"FOLDER": str(tmp_path / "rollout"), "SOCKETS": str(sockets)})


def path_of(listener: UnixListener) -> Path:
    path = socket_path(listener.url)
    assert path
    return Path(path)


def test_each_socket_has_a_folder_that_only_its_owner_enters(settings: Settings, sockets: Path) -> None:
    before = os.umask(0)
    try:
        first, second = UnixListener(settings, "3"), UnixListener(settings, "3")
    finally:
        os.umask(before)
    assert path_of(first).name == "v3"
    assert path_of(first).parent.parent == path_of(second).parent.parent == sockets
    assert path_of(first) != path_of(second)
    assert path_of(first).parent.stat().st_mode & 0o777 == 0o700


def test_a_socket_in_the_longest_folder_has_a_valid_path(tmp_path: Path) -> None:
    longest = Path("/tmp") / ("x" * (LONGEST_FOLDER - 5))  # noqa: S108 - removed below
    listener = UnixListener(load_settings({"FOLDER": str(tmp_path), "SOCKETS": str(longest)}), "1234567890")
    try:
        assert len(os.fsencode(path_of(listener))) <= LONGEST_SOCKET_PATH
    finally:
        listener.close()
        longest.rmdir()
    with pytest.raises(InvalidSetting, match=r"ROLLOUT_SOCKETS=.*: must be a folder whose path has at most 58 bytes"):
        load_settings({"SOCKETS": f"{longest}x"})


def test_a_long_temporary_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * LONGEST_FOLDER)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    listener = UnixListener(load_settings({"FOLDER": str(tmp_path)}), "3")
    assert path_of(listener).parent.parent == Path("/tmp")  # noqa: S108
    listener.close()
    assert not path_of(listener).parent.exists()


def test_the_next_watcher_removes_the_sockets_of_a_killed_one(settings: Settings, tmp_path: Path) -> None:
    left = path_of(UnixListener(settings, "3"))
    another = load_settings({"FOLDER": str(tmp_path / "another"), "SOCKETS": str(settings.sockets)})
    of_another = path_of(UnixListener(another, "3"))
    history = FakeRecorder()
    way_back = WayBack(tmp_path, "streamflow_churn", history)  # type: ignore[arg-type]
    # it stops before it asks the registry
    watcher = Watcher(settings, None, history, way_back, ReportedAnswers())  # type: ignore[arg-type]
    watcher.run(lambda: True)
    assert not left.parent.exists()
    assert of_another.parent.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_folders_of_other_users_and_links_are_left_alone(settings: Settings, sockets: Path, tmp_path: Path) -> None:
    name = path_of(UnixListener(settings, "3")).parent.name
    anothers, link, target = sockets / f"{name}1", sockets / f"{name}2", tmp_path / "target"
    anothers.mkdir()
    os.chown(anothers, 65534, 65534)
    target.mkdir()
    link.symlink_to(target)
    remove_left_sockets(settings)
    assert sorted(sockets.iterdir()) == [anothers, link]
    assert target.is_dir()


def test_a_folder_that_cannot_be_made_is_a_reason_not_to_serve(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings.model_construct(sockets=tmp_path / "file", folder=tmp_path)
    with pytest.raises(LaunchFailed, match=r"no folder for its socket can be made in .*file: File exists"):
        UnixListener(settings, "3")
