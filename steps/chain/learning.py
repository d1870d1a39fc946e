"""What there is to learn from, and the decision about a new training, with its record."""

from datetime import date

from mlflow.entities import Run

from configuration import names
from steps import warehouse
from steps.chain import retraining
from steps.chain.attempts import Champion
from steps.chain.options import Options
from steps.chain.retraining import Retraining, Situation
from steps.cli.settings import MODEL_NAME
from steps.monitoring.report import record as record_tags
from steps.runs import search
from steps.runs.inputs import digest
from steps.training import dataset_runs


def newest_labelled() -> date | None:
    return next((day for day in reversed(warehouse.loaded_months()) if warehouse.any_label(day)), None)


def knows(champion: Champion, as_of: date) -> bool:
    """True for a version that was trained on exactly the month's present values and labels.

    Raises TrackingUnavailable.
    """
    training = search.find_run(champion.run_id) if champion.run_id else None
    dataset_run = training.data.tags.get(names.DATASET_RUN_TAG) if training else None
    made = search.find_run(dataset_run) if dataset_run else None
    if made is None or made.data.tags.get("as_of") != str(as_of):
        return False
    identity = dataset_runs.data_identity(as_of, None)
    return all(made.data.tags.get(name) == value for name, value in identity.items())


def decide(options: Options, champion: Champion, verdict: Run | None, month: date | None) -> Retraining:
    """verdict: the monitor's run; None without a version to monitor. month: the newest with labels."""
    if verdict is None:
        reason = f"no version is in Production: a first training on {month}" if month else "no month has labels"
        return Retraining(month is not None, reason, "first version" if month else "no labels")
    tags = verdict.data.tags
    situation = Situation(
        as_of=options.as_of,
        newest=warehouse.loaded_months()[-1],
        verdict=tags[record_tags.VERDICT],
        asks=tags[record_tags.RETRAIN] == "true",
        learnt_from=month,
        is_new=month is not None and not knows(champion, month),
        version=str(champion.number),
    )
    return retraining.decide(options.retrain, situation)


def record(decision: Retraining, options: Options, champion: Champion, verdict: Run | None, folder: str) -> None:
    """folder: the sha256 of what the month's folder brought."""
    inputs = {"folder": folder, "champion": champion.identity, "option": options.retrain, "reason": decision.reason}
    verdict_tag = verdict.data.tags[record_tags.VERDICT] if verdict else ""
    figures = retraining.figures(verdict_tag, verdict.data.metrics) if verdict else {}
    made = warehouse.Decision(
        kind="retrain",
        outcome=decision.outcome,
        as_of=options.as_of,
        version=champion.number,
        reason=decision.sentence,
        figures=figures,
        decided_by=f"rule: {decision.rule}",
        inputs_sha256=digest("retrain", inputs),
    )
    warehouse.record_decision(MODEL_NAME, made)
