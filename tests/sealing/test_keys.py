"""The key pair: made once, for its owner alone, and loaded with messages that say what to do."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from local_stack.settings import ROOT
from sealing import keys
from sealing.keys import KeyUnusable


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return tmp_path / "seal" / "private.pem"


def made_id(private: Path) -> str:
    return keys.key_id(keys.make_pair(private).public_key())


def test_a_pair_is_made_once(private: Path) -> None:
    first = made_id(private)
    assert made_id(private) == first == keys.key_id(keys.load_public(private.with_name("public.pem")))


def test_the_private_key_is_for_its_owner_alone_under_any_umask(private: Path) -> None:
    before = os.umask(0)
    try:
        keys.make_pair(private)
    finally:
        os.umask(before)
    modes = [oct(path.stat().st_mode & 0o777) for path in (private.parent, private, private.with_name("public.pem"))]
    assert modes == ["0o700", "0o600", "0o644"]
    assert sorted(path.name for path in private.parent.iterdir()) == ["private.pem", "public.pem"]


def test_processes_that_make_it_at_the_same_time_get_the_same_pair(private: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        assert len(set(pool.map(made_id, [private] * 16))) == 1


def test_a_private_key_that_everybody_can_read_is_refused(private: Path) -> None:
    keys.make_pair(private)
    private.chmod(0o644)
    with pytest.raises(KeyUnusable, match=f"Every user can read the private key {private}. Run: chmod 600 {private}"):
        keys.load_private(private)


def test_a_key_of_another_pair_is_refused(private: Path, tmp_path: Path) -> None:
    keys.make_pair(private)
    keys.make_pair(tmp_path / "other" / "private.pem")
    (tmp_path / "other" / "public.pem").replace(private.with_name("public.pem"))
    with pytest.raises(KeyUnusable, match=r"is not the public key of .*private\.pem\. Restore the pair from a backup"):
        keys.make_pair(private)


def test_a_lost_private_key_is_not_replaced_in_silence(private: Path) -> None:
    keys.make_pair(private)
    private.unlink()
    with pytest.raises(KeyUnusable, match="Restore the pair from a backup"):
        keys.make_pair(private)


def test_a_missing_file_and_a_folder_are_named(private: Path, tmp_path: Path) -> None:
    for load in (keys.load_private, keys.load_public):
        with pytest.raises(KeyUnusable, match=f"The key {private} cannot be read: No such file or directory"):
            load(private)
        with pytest.raises(KeyUnusable, match=f"The key {tmp_path} cannot be read: Is a directory"):
            load(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnusable, match="cannot be made: File exists"):
        keys.make_pair(tmp_path / "file" / "private.pem")


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    encoding = serialization.Encoding.PEM
    pem = other.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = other.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    for data in (pem, public, b"", b"-----BEGIN"):
        path = tmp_path / "key.pem"
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyUnusable, match="must be a private Ed25519 key"):
            keys.load_private(path)
        with pytest.raises(KeyUnusable, match="must be a public Ed25519 key"):
            keys.load_public(path)


def test_the_watcher_s_key_cannot_sign(private: Path) -> None:
    keys.make_pair(private)
    assert not hasattr(keys.load_public(private.with_name("public.pem")), "sign")
    public = private.with_name("public.pem")
    public.chmod(0o600)
    with pytest.raises(KeyUnusable, match="must be a private Ed25519 key"):
        keys.load_private(public)


def run_sealing(*arguments: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sealing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_pair_of_the_containers_is_in_two_folders(tmp_path: Path) -> None:
    private, public = tmp_path / "private" / "private.pem", tmp_path / "public" / "public.pem"
    first, second = run_sealing(private, public), run_sealing(private, public)
    assert first.stdout == second.stdout == f"[OK] Key {keys.key_id(keys.load_public(public))}: {private}, {public}\n"
    assert [path.name for folder in (private.parent, public.parent) for path in folder.iterdir()] == [
        "private.pem",
        "public.pem",
    ]


def test_its_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failed, incomplete = run_sealing(tmp_path / "file" / "a", tmp_path / "b"), run_sealing()
    assert (failed.returncode, incomplete.returncode) == (1, 1)
    assert failed.stderr.startswith("[ERROR] The key pair ")
    assert (failed.stderr.count("\n"), incomplete.stderr) == (
        1,
        "[ERROR] usage: python -m sealing PRIVATE.pem PUBLIC.pem\n",
    )
