"""A year of which catch_up does each month as it arrives: what it decides is in a table, and in the end the version in
Production is as good as one that is trained every month."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from local_stack.settings import Settings
from steps import catch_up, warehouse
from steps.cli.errors import StoppedByRule
from steps.cli.settings import LABEL, MODEL_NAME
from steps.registry import versions
from steps.runs import entry_points
from steps.runs.entry_points import arguments
from steps.training import pipelines
from steps.training.split import split
from tests.steps.states.database import empty
from tests.steps.states.scores import forget_versions
from tests.steps.states.small import quick_project
from tests.steps.states.twelve import APRIL, AUGUST, FEBRUARY, JULY, JUNE, MARCH, MAY, MONTHS, SEPTEMBER, Arrivals

DONE, STOPPED = 0, 3

# month, kind, outcome, by which rule; those of the gate and of promotions beside
DECISIONS = [
    (0, "retrain", "retrained", "rule: first version"),
    (FEBRUARY, "retrain", "kept", "rule: verdict"),
    (MARCH, "stop", "stopped", "rule: one_value"),
    (MARCH, "retrain", "kept", "rule: verdict"),
    (MAY, "retrain", "kept", "rule: verdict"),
    (APRIL, "retrain", "kept", "rule: late month"),
    (JUNE, "retrain", "retrained", "rule: verdict"),
    (JULY, "retrain", "kept", "rule: verdict"),
    (AUGUST, "retrain", "kept", "rule: verdict"),
    *[(SEPTEMBER, "retrain", "kept", "rule: verdict")] * 3,
    *[(number, "retrain", "kept", "rule: verdict") for number in range(SEPTEMBER + 1, MONTHS)],
]


@pytest.fixture(scope="module")
def year(server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Arrivals:
    """After the whole year."""
    empty()
    forget_versions()
    folder = tmp_path_factory.mktemp("year")
    arrivals = Arrivals.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry_points, "PROJECT_ROOT", quick_project(folder, trees=30, iterations=60))
        exits = [arrive_and_catch_up(arrivals.months, arrive) for arrive in events(arrivals)]
    assert exits == [STOPPED if number == MARCH else DONE for number in range(len(exits))]
    return arrivals


def events(arrivals: Arrivals) -> list[Callable[[], object]]:
    """What arrives before each run of catch_up."""
    ordinary = [0, FEBRUARY]
    later = range(SEPTEMBER + 1, MONTHS)
    return [
        *(lambda number=number: arrivals.arrive(number) for number in ordinary),
        lambda: arrivals.arrive_with_zeros(MARCH),
        lambda: arrivals.arrive(MARCH),
        lambda: arrivals.arrive(MAY),
        lambda: arrivals.arrive(APRIL),
        lambda: arrivals.arrive(JUNE),
        lambda: arrivals.arrive_without_labels(JULY),
        lambda: arrivals.arrive_with_labels_of(AUGUST, JULY),
        lambda: arrivals.arrive(SEPTEMBER),
        lambda: arrivals.correct(SEPTEMBER, 20),
        lambda: arrivals.correct(SEPTEMBER, 30),
        *(lambda number=number: arrivals.arrive(number) for number in later),
    ]


def arrive_and_catch_up(months: Path, arrive: Callable[[], object]) -> int:
    arrive()
    try:
        return catch_up.main(arguments("catch_up", {"months_dir": str(months)}))
    except StoppedByRule as stop:
        return stop.exit_code


def test_every_decision_of_the_year_is_the_expected_one(year: Arrivals) -> None:
    made = [decision for decision in warehouse.decisions(MODEL_NAME) if decision.kind in ("stop", "accept", "retrain")]
    expected = [(year.day(number), *rest) for number, *rest in DECISIONS]
    assert [(decision.as_of, decision.kind, decision.outcome, decision.decided_by) for decision in made] == expected


def test_the_gate_promotes_the_first_version_and_the_one_that_knows_the_new_reasons(year: Arrivals) -> None:
    promoted = [made for made in warehouse.decisions(MODEL_NAME) if made.kind == "promotion"]
    assert [(made.as_of, made.outcome) for made in promoted] == [
        (year.day(0), "promoted"),
        (year.day(JUNE), "promoted"),
    ]
    assert versions.in_production() == promoted[-1].version


def test_labels_that_came_with_august_are_those_of_july(year: Arrivals) -> None:
    assert warehouse.count_without_label(year.day(JULY)) == 0


def test_the_last_months_auc_is_that_of_the_best_monthly_training(year: Arrivals) -> None:
    december = year.rows(MONTHS - 1)
    unseen = split(december, "user").validation
    served = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{versions.in_production()}")
    names = served.metadata.get_input_schema().input_names()
    production = auc(unseen, served.predict(unseen[names])["probability"].to_numpy())
    monthly = [auc(unseen, trained_on(year.rows(number), unseen, names)) for number in range(MONTHS)]
    assert production > max(monthly) - 0.01, (production, monthly)
    assert production > monthly[0] + 0.1  # the version of January has gone blind


def auc(rows: pd.DataFrame, probability: pipelines.Probabilities) -> float:
    return float(roc_auc_score(rows[LABEL], probability))


def trained_on(rows: pd.DataFrame, unseen: pd.DataFrame, names: list[str]) -> pipelines.Probabilities:
    """The probabilities of boosting with the defaults of train, trained on the training part of a month."""
    parameters = pipelines.Hyperparameters(300, 150, 8, 0.05, 1.0)
    categories = {"net_service": sorted(rows["net_service"].unique())}
    if "contract_type" in names:
        categories["contract_type"] = sorted(rows["contract_type"].unique())
    unfitted = pipelines.pipeline("hist_gradient_boosting", parameters, categories)
    fitted = pipelines.fit(unfitted, split(rows, "user").train, names)
    return pipelines.churn_probability(fitted, unseen, names)
