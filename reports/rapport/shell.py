"""Runs commands as a user types them: in the project's folder, with the environment activated, on a separate stack."""

import os
import re
import subprocess
from pathlib import Path

from local_stack.processes import free_port
from local_stack.settings import LOOPBACK, ROOT

COMMAND_TIMEOUT_S = 900
PORTS = ("PGPORT", "MLFLOW_PORT", "ROLLOUT_PORT", "GATEWAY_PORT")
# variables of the calling shell that are removed; with MAKE…, an inner make would print its folders
REMOVED_PREFIXES = ("PG", "MLFLOW_", "ENRICHER_", "STREAMFLOW_", "GATEWAY_", "ROLLOUT_", "MAKE", "MFLAGS")
# MLflow's log lines, and progress lines (they end in …)
NOISE = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (INFO|WARNING) |…$")


class CommandFailed(Exception):
    """A command, or a click, did not have its expected effect."""


class Shell:
    def __init__(self, data: Path, state: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_PREFIXES)}
        self.ports = {name: free_port() for name in PORTS}
        ports = {name: str(port) for name, port in self.ports.items()}
        self._environment = {**clean, **ports, "STREAMFLOW_STATE": state, "DATA": str(data), "NO_COLOR": "1"}
        self._hidden = {str(data): "$DATA", str(ROOT): "."}

    def address(self, port: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[port]}"

    def run(self, command: str, may_fail: bool = False) -> str:
        """The command's output without log lines and paths of this machine. Raises CommandFailed unless `may_fail`."""
        print(f"$ {command}", flush=True)
        # make activates the environment itself, and works without one
        line = command if command.startswith("make ") else f". .venv/bin/activate && {command}"
        done = subprocess.run(  # noqa: S603 - the template's own commands
            ["/bin/bash", "-c", line],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode and not may_fail:
            raise CommandFailed(f"{command}: exit code {done.returncode}\n{done.stdout}")
        return self._readable(done.stdout)

    def _readable(self, output: str) -> str:
        for path, name in self._hidden.items():
            output = output.replace(path, name)
        return "\n".join(line.rstrip() for line in output.splitlines() if not NOISE.search(line)).strip("\n")
