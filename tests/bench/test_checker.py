"""No wrong answer passes: each is compared bit for bit with the offline result of the version that it names."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.checker import Checker, Offline
from bench.load.recording import Recorder, Recording
from steps.training import pipelines

FEATURES = {"months": "int64", "fee": "float64", "net_service": "object"}
USERS = ["anna", "ben", "carl", "dora"]
FEW = pipelines.Hyperparameters(n_estimators=5, max_iter=5, max_leaf_nodes=8, learning_rate=0.1, C=1.0)


def offline(version: str, model: str = "random_forest") -> Offline:
    """A different model for each version."""
    random = np.random.default_rng(int(version))
    rows = pd.DataFrame(
        {
            "months": random.integers(0, 72, 100),
            "fee": random.uniform(18, 119, 100),
            "net_service": random.choice(["DSL", "No"], 100),
        }
    ).assign(churn_label=random.random(100) < 0.5)
    unfitted = pipelines.pipeline(model, FEW, {"net_service": ["DSL", "No"]})
    return Offline(pipelines.fit(unfitted, rows, list(FEATURES)), FEATURES, f"run-{version}", "churn_v1", 0.5)


VERSIONS = {version: offline(version) for version in ("1", "2")}


def right_answer(user: int, version: str) -> dict[str, Any]:
    features = {"months": 12 * user, "fee": 20.1 + user, "net_service": "No" if user % 2 else "DSL"}
    [prediction], [probability] = VERSIONS[version].answers([features])
    return {
        "user_id": USERS[user],
        "prediction": int(prediction),
        "probability": float(probability),
        "features_used": features,
        "feature_service": "churn_v1",
        "model": {"name": "streamflow_churn", "version": version, "run_id": f"run-{version}"},
    }


def recorded(change: Callable[[dict[str, Any]], None] = lambda _answer: None) -> Recording:
    """Every user by both versions, twice, and one error. `change` is applied to ben's answer by version 2."""
    recorder = Recorder()
    for version in ("1", "2") * 2:
        for user in range(len(USERS)):
            answer = right_answer(user, version)
            if (user, version) == (1, "2"):
                change(answer)
            recorder.add(user, 0.0, 0.0, 0.1, (200, json.dumps(answer).encode(), None))
    recorder.add(0, 0.0, 0.0, 0.1, (503, b'{"code": "store_unavailable"}', 1.0))
    return recorder.recording(1.0)


def test_right_answers_pass_and_all_are_counted() -> None:
    result = Checker(VERSIONS.__getitem__).check(recorded(), USERS)
    assert result.wrong == []
    assert (result.checked, result.distinct, result.versions) == (16, 8, ["1", "2"])


def test_a_linear_versions_answers_are_checked_as_those_of_single_rows() -> None:
    linear, random = offline("1", "logistic_regression"), np.random.default_rng(0)
    features = [{"months": nth, "fee": random.uniform(18, 119), "net_service": "No"} for nth in range(60)]
    alone = [linear.answers([row])[1][0] for row in features]
    assert linear.answers(features)[1].tolist() == alone


def last_bit(answer: dict[str, Any]) -> None:
    answer["probability"] = float(np.nextafter(answer["probability"], 2))


def other_class(answer: dict[str, Any]) -> None:
    answer["prediction"] = 1 - answer["prediction"]


def other_version(answer: dict[str, Any]) -> None:
    answer["model"]["version"] = "1"
    answer["model"]["run_id"] = "run-1"
    answer["probability"] = 0.987


def other_run(answer: dict[str, Any]) -> None:
    answer["model"]["run_id"] = "run-1"


def other_list(answer: dict[str, Any]) -> None:
    answer["feature_service"] = "churn_v2"


def missing_feature(answer: dict[str, Any]) -> None:
    del answer["features_used"]["fee"]


def other_user(answer: dict[str, Any]) -> None:
    answer["user_id"] = "carl"


@pytest.mark.parametrize(
    "change", [last_bit, other_class, other_version, other_run, other_list, missing_feature, other_user]
)
def test_one_wrong_answer_among_right_ones_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    result = Checker(VERSIONS.__getitem__).check(recorded(change), USERS)
    assert len(result.wrong) == 1
    assert "ben" in result.wrong[0]


def test_a_recording_without_answers_has_no_right_one() -> None:
    result = Checker(VERSIONS.__getitem__).check(Recorder().recording(0.0), USERS)
    assert (result.checked, result.versions) == (0, [])


def test_the_class_is_decided_by_the_versions_own_threshold() -> None:
    version = VERSIONS["1"]
    rows = [{"months": months, "fee": 40.0, "net_service": "DSL"} for months in range(72)]
    prediction, probability = dataclasses.replace(version, threshold=0.7).answers(rows)
    assert prediction.tolist() == (probability > 0.7).tolist()
    assert prediction.tolist() != version.answers(rows)[0].tolist()
