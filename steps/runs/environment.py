"""Compares the installed packages with the lock."""

import hashlib
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement


def locked(lock: Path) -> dict[str, str]:
    """Package -> version, of the locked packages for this platform and Python."""
    packages = [line.removesuffix("\\") for line in lock.read_text().splitlines() if re.match("[A-Za-z0-9]", line)]
    requirements = [Requirement(line) for line in packages]
    return {
        requirement.name: next(iter(requirement.specifier)).version
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def installed_sha256(lock: Path) -> str:
    """Of the lines name==version of the lock's packages as they are installed; a missing one has no version."""
    lines = "".join(f"{name}=={installed(name) or ''}\n" for name in sorted(locked(lock)))
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def installed(package: str) -> str | None:
    """The package's version; None if it is missing. Reading it takes milliseconds, so it is read once in a process."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def differences(lock: Path) -> list[str]:
    """A sentence per package that is missing or has another version than the locked one."""
    sentences = []
    for name, pinned in locked(lock).items():
        number = installed(name)
        if number is None:
            sentences.append(f"{name} {pinned} is not installed")
        elif number != pinned:
            sentences.append(f"{name} is {number}, locked is {pinned}")
    return sentences
