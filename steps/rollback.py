"""Put back the version that served before. In: who served when, or -P version=N. Out: that version in Production, the
one it replaces archived; what serves follows as it follows any promotion.

No gate: what comes back has served. A version that never did and was refused goes through register, by force.
"""

import argparse
from collections.abc import Sequence

import mlflow

from steps import console, parameters, promotion, run_words, tracking, versions, warehouse
from steps.errors import NoRollback, NoSuchVersion
from steps.settings import MODEL_NAME
from steps.warehouse import Turnover


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run(
        "rollback", f"rollback_{args.version or 'to_the_one_before'}", {"version": args.version or ""}
    ):
        with warehouse.promotion_lock():
            now, history = promotion.serving(), warehouse.turnovers(MODEL_NAME)
            target = chosen(args.version, now, history) if args.version else previous(now, history)
            archived = promotion.put_in_stage(target, promotion.PRODUCTION)
        mlflow.set_tags({"model_version": target, "from_version": now or "none"})
        run_words.conclude(summary(now, target, archived))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rollback", description=__doc__)
    parser.add_argument(
        "--version",
        type=parameters.optional(parameters.version),
        required=True,
        help="the version to put back; '' for the one that served before",
    )
    return parser.parse_args(argv)


def previous(now: str | None, history: Sequence[Turnover]) -> str:
    """The most recent version in the history that is another than `now`. Raises NoRollback."""
    target = next((past.version for past in reversed(history) if past.version not in (None, now)), None)
    if target is None:
        raise NoRollback(
            f"Nothing served before version {now}, as far as the history knows. Give one: -P version=N"
            if now
            else "Nothing is in Production and nothing ever served. Run: mlflow run . -e register"
        )
    try:
        versions.get(target)
    except NoSuchVersion as error:
        raise NoRollback(
            f"Version {target} served before, and was deleted since. {error}. Give one: -P version=N"
        ) from error
    return target


def chosen(version: str, now: str | None, history: Sequence[Turnover]) -> str:
    """Raises NoSuchVersion; NoRollback for the one that is there already, or that never served and was refused."""
    tags = versions.get(version).tags
    if version == now:
        raise NoRollback(f"Version {version} is in Production already")
    if tags.get("gate") == "refused" and version not in {past.version for past in history}:
        raise NoRollback(
            f"Version {version} never served, and the gate refused it: {tags.get('gate_reason')}. "
            f"To promote it all the same: mlflow run . -e register -P run_id={tags.get('run_id')} -P force=true"
        )
    return version


def summary(now: str | None, target: str, archived: Sequence[str]) -> str:
    others = f"version {', '.join(archived)} archived" if archived else "nothing was there to archive"
    return f"[OK] Rolled {MODEL_NAME} back from version {now or 'none'} to version {target}; {others}."


if __name__ == "__main__":
    console.run(main)
