"""Print where a version comes from. In: a version. Out: its run and figures, its dataset, the code and the lock, the
month and its load; what cannot be found, or is no longer the same, is named."""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

from steps import console, parameters, promotion, provenance, run_words, tracking, versions
from steps.errors import NoSuchVersion
from steps.provenance import Link
from steps.settings import MODEL_NAME


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("lineage", f"lineage_{args.version or 'of_production'}", {"version": args.version or ""}):
        version = versions.get(args.version or in_production())
        links = provenance.links(version)
        text = readable(version, links)
        mlflow.set_tags({"model_version": version.version, "broken_links": ", ".join(broken(links))})
        mlflow.log_text(text, "lineage.txt")
        run_words.conclude(text)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lineage", description=__doc__)
    parser.add_argument(
        "--version",
        type=parameters.optional(parameters.version),
        required=True,
        help="a version's number; '' for the one in Production",
    )
    return parser.parse_args(argv)


def in_production() -> str:
    """Raises NoSuchVersion when nothing is there."""
    serving = promotion.serving()
    if serving is None:
        raise NoSuchVersion("Nothing is in Production. Give a version: -P version=N")
    return serving


def broken(links: Sequence[Link]) -> list[str]:
    return [link.name for link in links if not link.holds]


def readable(version: ModelVersion, links: Sequence[Link]) -> str:
    width = max(len(link.name) for link in links)
    lines = [f"  {link.name.ljust(width)}  {'' if link.holds else 'BROKEN: '}{link.said}" for link in links]
    faults = broken(links)
    end = f"[BROKEN] Look at: {', '.join(faults)}." if faults else "[OK] Every link holds."
    stage = "in no stage" if version.current_stage == "None" else f"in {version.current_stage}"
    return "\n".join([f"{MODEL_NAME} version {version.version}, {stage}", *lines, end])


if __name__ == "__main__":
    console.run(main)
