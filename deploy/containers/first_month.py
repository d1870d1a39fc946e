"""python -m deploy.containers.first_month: runs the chain for one month, on running servers.

In: a folder with month_000, month_001, …; if it is empty and no month is loaded, made-up months are written into it.
Out: as for `mlflow run .`: the month online, a registered version. If the folder is empty and a month is loaded,
nothing changes.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from configuration import mlflow_ui, names
from local_stack.chain import month_of
from local_stack.database import loaded_months
from local_stack.settings import ROOT, Settings, StackError


def main() -> None:
    parser = argparse.ArgumentParser(prog="first_month", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with month_000, month_001, …")
    parser.add_argument("--as-of", required=True, help="the month's day, YYYY-MM-DD; '' for month_000")
    parser.add_argument("--mix", required=True, help="true: allow made-up and real months together; '' for false")
    args = parser.parse_args()
    try:
        run_chain(args.data, args.as_of or None, args.mix or "false")
    except StackError as error:
        sys.exit(f"[ERROR] {error}")


def run_chain(data: Path, as_of: str | None, mix: str) -> None:
    """Raises StackError. Creates made-up months only if none is loaded."""
    if not any(data.iterdir()):
        months = loaded_months.list_months(Settings.from_env())
        if months:
            print(f"[OK] Loaded: {loaded_months.describe(months)}. The data folder is empty; nothing was changed.")
            return
        mlflow_run("-e", "sample_months", "-P", f"out_dir={data}")
    month = month_of(data, as_of)
    ensure_experiment()
    mlflow_run("-P", f"month_dir={month.folder}", "-P", f"as_of={month.as_of}", "-P", f"mix={mix}")


def ensure_experiment() -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, which a wrong month does not need

    client = MlflowClient()
    experiment = client.get_experiment_by_name(names.EXPERIMENT)
    if experiment is None:
        client.create_experiment(names.EXPERIMENT, tags=mlflow_ui.EXPERIMENT_TAGS)
    elif experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        print(f"[WARNING] Experiment {names.EXPERIMENT} was deleted in MLflow; the steps need it, so it is restored.")


def mlflow_run(*arguments: str) -> None:
    print(f"$ mlflow run . {' '.join(arguments)}", flush=True)
    done = subprocess.run(["mlflow", "run", ".", *arguments], cwd=ROOT, check=False)  # noqa: S603, S607 - mlflow of PATH
    if done.returncode:
        raise StackError(f"mlflow run . {' '.join(arguments)} failed; see its messages above")


if __name__ == "__main__":
    main()
