"""What answers /invocations: the pipeline's own numbers, and who gave them."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from steps import register
from steps.entry_points import arguments
from steps.settings import MODEL_NAME

from .database import last_run
from .trainings import MODELS, model_id, pipeline, rows

ANSWER = ["prediction", "probability", "model_name", "model_version", "run_id", "feature_service"]


def loaded(run_id: str) -> Any:
    return mlflow.pyfunc.load_model(f"models:/{model_id(run_id)}")


@pytest.mark.parametrize("model", MODELS)
def test_answers_equal_the_pipelines_bit_for_bit(model: str, trainings: dict[str, str]) -> None:
    fitted, everybody = pipeline(trainings[model]), rows(trainings[model])
    features = everybody.drop(columns=["user_id", "churn_label"])
    answers = loaded(trainings[model]).predict(features)
    assert len(answers) == len(features) == 300
    assert answers["probability"].to_numpy().tobytes() == fitted.predict_proba(features)[:, 1].tobytes()
    assert answers["prediction"].tolist() == fitted.predict(features).tolist()


def test_one_row_at_a_time_gives_the_same_as_all_at_once(trainings: dict[str, str]) -> None:
    model = loaded(trainings["random_forest"])
    features = rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"]).head(20)
    together = model.predict(features)["probability"].tolist()
    assert [model.predict(features.iloc[[place]])["probability"][0] for place in range(20)] == together


def test_the_answers_records_are_those_that_pandas_would_make(trainings: dict[str, str]) -> None:
    model = loaded(trainings["random_forest"])
    answers = model.predict(rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"]))
    assert answers.to_dict(orient="records") == pd.DataFrame(answers).to_dict(orient="records")
    assert answers.to_dict() == pd.DataFrame(answers).to_dict()


def test_the_order_of_the_columns_does_not_matter(trainings: dict[str, str]) -> None:
    model = loaded(trainings["random_forest"])
    features = rows(trainings["random_forest"]).drop(columns=["user_id", "churn_label"])
    turned = features[sorted(features.columns, reverse=True)]
    assert model.predict(turned).equals(model.predict(features))


def test_a_runs_own_model_has_no_version(trainings: dict[str, str]) -> None:
    run_id = trainings["random_forest"]
    answers = mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(one_row(run_id))
    assert list(answers.columns) == ANSWER
    assert answers[ANSWER[2:]].to_numpy().tolist() == [[None, None, run_id, "churn_v1"]]


def test_a_registered_model_says_its_version(trainings: dict[str, str], tracking: str) -> None:
    for model in ("logistic_regression", "random_forest"):
        run_id = trainings[model]
        register.main(arguments("register", {"run_id": run_id, "force": "true"}))
        version = last_run("register", tracking).data.tags["model_version"]
        answers = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/Production").predict(one_row(run_id))
        assert answers[ANSWER[2:]].to_numpy().tolist() == [[MODEL_NAME, version, run_id, "churn_v1"]]


def one_row(run_id: str) -> pd.DataFrame:
    return rows(run_id).drop(columns=["user_id", "churn_label"]).head(1)


def test_the_model_imports_nothing_else_of_the_project() -> None:
    import steps.served_model  # noqa: PLC0415

    source = Path(steps.served_model.__file__).read_text()
    assert "from steps" not in source
    assert "import steps" not in source
