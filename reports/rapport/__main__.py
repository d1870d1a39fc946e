"""python -m reports.rapport: runs template.md on real months and writes reports/rapport_tp4.md with its pictures."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from local_stack.settings import ROOT
from reports.rapport.figures import collect
from reports.rapport.pictures import Pictures
from reports.rapport.shell import CommandFailed, Shell
from reports.rapport.template import TEMPLATE, execute, fill_in
from rollout import loopback

OUT = ROOT / "reports"
STATE = ".streamflow-report"


def main() -> None:
    parser = argparse.ArgumentParser(prog="reports.rapport", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with month_000 and month_001")
    data = parser.parse_args().data.expanduser().resolve()
    missing = [name for name in ("month_000", "month_001") if not (data / name).is_dir()]
    if missing:
        sys.exit(f"[ERROR] {data} has no {' and no '.join(missing)}. Name the folder of the months: make report DATA=…")
    os.environ.update(loopback.proxy_exceptions(os.environ))
    try:
        write(data)
    except CommandFailed as error:
        sys.exit(f"[ERROR] {error}")


def write(data: Path) -> None:
    """Replaces report and pictures only after the whole run has succeeded. Raises CommandFailed."""
    shell = Shell(data, STATE)
    shell.run("make down", may_fail=True)  # left by a killed run
    shutil.rmtree(ROOT / STATE, ignore_errors=True)  # an empty registry: versions count from 1
    with tempfile.TemporaryDirectory(prefix="streamflow-report-") as scratch:
        images = Path(scratch) / "img"
        images.mkdir()
        try:
            with Pictures(shell, images) as pictures:
                done = execute(TEMPLATE.read_text(), shell, pictures)
                report = fill_in(done, collect(shell, pictures))
        finally:
            shell.run("make down", may_fail=True)
        OUT.mkdir(exist_ok=True)
        shutil.rmtree(OUT / "img", ignore_errors=True)
        shutil.copytree(images, OUT / "img")
        (OUT / "rapport_tp4.md").write_text(report)
    count = len(list((OUT / "img").iterdir()))
    print(f"[OK] Wrote {(OUT / 'rapport_tp4.md').relative_to(ROOT)} and {count} pictures")


if __name__ == "__main__":
    main()
