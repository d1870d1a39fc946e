"""A small company's year, run through the steps: every figure of gate and score equals one computed from the files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from steps import build_dataset, ingest, labels, materialize, register, score, train
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from steps.training import pipelines
from tests.steps.states.database import empty, last_run
from tests.steps.states.year import (
    MONTHS,
    NEW_CATEGORY,
    NEW_FROM,
    Array,
    Month,
    corrected,
    months_auc,
    validators,
    write_year,
)

LOADED = (0, 1, 2, 4, 3, 5, 6, 7)  # April arrives after May
MARCH, JUNE = 2, 5
FOREST = {"model": "random_forest", "n_estimators": "40"}
SMALL_COMPANY = {"rule": "not_worse", "margin": "0.08", "min_users": "60", "min_auc": "0.5"}


@dataclass
class Version:
    """A version and the data it was trained on."""

    number: str
    month: Month
    trained: set[str]
    categories: set[str]

    @cached_property
    def served(self) -> Any:
        return mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{self.number}")

    def inputs(self) -> list[str]:
        names: list[str] = self.served.metadata.get_input_schema().input_names()
        return names

    def probability(self, rows: pd.DataFrame) -> Array:
        """The version's answers to these rows of the files."""
        return np.asarray(self.served.predict(rows[self.inputs()])["probability"], dtype=np.float64)


@dataclass
class Registration:
    """A candidate's tags, and the months and the version to compare it with."""

    candidate: Version
    production: Version | None
    tags: dict[str, str]
    months: list[Month]


@dataclass
class Year:
    months: list[Month]
    registrations: list[Registration] = field(default_factory=list)
    unlabelled_scores: list[dict[str, Any]] = field(default_factory=list)
    scores: list[tuple[Version, Month, dict[str, Any]]] = field(default_factory=list)
    march_sha256: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def year(tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    folder = tmp_path_factory.mktemp("year")
    empty()
    if MlflowClient().search_registered_models(f"name='{MODEL_NAME}'"):
        MlflowClient().delete_registered_model(MODEL_NAME)
    player = Player(Year(write_year(folder)), tracking, folder)
    player.play()
    yield player.year
    MlflowClient().delete_registered_model(MODEL_NAME)


class Player:
    def __init__(self, year: Year, experiment: str, folder: Path) -> None:
        self.year, self.experiment, self.folder = year, experiment, folder
        self.production: Version | None = None
        self.labelled: list[Month] = []

    def play(self) -> None:
        previous: Month | None = None
        for number in LOADED:
            month = self.year.months[number]
            self.load(month)
            if self.production is not None:
                self.year.unlabelled_scores.append(self.scored(month))
            if previous is not None:
                self.load_labels(previous)
            if number == JUNE:
                self.correct_march()
            previous = month
        self.load_labels(self.year.months[LOADED[-1]])

    def load(self, month: Month) -> None:
        day = {"as_of": str(month.as_of)}
        ingest.main(arguments("ingest", {**day, "month_dir": str(month.folder), "new_categories": "true"}))
        materialize.main(arguments("materialize", day))

    def load_labels(self, month: Month) -> None:
        day = {"as_of": str(month.as_of)}
        labels.main(arguments("labels", {**day, "labels_file": str(month.labels_file)}))
        self.labelled.append(month)
        build_dataset.main(arguments("build_dataset", day))
        if month.as_of.month == MARCH + 1:
            self.year.march_sha256.append(self.tags("build_dataset")["dataset_sha256"])
        train.main(arguments("train", {**day, **FOREST}))
        self.register(month)
        if self.production is not None:
            self.year.scores.append((self.production, month, self.scored(month)))

    def register(self, month: Month) -> None:
        register.main(arguments("register", {"as_of": str(month.as_of), **SMALL_COMPANY}))
        number = self.tags("register")["model_version"]
        trained = set(month.rows["user_id"]) - validators(month.rows)
        candidate = Version(number, month, trained, set(month.rows["net_service"]))
        version = MlflowClient().get_model_version(MODEL_NAME, number)
        self.year.registrations.append(Registration(candidate, self.production, version.tags, list(self.labelled)))
        if version.current_stage == "Production":
            self.production = candidate

    def correct_march(self) -> None:
        """Known from the end of June on: the training set of March keeps the values known in March."""
        march = self.year.months[MARCH]
        correction = corrected(march, self.folder / "march_corrected")
        values = {"as_of": str(march.as_of), "known_at": str(self.year.months[JUNE].as_of)}
        ingest.main(arguments("ingest", {**values, "month_dir": str(correction.folder)}))
        labels.main(arguments("labels", {**values, "labels_file": str(correction.labels_file)}))
        build_dataset.main(arguments("build_dataset", {"as_of": str(march.as_of)}))
        self.year.march_sha256.append(self.tags("build_dataset")["dataset_sha256"])

    def scored(self, month: Month) -> dict[str, Any]:
        score.main(arguments("score", {"as_of": str(month.as_of)}))
        run_id = last_run("score", self.experiment).info.run_id
        facts: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/summary.json")
        return facts

    def tags(self, step: str) -> dict[str, str]:
        tags: dict[str, str] = last_run(step, self.experiment, "FINISHED").data.tags
        return tags


def compared_rows(registration: Registration) -> list[pd.DataFrame]:
    """Per month, the rows of validation users that neither version was trained on and both can score."""
    candidate, production = registration.candidate, registration.production
    assert production is not None
    first, last = sorted((candidate.month.as_of, production.month.as_of))
    parts = []
    for month in sorted(registration.months, key=lambda month: month.as_of, reverse=True):
        if not (first < month.as_of <= last or month.as_of == last):
            continue
        rows = month.rows
        rows = rows[rows["user_id"].isin(validators(rows))]
        rows = rows[~rows["user_id"].isin(candidate.trained | production.trained)]
        parts.append(rows[rows["net_service"].isin(candidate.categories & production.categories)])
    return parts


def with_production(year: Year) -> list[Registration]:
    return [registration for registration in year.registrations if registration.production is not None]


def auc_of(version: Version, parts: list[pd.DataFrame]) -> float:
    return months_auc([(rows["churn_label"].to_numpy(bool), version.probability(rows)) for rows in parts])


def test_the_gates_figures_equal_those_from_the_files(year: Year) -> None:
    assert len(with_production(year)) == MONTHS - 1
    for registration in with_production(year):
        parts, tags = compared_rows(registration), registration.tags
        assert registration.production is not None
        expected = (auc_of(registration.candidate, parts), auc_of(registration.production, parts))
        recorded = (float(tags["gate_auc_candidate"]), float(tags["gate_auc_production"]))
        assert recorded == pytest.approx(expected, abs=1e-12)
        assert float(tags["gate_rows_compared"]) == sum(map(len, parts))
        assert float(tags["gate_users_compared"]) == len(set(pd.concat(parts)["user_id"]))
        assert float(tags["gate_auc_gain"]) == pytest.approx(expected[0] - expected[1], abs=1e-12)


def test_each_candidates_own_figure_is_on_its_own_validation_users(year: Year) -> None:
    assert len(year.registrations) == MONTHS
    for registration in year.registrations:
        rows = registration.candidate.month.rows
        held_out = rows[rows["user_id"].isin(validators(rows))]
        expected = roc_auc_score(held_out["churn_label"], registration.candidate.probability(held_out))
        assert float(registration.tags["gate_auc_own_validation"]) == pytest.approx(expected, abs=1e-12)


def never_seen(version: Version, month: Month) -> pd.DataFrame:
    """The month's users that the version was not trained on and can score."""
    rows = month.rows[month.rows["net_service"].isin(version.categories)]
    return rows[~rows["user_id"].isin(version.trained)]


def differences(year: Year, users: Callable[[Version, Month], pd.DataFrame]) -> list[float]:
    """Per comparison, Production's figure at the gate minus its AUC on these users of the same months."""
    deviations = []
    for registration in with_production(year):
        production = registration.production
        assert production is not None
        days = registration.tags["gate_months"].split(", ")
        unseen = [users(production, month) for month in year.months if str(month.as_of) in days]
        deviations.append(float(registration.tags["gate_auc_production"]) - auc_of(production, unseen))
    return deviations


def test_productions_figure_is_near_that_on_unseen_validation_users(year: Year) -> None:
    def validating(version: Version, month: Month) -> pd.DataFrame:
        rows = never_seen(version, month)
        return rows[rows["user_id"].isin(validators(month.rows))]

    assert abs(float(np.mean(differences(year, validating)))) <= 0.005


def test_productions_figure_is_near_that_on_all_unseen_users(year: Year) -> None:
    """Including the users who joined since, on most of whom the candidate was trained."""
    assert abs(float(np.mean(differences(year, never_seen)))) <= 0.015


def test_a_new_random_split_each_month_gives_wrong_figures(year: Year) -> None:
    """An earlier gate did this: January's model on later months' random validation parts, mostly its training users."""
    january = year.months[0].rows
    inputs = set(year.registrations[0].candidate.inputs())
    features = [name for name in january.columns if name in inputs]
    training, _ = train_test_split(january, test_size=0.25, random_state=42, stratify=january["churn_label"])
    forest = pipelines.pipeline(
        "random_forest",
        pipelines.Hyperparameters(40, 1, 2, 0.1, 1.0),
        {"net_service": sorted(set(january["net_service"]))},
    )
    fitted = pipelines.fit(forest, training, features)
    deviations = []
    for month in year.months[1:NEW_FROM]:
        rows = month.rows
        _, validation = train_test_split(rows, test_size=0.25, random_state=42, stratify=rows["churn_label"])
        unseen = rows[~rows["user_id"].isin(training["user_id"])]
        at_the_gate, honest = (
            roc_auc_score(part["churn_label"], pipelines.churn_probability(fitted, part, features))
            for part in (validation, unseen)
        )
        deviations.append(at_the_gate - honest)
    assert float(np.mean(deviations)) > 0.05


def test_scores_figures_equal_those_from_the_files(year: Year) -> None:
    assert len(year.scores) == MONTHS  # each month after its labels were loaded; January by its own version
    for version, month, facts in year.scores:
        rows = month.rows[month.rows["net_service"].isin(version.categories)]
        unseen = never_seen(version, month)
        probability, left = version.probability(unseen), unseen["churn_label"]
        assert facts["model_version"] == version.number
        assert facts["users"] == len(rows)
        assert facts["users_unknown_category"] == len(month.rows) - len(rows)
        assert facts["users_trained_on"] == int(rows["user_id"].isin(version.trained).sum())
        assert facts["users_measured"] == len(unseen)
        assert facts["AUC"] == pytest.approx(roc_auc_score(left, probability), abs=1e-12)
        assert facts["Brier"] == pytest.approx(brier_score_loss(left, probability), abs=1e-12)
        assert facts["AUC_low"] < facts["AUC"] < facts["AUC_high"]
        assert facts["mean_probability"] == pytest.approx(version.probability(rows).mean(), abs=1e-12)


def test_a_month_without_labels_is_scored_without_quality_figures(year: Year) -> None:
    assert len(year.unlabelled_scores) == MONTHS - 2  # the first version follows January's labels, in February
    for facts in year.unlabelled_scores:
        assert facts["labelled"] == 0
        assert "AUC" not in facts
        assert "no label" in facts["no_quality"]


def test_a_later_correction_does_not_change_the_training_set(year: Year) -> None:
    first, after_correction = year.march_sha256
    assert first == after_correction


def test_a_new_category_excludes_only_its_own_users(year: Year) -> None:
    [june] = [
        registration for registration in year.registrations if registration.candidate.month is year.months[NEW_FROM]
    ]
    assert june.production is not None
    assert NEW_CATEGORY not in june.production.categories
    assert float(june.tags["gate_left_out_category_unknown_to_production"]) > 0
    assert float(june.tags["gate_rows_compared"]) > 0
    assert max(facts["users_unknown_category"] for facts in year.unlabelled_scores) > 0
