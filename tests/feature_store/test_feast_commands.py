"""Feast's own commands work with the base lock."""

import subprocess
import sys


def test_feast_ui_can_be_started() -> None:
    """It imports Feast's registry server, whose packages are an extra of Feast."""
    code = "import feast.registry_server, feast.ui_server"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
