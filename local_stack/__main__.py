"""python -m local_stack run|up|down|status|env|backup|restore: the whole stack on one machine."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2
import requests

from local_stack import disk, own_server, processes, variables
from local_stack.backups import backup
from local_stack.database import postgres
from local_stack.month_choice import asked
from local_stack.settings import ROOT, Settings, StackError
from local_stack.stack import Stack
from rollout import loopback

DOWN_TIMEOUT_S = 90
POLL_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="local_stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "up"):
        command = commands.add_parser(name)
        command.add_argument("--data", help="folder with month_000, month_001, …")
        command.add_argument("--as-of", help="the month to run the chain for, YYYY-MM-DD")
        command.add_argument("--mix", help="true: made-up months beside real ones, or the other way round")
    for name in ("down", "status", "env"):
        commands.add_parser(name)
    commands.add_parser("backup").add_argument("--to", type=Path, help="a file that is not there yet")
    commands.add_parser("restore").add_argument("--from", dest="source", type=Path, required=True)
    args = parser.parse_args()
    try:
        settings = Settings.from_env(
            of_running=args.command in ("down", "status"), server_of_running=args.command in ("env", "backup")
        )
        ignored = own_server.keep_others_out(settings.values, dict(os.environ) if args.command == "env" else os.environ)
        if ignored:
            print(f"[WARNING] {ignored}", file=sys.stderr, flush=True)
        sys.exit(carried_out(settings, args))
    except StackError as error:
        red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
        print(f"{red}[ERROR] {error}{plain}", file=sys.stderr)
        sys.exit(1)


def carried_out(settings: Settings, args: argparse.Namespace) -> int:
    """The command's exit code. Raises StackError for a full disk, and for a file or database that cannot be used."""
    try:
        return COMMANDS[args.command](settings, args)
    except StackError:
        raise
    except requests.RequestException as error:
        raise StackError(str(error)) from error
    except OSError as error:
        raise disk.translated(error, settings) from error
    except psycopg2.Error as error:
        raise disk.full_or(settings, f"PostgreSQL: {str(error).strip().splitlines()[0]}") from error
    except Exception as error:
        folder = disk.full_folder(settings)
        if folder:  # MLflow and SQLAlchemy have names of their own for it
            raise disk.full(folder) from error
        raise


def run(settings: Settings, args: argparse.Namespace) -> int:
    if args.mix not in (None, "", "true", "false"):
        raise StackError(f"MIX={args.mix} is neither true nor false")
    for warning in variables.unknown():
        print(f"  [WARNING] {warning}", flush=True)
    Stack(settings).run(asked(args.data, args.as_of, mix=args.mix == "true"))
    return 0


def up(settings: Settings, args: argparse.Namespace) -> int:
    """Starts `run` in the background and shows what it says until it is ready or has failed."""
    log = processes.log_file(settings, "stack")
    options = [part for name in ("data", "as_of", "mix") if (value := getattr(args, name)) for part in
               (f"--{name.replace('_', '-')}", value)]  # fmt: skip
    with log.open("wb") as out:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "local_stack", "run", *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=Path.cwd(),
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
    with log.open() as said:
        while child.poll() is None and not is_ready(settings, child.pid):
            print(said.read(), end="", flush=True)
            time.sleep(POLL_S)
        print(said.read(), end="", flush=True)
    return child.returncode or int(bool(processes.load_state(settings).get("failed")))


def is_ready(settings: Settings, pid: int) -> bool:
    state = processes.load_state(settings)
    return bool(state.get("ready")) and state["supervisor"]["pid"] == pid


def down(settings: Settings, _args: argparse.Namespace) -> int:
    """Ends the stack; also what a stack that was killed has left behind."""
    state = processes.load_state(settings)
    supervisor = processes.find(state["supervisor"]) if state else None
    if supervisor:
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_TIMEOUT_S)
        except psutil.TimeoutExpired as error:
            raise StackError(f"The stack (process {supervisor.pid}) did not end in {DOWN_TIMEOUT_S} s") from error
    left = [process for part in state.get("parts", []) if (process := processes.find(part))]
    for process in left:
        processes.end(process)
    processes.end_saved(settings.state / "rollout" / "servers.json")  # of a watcher that was killed
    if settings.embedded:
        postgres.stop(settings)
    (settings.state / "stack.json").unlink(missing_ok=True)
    print("[OK] StreamFlow is down; its data stays in " + str(settings.state) if state else "Nothing was running.")
    return 0


def status(settings: Settings, _args: argparse.Namespace) -> int:
    """Exit code 0 when everything answers, 1 otherwise."""
    state = processes.load_state(settings)
    if not state:
        print("StreamFlow is down. Start it: make up")
        return 1
    fine = postgres.answers(settings)
    print(f"PostgreSQL    {settings['PGHOST']}:{settings['PGPORT']:<22} {'answers' if fine else 'DOES NOT ANSWER'}")
    for part in state["parts"]:
        ok = processes.find(part) is not None and _answers(part["health"])
        fine = fine and ok
        print(
            f"{part['name']:<13} {part['health']:<32} process {part['pid']:<8} {'answers' if ok else 'DOES NOT ANSWER'}"
        )
    return 0 if fine and _says_who_serves(settings) and state["ready"] else 1


def _says_who_serves(settings: Settings) -> bool:
    try:
        said = loopback.get(f"{settings.address('ROLLOUT_PORT')}/live", processes.HEALTH_TIMEOUT_S).json()
    except (requests.RequestException, ValueError):
        return False
    serving = said["serving"]
    print(
        f"model server  {serving['url']:<32} version {serving['version']}" if serving else "model server  NONE SERVES"
    )
    for text in filter(None, [said["problem"], *said["warnings"]]):
        print(f"  [WARNING] {text}")
    return bool(serving)


def _answers(address: str) -> bool:
    try:
        return loopback.get(address, processes.HEALTH_TIMEOUT_S).ok
    except requests.RequestException:
        return False


def env(settings: Settings, _args: argparse.Namespace) -> int:
    """Shell lines for `eval`: what a shell needs to work with the stack. What it has set already stays, but for what
    would lead the stack's clients to another PostgreSQL or to a proxy."""
    decided = {"NO_PROXY", "no_proxy", *(own_server.OURS if settings.embedded else ())}
    for name, value in settings.exported().items():
        # what only servers read would outlive the stack in this shell, and mislead the next one started from it
        if (name not in os.environ or name in decided) and name not in ("ENRICHER_ROLLOUT_URL", "ROLLOUT_FOLDER"):
            print(f"export {name}={shlex.quote(value)}")
    foreign = [name for name in own_server.FOREIGN if settings.embedded and name in os.environ]
    if foreign:
        print(f"unset {' '.join(foreign)}")
    print(f'export PATH={shlex.quote(str(ROOT / "local_stack" / "bin"))}:"$PATH"')
    return 0


def back_up(settings: Settings, args: argparse.Namespace) -> int:
    print(f"[OK] {backup.backup(settings, args.to)}")
    return 0


def restore(settings: Settings, args: argparse.Namespace) -> int:
    backup.restore(settings, args.source)
    print(f"[OK] {settings.state} is as it was in {args.source}. Start it: make up")
    return 0


COMMANDS = {"run": run, "up": up, "down": down, "status": status, "env": env, "backup": back_up, "restore": restore}

if __name__ == "__main__":
    main()
