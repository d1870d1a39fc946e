"""What is installed here, against the lock: a lock on disk says nothing of the environment that runs."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement


def locked(lock: Path) -> dict[str, str]:
    """Package -> version, of those that the lock wants on this platform and this Python."""
    wanted = [Requirement(line) for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return {
        one.name: next(iter(one.specifier)).version for one in wanted if one.marker is None or one.marker.evaluate()
    }


def differences(lock: Path) -> list[str]:
    """What is installed otherwise than the lock says, a sentence each."""
    found = []
    for name, pinned in locked(lock).items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            found.append(f"{name} {pinned} is not installed")
            continue
        if installed != pinned:
            found.append(f"{name} is {installed}, locked is {pinned}")
    return found
