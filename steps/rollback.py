"""Put back the version that served before. In: the history of serving, or -P version=N. Out: that version in
Production, its predecessor archived; the model server follows, as after any promotion.

A version that neither passed the gate nor was forced past it is not put back; register can promote it with force. Nor
is a version whose files are not the sealed ones. A version without a verdict is evaluated first, by the gate's default
rules.
"""

import argparse
from collections.abc import Sequence

import mlflow
from mlflow.entities.model_registry import ModelVersion

from configuration import names
from steps import warehouse
from steps.cli import console, parameters
from steps.cli.errors import NoRollback
from steps.cli.settings import MODEL_NAME
from steps.registry import decisions, versions
from steps.registry.examination import validation
from steps.runs import descriptions, outcomes, tracking
from steps.warehouse import Cutover


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with tracking.step_run("rollback", f"rollback_{args.version or 'to_the_one_before'}", vars(args)):
        with warehouse.promotion_lock():
            now, history = versions.in_production(), warehouse.cutovers(MODEL_NAME)
            target, passed_over = (chosen(args.version, now), []) if args.version else previous(now, history)
            record(now, target, passed_over, history)
            archived = versions.put_in_stage(target, names.PRODUCTION)
        mlflow.set_tags({"model_version": target, "from_version": now or "none"})
        descriptions.conclude(summary(now, target, archived, passed_over))


def record(now: str | None, target: str, passed_over: Sequence[str], history: Sequence[Cutover]) -> None:
    version, decided = versions.get(target), decisions.about_stages()
    reason = f"Version {target} goes back to Production in place of version {now or 'none'}{skipped(passed_over)}"
    since = [str(cutover.at) for cutover in history if cutover.version == now]
    inputs = {"from": now, "since": since[-1:], "occasion": decisions.occasion("rollback", version, decided)}
    person, figures = outcomes.person(), {"from_version": now}
    decisions.record(version, "rollback", "rolled_back", reason, figures=figures, by=person, inputs=inputs)


def skipped(passed_over: Sequence[str]) -> str:
    return f". Passed over: {'; '.join(passed_over)}" if passed_over else ""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rollback", description=__doc__)
    parser.add_argument(
        "--version",
        type=parameters.optional(parameters.version),
        required=True,
        help="the version to put back; '' for the one that served before",
    )
    return parser.parse_args(argv)


def previous(now: str | None, history: Sequence[Cutover]) -> tuple[str, list[str]]:
    """The version that served most recently, other than `now`, that still exists and once passed the gate; and why
    more recent ones are passed over. Raises NoRollback when there is none."""
    existing = {str(version.version): version for version in versions.all_versions()}
    passed_over: list[str] = []
    for cutover in reversed(history):
        version = existing.get(cutover.version or "")
        reason = None
        if cutover.version is None:
            continue
        if version is None or not versions.is_same(version, cutover):
            reason = f"version {cutover.version} of run {cutover.run_id} was deleted since"
        elif cutover.version != now and (objection := validation.objection(version)):
            reason = objection
        elif cutover.version != now:
            return cutover.version, passed_over
        if reason and reason not in passed_over:
            passed_over.append(reason)
    raise NoRollback(nothing_to_put_back(now, passed_over))


def nothing_to_put_back(now: str | None, passed_over: Sequence[str]) -> str:
    reasons = f" ({'; '.join(passed_over)})" if passed_over else ""
    if now:
        return f"Nothing served before version {now}, according to the history{reasons}. Give one: -P version=N"
    if passed_over:
        return f"Nothing is in Production, and no version that served can be put back{reasons}. Give one: -P version=N"
    return "Nothing is in Production and no version ever served. Run: mlflow run . -e register -P as_of=DATE"


def chosen(number: str, now: str | None) -> str:
    """Raises NoSuchVersion; NoRollback for the version in Production, and for one that never passed the gate."""
    version = versions.get(number)
    if number == now:
        raise NoRollback(f"Version {number} is already in Production")
    if reason := validation.objection(version):
        raise NoRollback(f"{reason[0].upper()}{reason[1:]}. {how_to_promote(version)}")
    return number


def how_to_promote(version: ModelVersion) -> str:
    training = versions.training_of(version)
    if training is None:
        return "It cannot be registered again: its training run no longer exists"
    return f"To promote it all the same: mlflow run . -e register -P run_id={training.info.run_id} -P force=true"


def summary(now: str | None, target: str, archived: Sequence[str], passed_over: Sequence[str]) -> str:
    replaced = f"version {', '.join(archived)} archived" if archived else "no version to archive"
    rolled = f"[OK] Rolled {MODEL_NAME} back from version {now or 'none'} to version {target}"
    return f"{rolled}; {replaced}{skipped(passed_over)}."


if __name__ == "__main__":
    console.run(main)
