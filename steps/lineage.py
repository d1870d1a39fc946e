"""Print where a version comes from. In: a version. Out: its run and figures, its model, its dataset, the code, the lock
and the environment, the month and its load. Each is compared with its present state; missing and different ones are
named."""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

from steps.cli import console, parameters
from steps.cli.settings import MODEL_NAME
from steps.registry import provenance, versions
from steps.registry.links import Link, State
from steps.runs import descriptions, tracking

PREFIXES = {"broken": "BROKEN: ", "differs": "DIFFERS: "}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("lineage", f"lineage_{args.version or 'of_production'}", vars(args)):
        version = versions.get_or_production(args.version)
        links = provenance.chain(version)
        text = readable(version, links)
        broken, differs = (", ".join(in_state(links, state)) for state in ("broken", "differs"))
        mlflow.set_tags({"model_version": version.version, "broken_links": broken, "differs": differs})
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


def in_state(links: Sequence[Link], state: State) -> list[str]:
    return [link.name for link in links if link.state == state]


def readable(version: ModelVersion, links: Sequence[Link]) -> str:
    width = max(len(link.name) for link in links)
    lines = [f"  {link.name.ljust(width)}  {PREFIXES.get(link.state, '')}{link.text}" for link in links]
    stage = "in no stage" if version.current_stage == "None" else f"in {version.current_stage}"
    return "\n".join([f"{MODEL_NAME} version {version.version}, {stage}", *lines, verdict(version, links)])


def verdict(version: ModelVersion, links: Sequence[Link]) -> str:
    """The closing line. [OK] only if everything that can be compared is equal."""
    broken, differs, same = (in_state(links, state) for state in ("broken", "differs", "same"))
    unjudged = "" if "gate" in version.tags else f" The gate never judged version {version.version}."
    different = f" The version was made with other: {', '.join(differs)}." if differs else ""
    if broken:
        return f"[BROKEN] Broken links: {', '.join(broken)}.{different}{unjudged}"
    if differs:
        return f"[DIFFERS] Nothing is broken.{different} Compared and equal: {', '.join(same)}.{unjudged}"
    return f"[OK] Every link holds: compared and equal are {', '.join(same)}.{unjudged}"


if __name__ == "__main__":
    console.run(main)
