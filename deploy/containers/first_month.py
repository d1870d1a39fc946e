"""python -m deploy.containers.first_month: the whole chain for one month, on servers that run.

In: a folder with month_000, month_001, …; made-up months are written into it when it is empty and no month is loaded
yet. Out: what `mlflow run .` leaves: the month online, a version registered. A stack that has a month is left as it is
when the folder holds none.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from local_stack.chain import EXPERIMENT, EXPERIMENT_TAGS, month_of
from local_stack.database import loaded
from local_stack.settings import ROOT, Settings, StackError


def main() -> None:
    parser = argparse.ArgumentParser(prog="first_month", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with month_000, month_001, …")
    parser.add_argument("--as-of", required=True, help="the month's day, YYYY-MM-DD; '' for month_000")
    parser.add_argument("--mix", required=True, help="true: made-up months beside real ones; '' for false")
    args = parser.parse_args()
    try:
        run_chain(args.data, args.as_of or None, args.mix or "false")
    except StackError as error:
        sys.exit(f"[ERROR] {error}")


def run_chain(data: Path, as_of: str | None, mix: str) -> None:
    """Raises StackError. Never makes up months where any are loaded."""
    if not any(data.iterdir()):
        there = loaded.months(Settings.from_env())
        if there:
            print(f"[OK] Loaded are {loaded.described(there)}; no other month was given, and nothing is changed.")
            return
        mlflow_run("-e", "sample_months", "-P", f"out_dir={data}")
    month = month_of(data, as_of)
    make_experiment()
    mlflow_run("-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}", "-P", f"mix={mix}")


def make_experiment() -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - seconds that a wrong month need not wait for

    client = MlflowClient()
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        client.create_experiment(EXPERIMENT, tags=EXPERIMENT_TAGS)
    elif known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
        print(f"[WARNING] Experiment {EXPERIMENT} was deleted in MLflow; it is restored, so that steps can record.")


def mlflow_run(*arguments: str) -> None:
    print(f"$ mlflow run . {' '.join(arguments)}", flush=True)
    done = subprocess.run(["mlflow", "run", ".", *arguments], cwd=ROOT, check=False)  # noqa: S603, S607 - on our PATH
    if done.returncode:
        raise StackError("it failed; its messages are above")


if __name__ == "__main__":
    main()
