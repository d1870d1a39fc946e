"""The gate's check that reasons add up: on every validation row, and on evenly spaced ones of many for a forest."""

from dataclasses import replace

import mlflow
import pandas as pd
import pytest

from steps.registry import explained
from steps.registry.explained import Explained
from steps.registry.loaded_version import LoadedVersion
from tests.steps.states.trainings import MODELS, model_id, pipeline, rows


def version_of(run_id: str) -> LoadedVersion:
    served = mlflow.pyfunc.load_model(f"models:/{model_id(run_id)}")
    return LoadedVersion("1", {}, served, pipeline(run_id), None)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """300 rows are many then. The numbers of rows of each explanation; the last row's does not add up."""
    explain, explained_rows = explained.explain, []

    def all_but_the_last(loaded: LoadedVersion, chunk: pd.DataFrame) -> Explained | None:
        explanation = explain(loaded, chunk)
        assert explanation is not None
        explained_rows.append(len(chunk))
        contributions = explanation.contributions.copy()
        contributions[chunk.index == 299] += 1e-6
        return replace(explanation, contributions=contributions)

    monkeypatch.setattr(explained, "explain", all_but_the_last)
    monkeypatch.setattr(explained, "ROWS_AT_ONCE", 90)
    monkeypatch.setattr(explained, "MOST_ROWS_OF_A_FOREST", 200)
    return explained_rows


@pytest.mark.parametrize("model", MODELS)
def test_a_wrong_reason_of_the_last_row_is_an_issue(
    model: str, trainings: dict[str, str], small_chunks: list[int]
) -> None:
    features = rows(trainings[model]).drop(columns=["user_id", "churn_label"])
    assert len(features) == 300
    [issue] = explained.issues(version_of(trainings[model]), features)
    checked = 200 if model == "random_forest" else 300
    assert issue.startswith(
        f"the reasons do not add up to the score on 1 of {checked} validation rows; the first add up"
    )
    assert sum(small_chunks) == 1 + checked
    assert max(small_chunks) == 90


@pytest.mark.parametrize("model", MODELS)
def test_right_reasons_are_no_issue(model: str, trainings: dict[str, str]) -> None:
    features = rows(trainings[model]).drop(columns=["user_id", "churn_label"])
    assert explained.issues(version_of(trainings[model]), features) == []
