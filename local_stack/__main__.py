"""python -m local_stack run|up|down|status|env|backup|restore: the whole stack on one machine."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2
import requests

from local_stack import disk, processes
from local_stack.backups import backup
from local_stack.database import postgres
from local_stack.environment import libpq_variables, variables
from local_stack.month_choice import parse_request
from local_stack.settings import ROOT, Settings, StackError
from local_stack.stack import Stack
from rollout import loopback

DOWN_TIMEOUT_S = 90
POLL_S = 0.2
ANSWERS = {True: "answers", False: "DOES NOT ANSWER"}
INTERRUPTED = 128 + signal.SIGINT  # the exit code in shells


def main() -> None:
    parser = argparse.ArgumentParser(prog="local_stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "up"):
        command = commands.add_parser(name)
        command.add_argument("--data", help="folder with month_000, month_001, …")
        command.add_argument("--as-of", help="the month to run the chain for, YYYY-MM-DD")
        command.add_argument("--mix", help="true: allow made-up and real months together")
    for name in ("down", "status", "env"):
        commands.add_parser(name)
    commands.add_parser("backup").add_argument("--to", type=Path, help="a new file")
    commands.add_parser("restore").add_argument("--from", dest="source", type=Path, required=True)
    args = parser.parse_args()
    try:
        settings = Settings.from_env(
            of_running=args.command in ("down", "status"), server_of_running=args.command in ("env", "backup")
        )
        environment = dict(os.environ) if args.command == "env" else os.environ
        if ignored := libpq_variables.drop_ignored(settings.values, environment):
            print(f"[WARNING] {ignored}", file=sys.stderr, flush=True)
        sys.exit(run_command(settings, args))
    except (StackError, KeyboardInterrupt) as error:
        red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
        print(f"{red}[ERROR] {str(error) or 'Interrupted'}{plain}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)


def run_command(settings: Settings, args: argparse.Namespace) -> int:
    """Return the command's exit code. Raises StackError, also for a full disk and an unusable file or database."""
    try:
        return COMMANDS[args.command](settings, args)
    except StackError:
        raise
    except requests.RequestException as error:
        raise StackError(str(error)) from error
    except OSError as error:
        raise disk.stack_error(error, settings) from error
    except psycopg2.Error as error:
        raise disk.full_or(settings, f"PostgreSQL: {str(error).strip().splitlines()[0]}") from error
    except Exception as error:
        folder = disk.full_folder(settings)
        if folder:  # MLflow and SQLAlchemy raise errors of their own for it
            raise disk.full(folder) from error
        raise


def run(settings: Settings, args: argparse.Namespace) -> int:
    if args.mix not in (None, "", "true", "false"):
        raise StackError(f"MIX={args.mix}: must be true or false")
    for warning in variables.unknown():
        print(f"  [WARNING] {warning}", flush=True)
    Stack(settings).run(parse_request(args.data, args.as_of, mix=args.mix == "true"))
    return 0


def up(settings: Settings, args: argparse.Namespace) -> int:
    """Start `run` in the background and show its output until it is ready or has failed."""
    log = processes.log_file(settings, "stack")
    options = [f"--{name.replace('_', '-')}={value}" for name in ("data", "as_of", "mix")
               if (value := getattr(args, name))]  # fmt: skip
    with log.open("wb") as out:
        child = subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-m", "local_stack", "run", *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
    try:
        _show_start(settings, log, child)
    except KeyboardInterrupt:
        child.terminate()  # ends every process that it has started
        child.wait()
        raise
    return child.returncode or int(bool(processes.load_state(settings).get("failed")))


def _show_start(settings: Settings, log: Path, child: "subprocess.Popen[bytes]") -> None:
    with log.open(errors="replace") as output:  # a character may be half written
        while child.poll() is None and not is_ready(settings, child.pid):
            print(output.read(), end="", flush=True)
            time.sleep(POLL_S)
        print(output.read(), end="", flush=True)


def is_ready(settings: Settings, pid: int) -> bool:
    state = processes.load_state(settings)
    return bool(state.get("ready")) and state["supervisor"]["pid"] == pid


def down(settings: Settings, _args: argparse.Namespace) -> int:
    """Stop the stack, and the processes that a killed stack left."""
    state = processes.load_state(settings)
    supervisor = processes.find(state["supervisor"]) if state else None
    if supervisor:
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_TIMEOUT_S)
        except psutil.TimeoutExpired as error:
            raise StackError(
                f"The stack (process {supervisor.pid}) did not end in {DOWN_TIMEOUT_S} s. Run make down again"
            ) from error
    for process in filter(None, map(processes.find, state.get("services", []))):
        processes.end(process)
    processes.end_saved(settings.state / "rollout" / "servers.json")  # left by a killed watcher
    if settings.embedded:
        postgres.stop(settings)
    (settings.state / "stack.json").unlink(missing_ok=True)
    print(f"[OK] StreamFlow is down; its data stays in {settings.state}" if state else "StreamFlow was not running.")
    return 0


def status(settings: Settings, _args: argparse.Namespace) -> int:
    """Exit code 0 if every server answers, else 1."""
    state = processes.load_state(settings)
    if not state:
        print("StreamFlow is down. Start it: make up")
        return 1
    all_answer = postgres.answers(settings)
    print(f"PostgreSQL    {':'.join((settings['PGHOST'], settings['PGPORT'])):<32} {ANSWERS[all_answer]}")
    for service in state.get("services", []):
        ok = processes.find(service) is not None and processes.answers(service["health"])
        all_answer = all_answer and ok
        print(f"{service['name']:<13} {service['health']:<32} process {service['pid']:<8} {ANSWERS[ok]}")
    return 0 if all_answer and _print_serving(settings) and state["ready"] else 1


def _print_serving(settings: Settings) -> bool:
    try:
        rollout = loopback.get(f"{settings.address('ROLLOUT_PORT')}/live", processes.HEALTH_TIMEOUT_S).json()
    except (requests.RequestException, ValueError):
        return False
    serving = rollout["serving"]
    where = f"{serving['url']:<32} version {serving['version']}" if serving else "NOT SERVING"
    print(f"model server  {where}")
    for text in filter(None, [rollout["problem"], *rollout["warnings"]]):
        print(f"  [WARNING] {text}")
    return bool(serving)


def env(settings: Settings, _args: argparse.Namespace) -> int:
    """Print shell lines that connect a shell to the stack. Variables for another PostgreSQL or a proxy are replaced."""
    overwritten = {"NO_PROXY", "no_proxy", *(libpq_variables.OWN if settings.embedded else ())}
    for name, value in settings.exported().items():
        # read by servers alone: in this shell they would outlive the stack and mislead the next one
        if (name not in os.environ or name in overwritten) and name not in ("ENRICHER_ROLLOUT_URL", "ROLLOUT_FOLDER"):
            print(f"export {name}={shlex.quote(value)}")
    if ignored := [name for name in libpq_variables.IGNORED if settings.embedded and name in os.environ]:
        print(f"unset {' '.join(ignored)}")
    print(f'export PATH={shlex.quote(str(ROOT / "local_stack" / "bin"))}:"$PATH"')
    return 0


def back_up(settings: Settings, args: argparse.Namespace) -> int:
    print(f"[OK] {backup.backup(settings, args.to)}")
    return 0


def restore(settings: Settings, args: argparse.Namespace) -> int:
    backup.restore(settings, args.source)
    print(f"[OK] {settings.state} is restored from {args.source}. Start it: make up")
    return 0


COMMANDS = {"run": run, "up": up, "down": down, "status": status, "env": env, "backup": back_up, "restore": restore}

if __name__ == "__main__":
    main()
