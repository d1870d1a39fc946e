"""Scores of a month's users: stored, listed, and equal to the gateway's."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from mlflow.tracking import MlflowClient

from steps import ingest, materialize, score, warehouse
from steps.campaign.selection import control_draw
from steps.cli.errors import NoSnapshot, NoSuchVersion
from steps.cli.settings import MODEL_NAME
from steps.registry import explained, loaded_version
from steps.runs.entry_points import arguments
from steps.scoring import known_labels, quality, reasons
from steps.scoring.scores import LeftOut, MonthScores
from tests.conftest import JANUARY
from tests.steps.states.database import execute, fetch
from tests.steps.states.online import served
from tests.steps.states.scores import Outcome, forget_versions, load_january, register

NAMES = ["months_active", "monthly_fee", "paperless_billing", "plan_stream_tv", "plan_stream_movies", "net_service"]
NAMES += ["watch_hours_30d", "avg_session_mins_7d", "unique_devices_30d", "skips_7d", "rebuffer_events_7d"]
NAMES += ["failed_payments_90d", "support_tickets_90d", "ticket_avg_resolution_hrs_90d"]
STORED = "SELECT user_id, probability, prediction FROM churn_scores WHERE model_version = %s ORDER BY user_id"
needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="PySpark or Java is not there"
)

Score = Callable[..., Outcome]


@pytest.fixture(scope="module")
def registered(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    """Model -> its version; boosting is in Production; only January is loaded."""
    load_january(sample_months)
    forget_versions()
    made = {model: register(run_id, feature_service="churn_v1") for model, run_id in trainings.items()}
    MlflowClient().transition_model_version_stage(MODEL_NAME, made["hist_gradient_boosting"], "Production")
    return made


@pytest.fixture
def run(registered: dict[str, str], tracking: str) -> Score:
    def step(**values: str) -> Outcome:
        score.main(arguments("score", {"as_of": str(JANUARY), **values}))
        return Outcome(tracking)

    return step


def by_the_model_server(version: str, user_ids: list[str]) -> list[float]:
    """Probabilities from the online store's values and the served model, one user at a time as in requests."""
    loaded = loaded_version.load(version)
    rows = pd.DataFrame([served([user])[user] for user in user_ids], columns=NAMES)
    return [float(loaded.answers(rows.iloc[[row]])["probability"].iloc[0]) for row in range(len(rows))]


@pytest.mark.parametrize("model", ["random_forest", "hist_gradient_boosting", "logistic_regression"])
def test_every_user_gets_the_same_probability_as_from_the_gateway(
    run: Score, registered: dict[str, str], model: str
) -> None:
    run(version=registered[model])
    materialize.main(["--as-of", str(JANUARY)])
    stored = fetch(STORED, (registered[model],))
    assert len(stored) == 300
    some = stored[::30]
    answers = by_the_model_server(registered[model], [row[0] for row in some])
    # the rounding of a matrix product depends on its number of rows; trees compute none
    tolerance = 1e-15 if model == "logistic_regression" else 0
    assert [row[1] for row in some] == pytest.approx(answers, rel=0, abs=tolerance)
    assert all(prediction == int(probability > 0.5) for _user, probability, prediction in stored)


def test_the_default_is_the_version_in_production(run: Score, registered: dict[str, str]) -> None:
    warehouse.apply_schema()
    execute("TRUNCATE churn_scores")
    run()
    assert fetch("SELECT DISTINCT model_version FROM churn_scores") == [(registered["hist_gradient_boosting"],)]


def test_scoring_again_replaces_the_scores(run: Score, registered: dict[str, str]) -> None:
    run()
    query = "SELECT min(scored_at), count(*) FROM churn_scores WHERE model_version = %s"
    before = fetch(query, (registered["hist_gradient_boosting"],))
    run()
    after = fetch(query, (registered["hist_gradient_boosting"],))
    assert after[0][0] > before[0][0]
    assert after[0][1] == before[0][1] == 300


def test_the_list_has_the_largest_expected_gain_first_and_nobody_of_the_control_group(
    run: Score, registered: dict[str, str]
) -> None:
    outcome = run(top="7", campaign="seven", control_share="0.5", response_rate="0.2", contact_cost="3")
    listed = pd.read_csv(outcome.folder / "call_list.csv")
    fees = dict(fetch("SELECT user_id, monthly_fee FROM subscriptions_profile_snapshots"))
    stored = fetch(STORED, (registered["hist_gradient_boosting"],))
    gains = {user: probability * 0.2 * 12 * fees[user] - 3 for user, probability, _prediction in stored}
    is_control = control_draw("seven", 0.5)
    expected = sorted((user for user in gains if not is_control(user)), key=lambda user: (-gains[user], user))[:7]
    assert list(listed["user_id"]) == expected
    assert list(listed["rank"]) == list(range(1, 8))
    assert list(listed["expected_gain"]) == pytest.approx([gains[user] for user in expected], abs=1e-9)
    assert list(listed["monthly_fee"]) == [fees[user] for user in expected]
    control = fetch("SELECT user_id FROM campaigns WHERE campaign = 'seven' AND role = 'control'")
    assert {user for (user,) in control} == {
        user for user in gains if is_control(user) and gains[user] > gains[expected[-1]]
    }


@pytest.mark.parametrize("model", ["random_forest", "hist_gradient_boosting", "logistic_regression"])
def test_each_listed_user_has_its_strongest_reasons(run: Score, registered: dict[str, str], model: str) -> None:
    materialize.main(["--as-of", str(JANUARY)])
    outcome = run(version=registered[model], top="5", campaign=f"reasons of {model}")
    listed = pd.read_csv(outcome.folder / "call_list.csv")
    assert list(listed)[-3:] == ["reason_1", "reason_2", "reason_3"]
    rows = pd.DataFrame([served([user])[user] for user in listed["user_id"]], columns=NAMES)
    explanation = explained.explain(loaded_version.load(registered[model]), rows)
    assert explanation is not None
    for row, contributions in enumerate(explanation.contributions):
        texts = [str(listed[f"reason_{nth}"][row]) for nth in (1, 2, 3)]
        sizes = [abs(float(text.split("(")[1][:-1])) for text in texts]
        assert sizes == pytest.approx(sorted(np.abs(contributions))[:-4:-1], abs=1e-4)
    recorded = fetch("SELECT user_id, reasons FROM campaigns WHERE campaign = %s AND role = 'listed'", (
        f"reasons of {model}",
    ))  # fmt: skip
    by_user = listed.set_index("user_id")[["reason_1", "reason_2", "reason_3"]]
    assert dict(recorded) == {user: list(by_user.loc[user]) for user in by_user.index}
    control = "SELECT count(*) FROM campaigns WHERE role = 'control' AND reasons <> '[]'"
    assert fetch(control) == [(0,)]


def test_the_mean_size_of_each_features_contributions_is_recorded(run: Score) -> None:
    outcome = run()
    assert (outcome.facts["contributions_scale"], outcome.facts["contributions_users"]) == ("log_odds", 300)
    means = [outcome.metrics[f"contribution_{name}"] for name in NAMES]
    assert max(means) > 0.01
    assert "mean size of contributions (log_odds), a sample of 300 users" in outcome.page


def test_a_sample_has_the_same_users_in_every_month() -> None:
    users = [f"user-{number}" for number in range(100)]
    chosen = reasons.sampled(users, 10)
    assert reasons.sampled(users[::-1], 10) == chosen
    without_the_first = [user for user in users if user != chosen[0]]
    assert reasons.sampled(without_the_first, 10)[:9] == chosen[1:]


def test_artifacts_contain_counts_and_quality(run: Score) -> None:
    outcome = run()
    assert outcome.files == {
        "scores.parquet", "summary.json", "report.html", "call_list.csv", "profit.png",
        "distribution.png", "gain.png", "lift.png", "calibration.png",
    }  # fmt: skip
    facts = outcome.facts
    assert (facts["users"], facts["users_missing_features"], facts["labelled"]) == (300, 0, 300)
    assert list(outcome.scores) == ["user_id", "probability", "prediction", "trained_on"]
    assert len(outcome.scores) == 300
    assert outcome.metrics["AUC"] == facts["AUC"] > 0.5


def test_users_with_missing_features_are_left_out_and_counted(run: Score, january_kept: None) -> None:
    execute("DELETE FROM payments_agg_90d_snapshots WHERE user_id IN (SELECT min(user_id) FROM users)")
    outcome = run()
    assert (outcome.metrics["users"], outcome.metrics["users_missing_features"]) == (299, 1)


def test_without_labels_there_are_no_curves(run: Score, january_kept: None) -> None:
    execute("DELETE FROM labels")
    outcome = run()
    assert "gain.png" not in outcome.files
    assert "AUC" not in outcome.metrics
    assert outcome.facts["no_quality"] == "no label of 2024-01-31 is loaded for these users"


@pytest.fixture
def january_kept(registered: dict[str, str]) -> Iterator[None]:
    """Restores January after the test."""
    execute("CREATE TABLE kept_p AS TABLE payments_agg_90d_snapshots; CREATE TABLE kept_l AS TABLE labels")
    yield
    execute("TRUNCATE payments_agg_90d_snapshots, labels; INSERT INTO payments_agg_90d_snapshots TABLE kept_p")
    execute("INSERT INTO labels TABLE kept_l; DROP TABLE kept_p, kept_l")


@needs_spark
def test_spark_gives_the_same_probabilities(
    run: Score, registered: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    local = fetch(STORED, (registered["hist_gradient_boosting"],))
    monkeypatch.setenv("STREAMFLOW_SPARK_MASTER", "local[1]")
    run(engine="spark")
    spark = fetch(STORED, (registered["hist_gradient_boosting"],))
    assert [row[0] for row in spark] == [row[0] for row in local]
    assert np.abs(np.array([row[1] for row in spark]) - [row[1] for row in local]).max() <= 1e-9


def test_an_unknown_month_or_version_is_an_error(run: Score) -> None:
    with pytest.raises(NoSnapshot):
        run(as_of="2023-01-31")
    with pytest.raises(NoSuchVersion, match="has no version 999"):
        run(version="999")


def test_gain_and_lift_agree_with_their_definitions() -> None:
    probability = np.linspace(1, 0, 200)
    left = np.array([True] * 20 + [False] * 180)
    assert quality.gain(probability, left)[[4, 9, 99]] == pytest.approx([0.5, 1, 1])
    assert quality.lift(probability, left)[[4, 9, 99]] == pytest.approx([10, 10, 1])


def test_labels_of_users_without_a_score_are_ignored() -> None:
    users, nobody = pa.chunked_array([["ann", "bob"]]), np.array([False, False])
    scored = MonthScores(users, np.array([0.2, 0.9]), np.array([False, True]), nobody, LeftOut())
    labels = pa.table({"user_id": ["zoe", "bob"], "churn_label": [False, True]})
    probability, left = known_labels.never_trained_on(scored, labels)
    assert (list(probability), list(left)) == ([0.9], [True])


def test_values_of_an_earlier_day_do_not_stand_in_for_missing_ones(run: Score, sample_months: Path) -> None:
    """Two months half a month apart; the second without the usage of some users."""
    later = "2024-02-15"
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_001"), "as_of": later}))
    try:
        execute(
            f"DELETE FROM usage_agg_30d_snapshots WHERE as_of = '{later}' AND user_id IN "  # noqa: S608
            f"(SELECT user_id FROM usage_agg_30d_snapshots WHERE as_of = '{later}' ORDER BY user_id LIMIT 20)"
        )
        outcome = run(as_of=later)
        users = fetch("SELECT count(*) FROM subscriptions_profile_snapshots WHERE as_of = %s", (later,))[0][0]
        assert outcome.metrics["users_missing_features"] == 20
        assert outcome.metrics["users"] == users - 20
    finally:
        load_january(sample_months)


def test_a_month_that_is_not_loaded_is_refused_before_scoring(run: Score) -> None:
    with pytest.raises(NoSnapshot, match=r"No snapshot for 2024-01-30\. Loaded are: 2024-01-31"):
        run(as_of="2024-01-30")
