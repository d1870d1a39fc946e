"""Print where a version comes from. In: a version. Out: its run and figures, its model, its dataset, the code, the lock
and the environment, the month and its load, each compared with what is there now; what cannot be found, or is not the
same, is named."""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

from steps.cli import console, parameters
from steps.cli.errors import NoSuchVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import provenance, versions
from steps.registry.links import Link, State
from steps.runs import descriptions, tracking

PREFIXES = {"broken": "BROKEN: ", "differs": "DIFFERS: "}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("lineage", f"lineage_{args.version or 'of_production'}", {"version": args.version or ""}):
        version = versions.get(args.version or in_production())
        links = provenance.chain(version)
        text = readable(version, links)
        found = {"broken_links": ", ".join(in_state(links, "broken")), "differs": ", ".join(in_state(links, "differs"))}
        mlflow.set_tags({"model_version": version.version, **found})
        mlflow.log_text(text, "lineage.txt")
        descriptions.conclude(text)


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
    serving = versions.serving()
    if serving is None:
        raise NoSuchVersion("Nothing is in Production. Give a version: -P version=N")
    return serving


def in_state(links: Sequence[Link], state: State) -> list[str]:
    return [link.name for link in links if link.state == state]


def readable(version: ModelVersion, links: Sequence[Link]) -> str:
    width = max(len(link.name) for link in links)
    lines = [f"  {link.name.ljust(width)}  {PREFIXES.get(link.state, '')}{link.said}" for link in links]
    stage = "in no stage" if version.current_stage == "None" else f"in {version.current_stage}"
    return "\n".join([f"{MODEL_NAME} version {version.version}, {stage}", *lines, verdict(version, links)])


def verdict(version: ModelVersion, links: Sequence[Link]) -> str:
    """[OK] only where all that can be compared is equal."""
    broken, differs, same = (in_state(links, state) for state in ("broken", "differs", "same"))
    judged = "" if "gate" in version.tags else f" The gate never judged version {version.version}."
    here = f" What is here differs from what the version was made with: {', '.join(differs)}." if differs else ""
    if broken:
        return f"[BROKEN] Look at: {', '.join(broken)}.{here}{judged}"
    if differs:
        return f"[DIFFERS] Nothing is broken.{here} Compared and equal: {', '.join(same)}.{judged}"
    return f"[OK] Every link holds: compared and equal are {', '.join(same)}.{judged}"


if __name__ == "__main__":
    console.run(main)
