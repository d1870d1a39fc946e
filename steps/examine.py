"""Judge a version that came into Production without a verdict, as by a click in MLflow's UI. In: a version. Out: its
verdict, by the gate's default rules, against the version that served before; sealed, and in its tags.

The watcher runs it before it serves such a version. A version that has a verdict keeps it. Changes no stage.
"""

import argparse
from collections.abc import Sequence

import mlflow

from steps import warehouse
from steps.cli import console, parameters, progress
from steps.cli.settings import MODEL_NAME
from steps.registry import seals, versions
from steps.registry.examination import validation
from steps.runs import descriptions, tracking


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    seals.require_key()  # before there is a run: without it no verdict could be sealed
    with tracking.step_run("examine", f"examine_{args.version}", {"version": args.version}):
        mlflow.set_tag("model_version", args.version)
        with warehouse.promotion_lock(), progress.timed("gate"):
            verdict = validation.ensure_verdict(versions.get(args.version), allow_older=False)
        mark = "OK" if verdict.may_serve else "REFUSED"
        descriptions.conclude(f"[{mark}] {MODEL_NAME} version {args.version}: {verdict.status}: {verdict.reason}.")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="examine", description=__doc__)
    parser.add_argument("--version", type=parameters.version, required=True, help="a version's number")
    return parser.parse_args(argv)


if __name__ == "__main__":
    console.run(main)
