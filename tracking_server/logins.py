"""The users' logins: a file each, for its owner alone. A password is made where file and environment have none."""

import configparser
import os
import secrets
from pathlib import Path

from tracking_server.settings import Settings

ADMIN, STEPS, WATCHER = "admin", "steps", "watcher"
FILE = "credentials"  # the name and the form of the file that MLflow's clients read in ~/.mlflow
SECTION, USERNAME, PASSWORD = "mlflow", "mlflow_tracking_username", "mlflow_tracking_password"
OWNER_ALONE, FOLDER_OF_OWNER = 0o600, 0o700
BYTES = 24


class LoginUnusable(Exception):
    """One line: which file, and what to do."""


def path_of(folder: Path, user: str) -> Path:
    return folder / user / FILE


def ensure(settings: Settings) -> dict[str, str]:
    """User -> password, of the environment, else of its file, else made. The files have them afterwards.

    Raises LoginUnusable.
    """
    return {
        user: _ensure(path_of(settings.login_folder, user), user, chosen) for user, chosen in settings.passwords.items()
    }


def _ensure(path: Path, user: str, chosen: str | None) -> str:
    before = read(path)
    password = chosen or before or secrets.token_urlsafe(BYTES)
    if password != before:
        write_private(path, f"[{SECTION}]\n{USERNAME} = {user}\n{PASSWORD} = {password.replace('%', '%%')}\n")
    return password


def read(path: Path) -> str | None:
    """The password in the file; None if there is no file. Raises LoginUnusable."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text())
        return parser[SECTION][PASSWORD]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise LoginUnusable(
            f"{path} cannot be read as the login of MLflow's user: {type(error).__name__}. Delete it: the next start "
            "makes a new one"
        ) from error


def ensure_secret_key(folder: Path) -> str:
    """The key with which MLflow signs its forms. Made at the first start. Raises LoginUnusable."""
    path = folder / ADMIN / "secret_key"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(BYTES))
    try:
        return path.read_text()
    except OSError as error:
        raise LoginUnusable(f"{path} cannot be read: {error.strerror}") from error


def write_private(path: Path, content: str) -> None:
    """Writes the whole file or nothing; only its owner can read it, from its first byte. Raises LoginUnusable."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.parent.mkdir(mode=FOLDER_OF_OWNER, parents=True, exist_ok=True)
        path.parent.mkdir(mode=FOLDER_OF_OWNER, exist_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE), "w") as file:  # noqa: PTH123
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        raise LoginUnusable(f"{path} cannot be written: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)
