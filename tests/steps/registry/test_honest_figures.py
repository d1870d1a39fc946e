"""Quality figures cover users that the version was never trained on; compared with calculations from the files."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from sklearn.metrics import brier_score_loss, roc_auc_score

from steps import ingest, score
from steps.cli.errors import TooFewToLearn, TrackingUnavailable
from steps.cli.settings import MODEL_NAME
from steps.registry import versions
from steps.runs.entry_points import arguments
from steps.scoring import quality
from steps.scoring.report import Subject
from tests.conftest import FEBRUARY, JANUARY, free_port
from tests.steps.states.database import execute, fetch
from tests.steps.states.lookalikes import lookalike
from tests.steps.states.scores import Outcome, forget_versions, load_january, register
from tests.tracking_store import tracking_store_at

FOREST, OLD, LOST, UNTAGGED = "forest", "old", "lost", "untagged"


@pytest.fixture(scope="module")
def registered(trainings: dict[str, str], sample_months: Path) -> dict[str, str]:
    """forest: split by user. old: without the split parameter, which means random. lost: its dataset is missing.
    untagged: as registered in the UI."""
    load_january(sample_months)
    forget_versions()
    forest = trainings["random_forest"]
    return {
        FOREST: register(forest, feature_service="churn_v1"),
        OLD: register(lookalike(forest, params=False), feature_service="churn_v1"),
        LOST: register(lookalike(forest, tags={"dataset_run_id": "f" * 32}), feature_service="churn_v1"),
        UNTAGGED: register(forest),
    }


@pytest.fixture
def run(registered: dict[str, str], tracking: str) -> Callable[..., Outcome]:
    def step(kind: str = FOREST, **values: str) -> Outcome:
        score.main(arguments("score", {"as_of": str(JANUARY), "version": registered[kind], **values}))
        return Outcome(tracking)

    return step


@pytest.fixture
def january_kept(registered: dict[str, str]) -> Iterator[None]:
    """Restores January after the test."""
    execute("CREATE TABLE kept_p AS TABLE subscriptions_profile_snapshots; CREATE TABLE kept_l AS TABLE labels")
    yield
    execute("TRUNCATE subscriptions_profile_snapshots, labels; INSERT INTO labels TABLE kept_l")
    execute("INSERT INTO subscriptions_profile_snapshots TABLE kept_p; DROP TABLE kept_p, kept_l")


Run = Callable[..., Outcome]


def labels_of(folder: Path) -> "pd.Series[bool]":
    return pd.read_csv(folder / "labels.csv").set_index("user_id")["churn_label"]


def validating(labels: "pd.Series[bool]") -> set[str]:
    """The quarter of each class with the smallest sha256 of seed and id, as SPEC says; sizes are whole here."""
    chosen: set[str] = set()
    for _, users in labels.groupby(labels):
        by_hash = sorted(users.index, key=lambda user: hashlib.sha256(f"42{user}".encode()).hexdigest())
        chosen |= set(by_hash[: round(len(by_hash) / 4)])
    return chosen


def joined(outcome: Outcome, labels: "pd.Series[bool]", users: set[str]) -> tuple[np.ndarray, np.ndarray]:
    scores = outcome.scores.set_index("user_id")["probability"]
    chosen = sorted(users & set(scores.index) & set(labels.index))
    return labels.loc[chosen].to_numpy(), scores.loc[chosen].to_numpy()


def test_every_figure_covers_the_held_out_users(run: Run, sample_months: Path) -> None:
    outcome, labels = run(), labels_of(sample_months / "month_000")
    truth, probability = joined(outcome, labels, validating(labels))
    metrics = outcome.metrics
    assert (metrics["users_measured"], metrics["left_of_measured"]) == (len(truth), truth.sum()) == (75, truth.sum())
    assert metrics["AUC"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert metrics["Brier"] == pytest.approx(brier_score_loss(truth, probability), abs=1e-12)
    in_sample = roc_auc_score(*joined(outcome, labels, set(labels.index)))
    assert in_sample - metrics["AUC"] > 0.05
    for name in ("AUC", "Brier", "lift_at_10_percent"):
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]


def test_a_later_month_is_measured_on_users_outside_the_training(
    run: Run, sample_months: Path, tracking: str, registered: dict[str, str]
) -> None:
    january, february = (labels_of(sample_months / month) for month in ("month_000", "month_001"))
    trained_on = set(january.index) - validating(january)
    ingest.main(arguments("ingest", {"month_dir": str(sample_months / "month_001"), "as_of": str(FEBRUARY)}))
    try:
        outcome = run(as_of=str(FEBRUARY))
    finally:
        load_january(sample_months)
    truth, probability = joined(outcome, february, set(february.index) - trained_on)
    assert outcome.metrics["AUC"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert outcome.metrics["users_trained_on"] == len(trained_on & set(february.index))


def test_titles_and_the_closing_line_name_the_users(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run()
    closing = capsys.readouterr().out.splitlines()[-1]
    assert re.search(r"AUC 0\.\d{4} \(95% interval 0\.\d{4} to [01]\.\d{4}\) on the 75 users never trained on", closing)
    assert outcome.tags["measured_on"] == "75 users never trained on"
    for name in ("Gain", "Lift", "Calibration"):
        assert f"{name}: {JANUARY}, version 1, 75 users never trained on" in outcome.page
    assert f"{JANUARY}, version 1, all 300 users (225 trained on)" in outcome.page


def test_the_page_is_self_contained(run: Run) -> None:
    page = run().page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 5
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "<script" not in page


def test_the_list_marks_training_users(run: Run, sample_months: Path) -> None:
    outcome, labels = run(top="40"), labels_of(sample_months / "month_000")
    trained_on = set(labels.index) - validating(labels)
    listed = pd.read_csv(outcome.folder / "call_list.csv")
    assert list(listed["trained_on"]) == [user in trained_on for user in listed["user_id"]]
    assert outcome.metrics["listed_trained_on"] == listed["trained_on"].sum()
    assert set(outcome.scores.query("trained_on")["user_id"]) == trained_on


def test_a_training_without_the_split_parameter_is_split_at_random(run: Run, registered: dict[str, str]) -> None:
    by_user, at_random = (run(kind).scores.query("trained_on") for kind in (FOREST, OLD))
    assert len(by_user) == len(at_random) == 225
    assert set(by_user["user_id"]) != set(at_random["user_id"])


def test_without_known_training_users_there_is_no_figure(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run(LOST)
    closing = capsys.readouterr().out.splitlines()[-1]
    assert f"No quality figures: the training users of version 3 are unknown: the dataset of run {'f' * 32}" in closing
    assert not {"AUC", "Brier", "lift_at_10_percent", "listed_trained_on"} & set(outcome.metrics)
    assert {"gain.png", "lift.png", "calibration.png"} & outcome.files == set()
    assert outcome.scores["trained_on"].isna().all()
    assert outcome.metrics["users"] == 300


def test_too_few_labelled_users_give_no_figure(
    run: Run, sample_months: Path, january_kept: None, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = labels_of(sample_months / "month_000")
    kept = sorted(validating(labels))[:49]
    execute(f"DELETE FROM labels WHERE user_id IN {tuple(set(validating(labels)) - set(kept))}")  # noqa: S608
    outcome = run()
    closing = capsys.readouterr().out.splitlines()[-1]
    assert (
        f"49 labelled users were never trained on, {labels.loc[kept].sum()} of them left; at least 50 are needed"
        in closing
    )
    assert "AUC" not in outcome.metrics


def test_labels_of_enough_users_give_figures(run: Run, sample_months: Path, january_kept: None) -> None:
    labels = labels_of(sample_months / "month_000")
    removed = [user for user in validating(labels) if not labels[user]][:10]
    execute(f"DELETE FROM labels WHERE user_id IN {tuple(removed)}")  # noqa: S608
    outcome = run()
    truth, probability = joined(outcome, labels, validating(labels) - set(removed))
    assert (outcome.metrics["labelled"], outcome.metrics["users_measured"]) == (290, 65)
    assert outcome.metrics["AUC"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)


def test_a_version_without_tags_gives_the_same_figures(run: Run) -> None:
    tagged, untagged = run(), run(UNTAGGED)
    assert untagged.metrics == tagged.metrics


def test_users_with_an_unknown_category_are_left_out_and_counted(
    run: Run, january_kept: None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run().scores.set_index("user_id")["probability"]
    moved = [row[0] for row in fetch("SELECT user_id FROM users ORDER BY user_id LIMIT 9")]
    where = "UPDATE subscriptions_profile_snapshots SET net_service = 'Satellite' WHERE user_id IN "
    execute(f"{where} {tuple(moved[:7])}")
    execute(f"{where.replace('Satellite', 'Balloon')} {tuple(moved[7:])}")
    outcome = run()
    assert outcome.facts["unknown_categories"] == {"net_service": {"Satellite": 7, "Balloon": 2}}
    assert (outcome.metrics["users"], outcome.metrics["users_unknown_category"]) == (291, 9)
    closing = capsys.readouterr().out.splitlines()[-1]
    assert (
        "9 with a category that the version was not trained on: net_service='Satellite' 7, net_service='Balloon' 2 "
        "left out" in closing
    )
    assert "net_service=&#x27;Satellite&#x27; 7" in outcome.page
    after = outcome.scores.set_index("user_id")["probability"]
    pd.testing.assert_series_equal(after, before.drop(moved))


def test_when_no_user_can_be_scored_the_earlier_scores_stay(
    run: Run, january_kept: None, registered: dict[str, str]
) -> None:
    run()
    execute("UPDATE subscriptions_profile_snapshots SET net_service = 'Satellite'")
    with pytest.raises(TooFewToLearn, match="0 have missing features, 300 a category that it was not trained on"):
        run()
    count = "SELECT count(*) FROM churn_scores WHERE model_version = %s"
    assert fetch(count, (registered[FOREST],)) == [(300,)]


def test_a_failed_look_up_is_no_missing_training(registered: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    version = MlflowClient().get_model_version(MODEL_NAME, registered[FOREST])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    unreachable = f"http://127.0.0.1:{free_port()}"
    with tracking_store_at(unreachable), pytest.raises(TrackingUnavailable, match="does not answer"):
        versions.training_of(version)


def test_an_interval_agrees_with_another_bootstrap() -> None:
    """A stratified bootstrap with scikit-learn and another random generator, within its random error."""
    chance = np.random.default_rng(1)
    truth = chance.random(400) < 0.3
    probability = np.clip(np.round(0.2 * truth + 0.8 * chance.random(400), 2), 0, 1)
    measured = quality.measure(probability, truth)
    classes, drawn = [np.flatnonzero(truth), np.flatnonzero(~truth)], []
    for _ in range(600):
        rows = np.concatenate([chance.choice(positions, len(positions)) for positions in classes])
        drawn.append((roc_auc_score(truth[rows], probability[rows]), brier_score_loss(truth[rows], probability[rows])))
    assert measured is not None
    lows, highs = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert [measured.auc.low, measured.brier.low] == pytest.approx(list(lows), abs=0.006)
    assert [measured.auc.high, measured.brier.high] == pytest.approx(list(highs), abs=0.006)


@pytest.mark.parametrize(("users", "left"), [(49, 20), (100, 9), (100, 91)])
def test_too_few_users_or_too_few_of_a_class_are_not_measured(users: int, left: int) -> None:
    truth = np.arange(users) < left
    assert quality.measure(np.linspace(1, 0, users), truth) is None


@pytest.mark.parametrize(
    ("calibration", "number"), [("sigmoid", "probability of leaving"), ("none", "score"), (None, "score")]
)
def test_a_number_without_calibration_is_called_a_score(calibration: str | None, number: str) -> None:
    assert Subject("2024-01-31", "1", "local", calibration, 0.5, "").number == number
