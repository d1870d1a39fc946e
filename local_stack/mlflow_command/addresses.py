"""Where the project of `mlflow run` is, and what a relative folder among its parameters is relative to."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local_stack.mlflow_command.options import PARAMETER, Token, value_of

OF_A_PATH = ("_dir", "_file")  # how the names of parameters end that are paths


@contextmanager
def local_project(found: Sequence[Token]) -> Iterator[list[Token]]:
    """The same command line with an address that MLflow can run.

    A git repository on this machine, where it is bare or a version is asked for, is cloned for the while: of a bare one
    MLflow finds no project, and of another it would check the version out in somebody's working folder.
    Exits with one line when it cannot be cloned, or has no such version.
    """
    address = next((token.value for token in found if token.name is None), None)
    version = value_of(found, "--version")
    if not address:
        yield list(found)
        return
    place, mark, subfolder = address.removeprefix("git+").partition("#")
    repository = path_of(place)
    if repository is None or not (_is_bare(repository) or (version and (repository / ".git").exists())):
        yield _with_address(found, address.removeprefix("git+"))
        return
    with tempfile.TemporaryDirectory(prefix="streamflow-clone-") as clone:
        _git(address, "clone", "--quiet", str(repository), clone)
        if version:
            _git(address, "-C", clone, "checkout", "--quiet", version)
        yield [token for token in _with_address(found, f"{clone}{mark}{subfolder}") if token.name != "--version"]


def path_of(address: str) -> Path | None:
    """The folder that an address means; None when it is not on this machine."""
    address = address.strip("'\"")
    path = Path(unquote(urlsplit(address).path)) if address.startswith("file://") else Path(address)
    return path.resolve() if path.exists() else None


def _is_bare(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("HEAD", "objects", "refs"))


def _with_address(found: Sequence[Token], address: str) -> list[Token]:
    first = next(token for token in found if token.name is None)
    return [Token(None, address) if token is first else token for token in found]


def _git(address: str, *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - git of PATH
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"[ERROR] {address}: git says {said!r}")


def paths_of_caller(found: Sequence[Token], here: Path) -> list[Token]:
    """Relative paths among the parameters are meant from where the command was typed; the step runs in the project.

    A path that is there only in the project stays the project's.
    """
    address = next((token.value for token in found if token.name is None), None) or "."
    project = path_of(address.partition("#")[0])
    if project == here:
        return list(found)
    return [_absolute(token, here, project) if token.name == PARAMETER else token for token in found]


def _absolute(token: Token, here: Path, project: Path | None) -> Token:
    name, equals, value = (token.value or "").partition("=")
    if not (equals and value and name.endswith(OF_A_PATH)) or Path(value).expanduser().is_absolute() or ":/" in value:
        return token
    typed = here / value
    if not typed.exists() and project is not None and (project / value).exists():
        return token
    return Token(token.name, f"{name}={typed}")
