"""The rows of a comparison: users that neither version was trained on, of the months since, pairs within a month; and
figures that equal an independent calculation's."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from sklearn.metrics import roc_auc_score

from steps import build_dataset, ingest, register
from steps.cli.settings import MODEL_NAME
from steps.registry import loaded_version
from steps.registry.examination import comparison, interval
from steps.registry.examination.interval import Rows
from steps.runs.entry_points import arguments
from steps.training.split import split
from tests.steps.states.database import empty, execute, last_run
from tests.steps.states.trainings import pipeline, rows, train_quickly

MONTHS = (date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31))
SMALL = {"min_auc": "0.1", "min_users": "20"}
ANY_INTERVAL = {"rule": "not_worse", "margin": "1"}


def two_months(seed: int = 3) -> Rows:
    """40 users in the newer month, 30 of them and 10 more in the older one; some change their class."""
    chance = np.random.default_rng(seed)
    users = np.concatenate([np.arange(40), np.arange(10, 50)])
    truth = chance.random(80) < 0.4
    months = np.repeat([0, 1], 40)
    return Rows(truth, truth + chance.normal(0, 1, 80), truth + chance.normal(0, 2, 80) + 5 * months, users, months)


def test_pairs_are_made_within_a_month_and_added_up() -> None:
    sample = two_months()
    for scores in (sample.candidate, sample.production):
        right = pairs = 0.0
        for month in (0, 1):
            leaving = scores[sample.truth & (sample.months == month)]
            staying = scores[~sample.truth & (sample.months == month)]
            right += sum(float(a > b) + 0.5 * float(a == b) for a in leaving for b in staying)
            pairs += len(leaving) * len(staying)
        assert interval.auc_within_months(sample, scores) == pytest.approx(right / pairs, abs=1e-12)


def test_one_month_is_the_ordinary_auc_to_the_last_bit() -> None:
    sample = two_months()
    month = sample.months == 0
    rows = Rows.of_one_month(sample.truth[month], sample.candidate[month], sample.production[month])
    assert interval.auc_within_months(rows, rows.candidate) == roc_auc_score(rows.truth, rows.candidate)


def test_a_draw_takes_users_with_all_their_rows_by_the_class_of_their_newest_row() -> None:
    sample, chance, gains = two_months(), np.random.default_rng(5), []
    newest = {user: bool(sample.truth[sample.users == user][0]) for user in range(50)}  # the newer month comes first
    classes = [[user for user, leaves in newest.items() if leaves == label] for label in (True, False)]
    for _ in range(1500):
        drawn = np.concatenate([chance.choice(users, len(users)) for users in classes])
        weights = np.bincount(drawn, minlength=50)[sample.users]
        gains.append(weighted(sample, sample.candidate, weights) - weighted(sample, sample.production, weights))
    assert interval.gain_interval(sample) == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.03)


def weighted(
    sample: Rows, scores: "interval.Probabilities", weights: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> float:
    right = pairs = 0.0
    for month in (0, 1):
        leaving = np.flatnonzero(sample.truth & (sample.months == month))
        staying = np.flatnonzero(~sample.truth & (sample.months == month))
        both = np.outer(weights[leaving], weights[staying])
        right += float((both * (scores[leaving][:, None] > scores[staying][None, :])).sum())
        pairs += float(both.sum())
    return right / pairs


def test_several_rows_of_a_user_are_no_more_evidence_than_one() -> None:
    """The same rows in three months give the interval of one month; new users would make it narrower."""
    chance = np.random.default_rng(9)
    truth = chance.random(200) < 0.3
    scores = [truth + chance.normal(0, spread, 200) for spread in (1, 2)]
    once = Rows.of_one_month(truth, *scores)
    better, worse = (np.tile(probability, 3) for probability in scores)
    thrice = Rows(np.tile(truth, 3), better, worse, users=np.tile(np.arange(200), 3), months=np.repeat([0, 1, 2], 200))
    assert interval.gain_interval(thrice) == pytest.approx(interval.gain_interval(once), abs=1e-12)


@pytest.fixture(scope="module")
def runs(tracking: str, sample_months: Path) -> dict[str, str]:
    """Trainings of three months of 300 made-up users, by the month's number and their split rule."""
    empty()
    for number, as_of in enumerate(MONTHS):
        ingest.main(arguments("ingest", {"month_dir": str(sample_months / f"month_{number:03d}"), "as_of": str(as_of)}))
    made = {}
    for number, as_of in enumerate(MONTHS):
        build_dataset.main(arguments("build_dataset", {"as_of": str(as_of)}))
        if number != 1:
            for rule in ("user", "random"):
                month = {"as_of": str(as_of), "split": rule}
                made[f"{number} {rule}"] = train_quickly("hist_gradient_boosting", tracking, **month)
        else:
            made["1 built"] = last_run("build_dataset", tracking).info.run_id
    return made


Register = Callable[..., ModelVersion]


@pytest.fixture
def registered(runs: dict[str, str], empty_registry: None, tracking: str) -> Register:
    def run(name: str, **values: str) -> ModelVersion:
        register.main(arguments("register", {"run_id": runs[name], **SMALL, **ANY_INTERVAL, **values}))
        return MlflowClient().get_model_version(MODEL_NAME, last_run("register", tracking).data.tags["model_version"])

    return run


def dataset_of_march_and_february(runs: dict[str, str]) -> list[pd.DataFrame]:
    february = mlflow.artifacts.download_artifacts(run_id=runs["1 built"], artifact_path="dataset.parquet")
    return [rows(runs["2 user"]), pd.read_parquet(february)]


def expected(runs: dict[str, str], candidate: str, production: str, months: list[pd.DataFrame]) -> dict[str, float]:
    """An independent calculation on the validation users of these months that neither was trained on."""
    trained = {user for run in (candidate, production) for user in split(rows(runs[run]), "user").train["user_id"]}
    unseen = [
        held_out[~held_out["user_id"].isin(trained)] for held_out in (split(m, "user").validation for m in months)
    ]
    figures = {"rows_compared": float(sum(map(len, unseen))), "users_compared": pd.concat(unseen)["user_id"].nunique()}
    for name, run in (("auc_candidate", candidate), ("auc_production", production)):
        right = pairs = 0.0
        for month in unseen:
            features = month.drop(columns=["user_id", "churn_label"])
            scores, leaves = pipeline(runs[run]).predict_proba(features)[:, 1], month["churn_label"].to_numpy()
            count = leaves.sum() * (~leaves).sum()
            right, pairs = right + roc_auc_score(leaves, scores) * count, pairs + count
        figures[name] = right / pairs
    return figures


def test_the_months_since_are_pooled_and_every_figure_equals_an_independent_calculation(
    registered: Register, runs: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    registered("0 user")
    version = registered("2 user")
    figures = expected(runs, "2 user", "0 user", dataset_of_march_and_february(runs))
    assert {name: float(version.tags[f"gate_{name}"]) for name in figures} == pytest.approx(figures, abs=1e-12)
    assert (version.tags["gate_months"], float(version.tags["gate_months_compared"])) == ("2024-03-31, 2024-02-29", 2)
    compared = (
        f"the same {figures['rows_compared']:.0f} rows of {figures['users_compared']} users that neither was trained on"
    )
    assert f"{compared} (2024-03-31, 2024-02-29)" in capsys.readouterr().out


def test_no_older_month_is_used_if_the_newest_has_enough_users(
    registered: Register, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "POOL_USERS", 50)
    registered("0 user")
    version = registered("2 user")
    figures = expected(runs, "2 user", "0 user", dataset_of_march_and_february(runs)[:1])
    assert {name: float(version.tags[f"gate_{name}"]) for name in figures} == pytest.approx(figures, abs=1e-12)
    assert version.tags["gate_months"] == "2024-03-31"


@pytest.mark.parametrize(("candidate", "production"), [("2 random", "0 user"), ("2 user", "0 random")])
def test_with_a_random_split_one_month_is_compared_without_the_others_training_users(
    registered: Register, runs: dict[str, str], candidate: str, production: str
) -> None:
    registered(production)
    version = registered(candidate)
    held_out, trained = (
        split(rows(runs[name]), "random" if "random" in name else "user") for name in (candidate, production)
    )
    trained_on = held_out.validation["user_id"].isin(trained.train["user_id"])
    assert trained_on.sum() > 30
    assert version.tags["gate_months"] == "2024-03-31"
    assert float(version.tags["gate_rows_compared"]) == (~trained_on).sum()
    assert float(version.tags["gate_left_out_trained_on_by_production"]) == trained_on.sum()


def test_too_few_users_are_no_comparison(registered: Register) -> None:
    registered("0 user")
    version = registered("2 user", min_users="500")
    assert version.tags["gate"] == "refused"
    assert "too few users are unseen by both versions: " in version.tags["gate_reason"]
    assert "min_users 500 requires 500 users and 50 of each class" in version.tags["gate_reason"]
    assert registered("2 user", min_users="500", force="true").tags["gate"] == "forced"


def test_a_training_on_an_older_month_requires_a_parameter(registered: Register) -> None:
    registered("2 user")
    refused = registered("0 user")
    assert (refused.tags["gate"], refused.current_stage) == ("refused", "None")
    assert refused.tags["gate_reason"] == (
        "its month 2024-01-31 is older than 2024-03-31 of version 1 in Production. To allow it: -P allow_older=true"
    )
    assert refused.tags["gate_months"] == "2024-03-31, 2024-02-29"  # both are after the older training
    assert registered("0 user", allow_older="true").current_stage == "Production"


def test_unknown_training_users_prevent_a_comparison(registered: Register, runs: dict[str, str]) -> None:
    registered("0 user")
    dataset_run = mlflow.get_run(runs["0 user"]).data.tags["dataset_run_id"]
    path = Path(mlflow.get_run(dataset_run).info.artifact_uri.removeprefix("file://")) / "dataset.parquet"
    whole = path.read_bytes()
    path.unlink()
    try:
        version = registered("2 user")
    finally:
        path.write_bytes(whole)
    assert version.tags["gate"] == "refused"
    assert "no comparison with Production: the training users of version 1 are unknown: " in version.tags["gate_reason"]


@pytest.fixture
def satellite(runs: dict[str, str], tracking: str) -> dict[str, object]:
    """A training of March in which some users have a net_service that January has not; March is restored afterwards."""
    users = rows(runs["2 user"])["user_id"].iloc[::10].tolist()
    chosen = ", ".join(f"'{user}'" for user in users)
    table = "subscriptions_profile_snapshots WHERE as_of = '2024-03-31Z' AND user_id"
    execute(f"CREATE TABLE kept AS SELECT user_id, net_service FROM {table} IN ({chosen})")  # noqa: S608
    execute(
        "UPDATE subscriptions_profile_snapshots SET net_service = 'Satellite' "  # noqa: S608
        f"WHERE as_of = '2024-03-31Z' AND user_id IN ({chosen})"
    )
    try:
        build_dataset.main(arguments("build_dataset", {"as_of": str(MONTHS[2])}))
        run_id = train_quickly("hist_gradient_boosting", tracking, as_of=str(MONTHS[2]))
    finally:
        execute(
            "UPDATE subscriptions_profile_snapshots AS now SET net_service = kept.net_service FROM kept "
            "WHERE as_of = '2024-03-31Z' AND now.user_id = kept.user_id; DROP TABLE kept"
        )
    return {"run_id": run_id, "users": set(users)}


def test_rows_with_a_category_unknown_to_production_are_left_out_and_counted(
    registered: Register, runs: dict[str, str], satellite: dict[str, object]
) -> None:
    registered("0 user")
    runs["satellite"] = str(satellite["run_id"])
    version = registered("satellite", min_users="10")
    trained = {user for name in ("satellite", "0 user") for user in split(rows(runs[name]), "user").train["user_id"]}
    held_out = split(rows(runs["satellite"]), "user").validation
    unseen = held_out[~held_out["user_id"].isin(trained)]
    unknown = int(unseen["user_id"].isin(satellite["users"]).sum())  # type: ignore[arg-type]
    assert unknown > 0
    assert float(version.tags["gate_left_out_category_unknown_to_production"]) == unknown
    assert float(version.tags["gate_left_out_category_unknown_to_candidate"]) == 0
    assert "gate_auc_gain" in version.tags


def test_rows_with_an_unknown_category_are_marked(registered: Register, runs: dict[str, str]) -> None:
    registered("0 user")
    loaded = loaded_version.load("1")
    some = rows(runs["0 user"]).head(3).assign(net_service=["DSL", "Satellite", "No"])
    assert loaded.unknown_categories(some).tolist() == [False, True, False]
