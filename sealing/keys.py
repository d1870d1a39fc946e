"""The key pair: PEM files. The steps make it; the private key is for its owner alone."""

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE, PUBLIC = "private.pem", "public.pem"
EVERYBODY = 0o007  # a group may read it: Kubernetes gives a secret to a pod's group


class KeyUnusable(Exception):
    """One line: which file, and what to do."""


def make_pair(private: Path, public: Path | None = None) -> Ed25519PrivateKey:
    """The private key of the file; makes it, and the public key's file (beside it by default), where missing.

    Processes that make it at the same time get the same pair. Raises KeyUnusable, also for a public key of another
    pair.
    """
    public = public or private.with_name(PUBLIC)
    try:
        if not private.exists():
            private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(private, _private_pem(Ed25519PrivateKey.generate()), 0o600)
        key = load_private(private)
        if not public.exists():
            public.parent.mkdir(parents=True, exist_ok=True)
            _write_new(public, _public_pem(key.public_key()), 0o644)
    except OSError as error:
        raise KeyUnusable(f"The key pair {private}, {public} cannot be made: {error.strerror}") from error
    if key_id(load_public(public)) != key_id(key.public_key()):
        raise KeyUnusable(f"{public} is not the public key of {private}. Restore the pair from a backup")
    return key


def load_private(path: Path) -> Ed25519PrivateKey:
    """Raises KeyUnusable."""
    data = _read(path)
    if path.stat().st_mode & EVERYBODY:
        raise KeyUnusable(f"Every user can read the private key {path}. Run: chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path} must be a private Ed25519 key, a PEM file without password")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Raises KeyUnusable."""
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{path} must be a public Ed25519 key, a PEM file")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 digits of the sha256 of the public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyUnusable(f"The key {path} cannot be read: {error.strerror}") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Writes the whole file or nothing, and leaves the file of a process that was faster."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return
    finally:
        fresh.unlink(missing_ok=True)


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    encoding, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, kind, serialization.NoEncryption())


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
