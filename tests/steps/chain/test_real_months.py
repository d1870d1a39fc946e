"""The real months: counts, figures, and a January that does not change when February is loaded."""

from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from sklearn.metrics import roc_auc_score

from local_stack.settings import ROOT, Settings
from reports.rapport.figures import REPRODUCIBLE, french, of_training
from reports.rapport.pictures import USER
from reports.rapport.template import TEMPLATE, stated
from steps import build_dataset, ingest, register, score, train
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from steps.training import evaluation, pipelines
from steps.training.split import folds, split
from tests.conftest import FEBRUARY, JANUARY, REAL_DATA, needs_real_data
from tests.steps.states.database import empty, last_run, rewrite_in_another_order
from tests.steps.states.scores import Outcome
from tests.steps.states.scores import register as make_version

pytestmark = needs_real_data


@dataclass(frozen=True)
class January:
    training: Run
    before: Run
    after: Run
    """The dataset's runs, before and after February was loaded."""

    def rows(self) -> pd.DataFrame:
        return pd.read_parquet(
            mlflow.artifacts.download_artifacts(run_id=self.after.info.run_id, artifact_path="dataset.parquet")
        )


@pytest.fixture(scope="module")
def january(server: Settings, tracking: str) -> January:
    """January loaded, built and trained on; then February loaded, all rows rewritten, and January built again."""
    empty()
    ingest.main(arguments("ingest", {"month_dir": str(REAL_DATA / "month_000"), "as_of": str(JANUARY)}))
    build = arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v1"})
    build_dataset.main(build)
    before = last_run("build_dataset", tracking)
    train.main(arguments("train", {"as_of": str(JANUARY)}))
    ingest.main(arguments("ingest", {"month_dir": str(REAL_DATA / "month_001"), "as_of": str(FEBRUARY)}))
    rewrite_in_another_order()
    build_dataset.main(build)
    return January(last_run("train", tracking), before, last_run("build_dataset", tracking))


def hyperparameters() -> pipelines.Hyperparameters:
    args: Any = train.parse_args(arguments("train", {"as_of": str(JANUARY)}))
    return pipelines.Hyperparameters(args.n_estimators, args.max_iter, args.max_leaf_nodes, args.learning_rate, args.C)


def test_all_7043_users_are_in_the_dataset(january: January) -> None:
    assert january.before.data.metrics == {
        "rows": 7043,
        "users_without_label": 0,
        "users_missing_features": 0,
    }
    assert january.training.data.metrics["rows_train"] == 5282
    assert len(split(january.rows(), "user").train) == 5282


def test_one_column_is_categorical_and_one_is_constant(january: January) -> None:
    facts = mlflow.artifacts.load_dict(f"runs:/{january.before.info.run_id}/dataset.json")
    assert facts["categorical_cols"] == ["net_service"]
    assert january.before.data.tags["constant_columns"] == "avg_session_mins_7d"
    assert (january.rows()["net_service"] == "No").sum() == 1526


def test_the_baseline_is_as_good_as_published(january: January) -> None:
    metrics = january.training.data.metrics
    assert metrics["AUC"] == pytest.approx(0.8254, abs=0.0005)  # published, at random: 0.8185
    assert 0.81 <= metrics["AUC_cv_mean"] <= 0.825
    assert 0 < metrics["AUC_cv_std"] < 0.03
    assert january.training.info.run_name == "rf_baseline_2024-01-31"


def test_the_dataset_is_the_same_after_february_is_loaded(january: January) -> None:
    assert january.after.info.run_id != january.before.info.run_id
    assert january.after.data.tags["dataset_sha256"] == january.before.data.tags["dataset_sha256"]


def test_the_baseline_is_the_same_after_february_is_loaded(january: January) -> None:
    rows = january.rows()
    features = [name for name in rows.columns if name not in ("user_id", "churn_label")]
    parts = split(rows, "user")
    unfitted = pipelines.pipeline(
        "random_forest", hyperparameters(), {"net_service": sorted(rows["net_service"].unique())}
    )
    probability = pipelines.churn_probability(
        pipelines.fit(unfitted, parts.train, features), parts.validation, features
    )
    scores = evaluation.scores(parts.validation["churn_label"].to_numpy(), probability, 0.5)
    assert scores == {name: january.training.data.metrics[f"{name}_uncalibrated"] for name in scores}


def mean_of_folds(rows: pd.DataFrame, *categorical: str) -> float:
    """AUC of gradient boosting."""
    features = [name for name in rows.columns if name not in ("user_id", "churn_label")]
    categories = {name: sorted(rows[name].unique()) for name in categorical}
    unfitted = pipelines.pipeline("hist_gradient_boosting", hyperparameters(), categories)
    aucs = pipelines.cross_validate(unfitted, rows, features, folds(rows, "user"))
    return sum(aucs) / len(aucs)


@pytest.fixture(scope="module")
def reported() -> dict[str, str]:
    """The figures that the committed report states."""
    return stated(TEMPLATE.read_text(), (ROOT / "reports" / "rapport_tp4.md").read_text())


def test_the_report_states_the_figures_of_a_fresh_run(january: January, reported: dict[str, str]) -> None:
    facts = mlflow.artifacts.load_dict(f"runs:/{january.after.info.run_id}/dataset.json")
    facts["constant"] = january.after.data.tags["constant_columns"]
    training = {"metrics": january.training.data.metrics, "tags": january.training.data.tags}
    fresh = {name: value for name, value in of_training(training, facts).items() if name in REPRODUCIBLE}
    assert {"rows", "features", "auc", "f1", "acc", "sha256"} <= set(fresh)
    assert {name: reported[name] for name in fresh} == fresh


def test_the_report_states_the_prediction_of_a_fresh_run(january: January, reported: dict[str, str]) -> None:
    served = mlflow.pyfunc.load_model(f"runs:/{january.training.info.run_id}/model")
    rows = january.rows()
    user = rows[rows["user_id"] == USER].drop(columns=["user_id", "churn_label"])
    [answer] = served.predict(user).to_dict("records")
    assert reported["prediction"] == str(answer["prediction"])
    assert reported["probability"] == french(answer["probability"])


def test_gradient_boosting_is_better(january: January) -> None:
    assert mean_of_folds(january.rows(), "net_service") >= 0.825


def test_the_contract_makes_gradient_boosting_better_still(
    january: January, tracking: str, reported: dict[str, str]
) -> None:
    build_dataset.main(arguments("build_dataset", {"as_of": str(JANUARY), "feature_service": "churn_v2"}))
    run_id = last_run("build_dataset", tracking).info.run_id
    path = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="dataset.parquet")
    rows = pd.read_parquet(path)
    assert mean_of_folds(rows, "net_service", "contract_type") >= 0.836
    features = [name for name in rows.columns if name not in ("user_id", "churn_label")]
    categories = {name: sorted(rows[name].unique()) for name in ("net_service", "contract_type")}
    unfitted = pipelines.pipeline("hist_gradient_boosting", hyperparameters(), categories)
    parts = split(rows, "user")
    probability = pipelines.churn_probability(
        pipelines.fit(unfitted, parts.train, features), parts.validation, features
    )
    auc = evaluation.scores(parts.validation["churn_label"].to_numpy(), probability, 0.5)["AUC"]
    assert reported["auc_challenger"] == french(auc)


def test_the_baseline_on_the_real_january_is_as_good_as_on_users_it_never_saw(january: January, tracking: str) -> None:
    version = make_version(january.training.info.run_id, feature_service="churn_v1")
    score.main(arguments("score", {"as_of": str(JANUARY), "version": version}))
    outcome = Outcome(tracking)
    assert outcome.metrics["users_measured"] == 1761
    assert 0.81 <= outcome.metrics["AUC"] <= 0.83
    everybody = outcome.scores.merge(january.rows()[["user_id", "churn_label"]], on="user_id")
    assert len(everybody) == 7043
    assert roc_auc_score(everybody["churn_label"], everybody["probability"]) > 0.96


def test_a_model_of_februarys_random_labels_does_not_replace_januarys(
    january: January,
    empty_registry: None,
    tracking: str,
    reported: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    register.main(arguments("register", {"run_id": january.training.info.run_id}))
    build_dataset.main(arguments("build_dataset", {"as_of": str(FEBRUARY), "feature_service": "churn_v1"}))
    train.main(arguments("train", {"as_of": str(FEBRUARY)}))
    register.main(arguments("register", {"as_of": str(FEBRUARY)}))
    first, second = (MlflowClient().get_model_version(MODEL_NAME, number) for number in ("1", "2"))
    assert (first.current_stage, first.tags["gate"]) == ("Production", "passed")
    assert (second.current_stage, second.tags["gate"]) == ("None", "refused")
    assert 0.60 < float(second.tags["gate_auc_candidate"]) < 0.68
    assert float(second.tags["gate_rows_compared"]) == 1751  # of 1761; the rest are training users of January's
    assert reported["auc_february"] == french(float(second.tags["gate_auc_own_validation"]))
    assert "is below min_auc 0.7" in second.tags["gate_reason"]
    assert last_run("register", tracking).info.status == "FINISHED"
    assert f"[REFUSED] {MODEL_NAME} version 2" in capsys.readouterr().out
