"""The project's address in `mlflow run`, and the relative paths among its parameters."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local_stack.mlflow_command.options import PARAMETER, Token, value_of

PATH_SUFFIXES = ("_dir", "_file")  # of parameter names whose values are paths


@contextmanager
def local_project(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The same command line with an address that MLflow can run.

    A local git repository is cloned during the block if it is bare (MLflow finds no project in it) or --version is
    given (MLflow would check it out in the user's working folder). Exits with one line if that fails.
    """
    address = next((token.value for token in tokens if token.name is None), None)
    version = value_of(tokens, "--version")
    if not address:
        yield list(tokens)
        return
    location, mark, subfolder = address.removeprefix("git+").partition("#")
    repository = path_of(location)
    if repository is None or not (_is_bare(repository) or (version and (repository / ".git").exists())):
        yield _with_address(tokens, address.removeprefix("git+"))
        return
    with tempfile.TemporaryDirectory(prefix="streamflow-clone-") as clone:
        _git(address, "clone", "--quiet", str(repository), clone)
        if version:
            _git(address, "-C", clone, "checkout", "--quiet", version)
        yield [token for token in _with_address(tokens, f"{clone}{mark}{subfolder}") if token.name != "--version"]


def path_of(address: str) -> Path | None:
    """The folder of a local address; None for any other."""
    address = address.strip("'\"")
    path = Path(unquote(urlsplit(address).path)) if address.startswith("file://") else Path(address)
    return path.resolve() if path.exists() else None


def _is_bare(folder: Path) -> bool:
    return all((folder / name).exists() for name in ("HEAD", "objects", "refs"))


def _with_address(tokens: Sequence[Token], address: str) -> list[Token]:
    first = next(token for token in tokens if token.name is None)
    return [Token(None, address) if token is first else token for token in tokens]


def _git(address: str, *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - git of PATH
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"[ERROR] {address}: git failed: {message!r}")


def resolve_paths(tokens: Sequence[Token], caller: Path) -> list[Token]:
    """Make relative paths among the parameters relative to the folder `caller`; the step runs in the project's folder.

    A path that exists only in the project stays as it is.
    """
    address = next((token.value for token in tokens if token.name is None), None) or "."
    project = path_of(address.partition("#")[0])
    if project == caller:
        return list(tokens)
    return [_absolute(token, caller, project) if token.name == PARAMETER else token for token in tokens]


def _absolute(token: Token, caller: Path, project: Path | None) -> Token:
    name, equals, value = (token.value or "").partition("=")
    if (
        not (equals and value and name.endswith(PATH_SUFFIXES))
        or Path(value).expanduser().is_absolute()
        or ":/" in value
    ):
        return token
    path = caller / value
    if not path.exists() and project is not None and (project / value).exists():
        return token
    return Token(token.name, f"{name}={path}")
