"""A category that the live version was not trained on: its users get an error, the others a prediction, in one call."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests
from flask.testing import FlaskClient

from feature_enricher.app import create_app
from feature_enricher.errors.requests import UnknownCategory
from feature_enricher.upstream.http_client import Upstream
from feature_enricher.upstream.model_server import ModelAnswer, ModelServerClient, NotTrainedOn
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from local_stack.settings import Settings
from rollout.settings import server_environment
from steps import train
from steps.cli.settings import LABEL
from steps.training import pipelines
from tests.conftest import free_port
from tests.gateway.fakes import COMPLETE, RUN_ID, FakeFeatures, FakeModel, FixedTarget, prediction
from tests.waiting import answers, wait_until

NAME = "marking_churn"
START_S = 120.0
SATELLITE = COMPLETE | {"net_service": "Satellite"}
TYPES = {"months_active": "Int64", "monthly_fee": "Float64", "net_service": "String"}
ROWS = pd.DataFrame({"months_active": range(40), "monthly_fee": [20.5 + n for n in range(40)]}).assign(
    net_service=["Fiber optic", "No"] * 20, **{LABEL: [n % 3 == 0 for n in range(40)]}
)
USERS: dict[str, dict[str, Any]] = {
    "new": SATELLITE,
    **{f"user {n}": COMPLETE | {"months_active": n} for n in range(30)},
}
EVERYBODY = list(USERS)
UNKNOWN = {
    "type": "urn:streamflow:error:unknown_category",
    "title": "The live version was not trained on a category of this user",
    "status": 422,
    "code": "unknown_category",
    "detail": "The live version was not trained on net_service = 'Satellite' of user_id=new",
    "error": "The live version was not trained on net_service = 'Satellite' of user_id=new",
    "remedy": UnknownCategory.remedy,
    "unknown_categories": {"net_service": "Satellite"},
}


class Marking(FakeModel):
    """Marks the rows of a new category, as the served model does."""

    calls = 0

    def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[ModelAnswer]:  # type: ignore[override]
        self.calls += 1
        marked = NotTrainedOn({"net_service": "Satellite"}, "streamflow_churn", "3", RUN_ID, "churn_v1")
        return [marked if row.features["net_service"] == "Satellite" else prediction(row) for row in rows]


@pytest.fixture
def marking() -> Marking:
    return Marking()


@pytest.fixture
def gateway(marking: Marking) -> FlaskClient:
    client: FlaskClient = create_app(features=FakeFeatures(USERS), targets=FixedTarget(marking)).test_client()
    return client


def test_the_error_names_feature_and_value(gateway: FlaskClient) -> None:
    answer = gateway.post("/predict", json={"user_id": "new"})

    problem = answer.get_json()
    assert problem.pop("request_id")
    assert (answer.status_code, problem) == (422, UNKNOWN)
    assert answer.content_type == "application/problem+json"


def test_the_others_are_answered_in_the_same_call(gateway: FlaskClient, marking: Marking) -> None:
    results = gateway.post("/predict", json={"user_ids": EVERYBODY}).get_json()["results"]

    assert results[0] == {"user_id": "new", **UNKNOWN}
    assert [result["user_id"] for result in results[1:] if result["probability"] == 0.1234] == EVERYBODY[1:]
    assert marking.calls == 1


def test_an_unknown_category_in_an_override_is_an_error_of_the_request(gateway: FlaskClient) -> None:
    answer = gateway.post("/predict", json={"user_id": "user 1", "features": {"net_service": "Satellite"}})

    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["fields"]) == (409, "values_refused", ["features.net_service"])
    assert problem["detail"] == "The live version was not trained on features.net_service = 'Satellite'"


def test_an_override_replaces_an_unknown_category(gateway: FlaskClient) -> None:
    assert gateway.post("/predict", json={"user_id": "new", "features": {"net_service": "No"}}).status_code == 200


def test_metrics_count_it_by_its_code(gateway: FlaskClient) -> None:
    gateway.post("/predict", json={"user_ids": ["new", "user 1"]})

    assert b'gateway_results_total{code="unknown_category"} 1.0' in gateway.get("/metrics").data


@pytest.fixture(scope="module")
def real_server(server: Settings, tracking: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`mlflow models serve` with a model that was trained on two categories."""
    facts = {"types": TYPES, "categorical_cols": ["net_service"], "feature_service": "churn_v1", "as_of": "2024-01-31"}
    few = pipelines.Hyperparameters(n_estimators=3, max_iter=3, max_leaf_nodes=3, learning_rate=0.1, C=1.0)
    training = train.Training("random_forest", few, "random", "sigmoid", 0.5, ROWS, facts)
    with mlflow.start_run(experiment_id=tracking) as run:
        train.log_pipeline(training, training.fitted(ROWS), run.info.run_id)
    [logged] = mlflow.get_run(run.info.run_id).outputs.model_outputs
    folder = tmp_path_factory.mktemp("served")
    version = mlflow.register_model(f"models:/{logged.model_id}", NAME).version
    path = mlflow.artifacts.download_artifacts(f"models:/{NAME}/{version}", dst_path=str(folder))
    url = f"http://127.0.0.1:{(port := free_port())}"
    program = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", path, "--env-manager", "local"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "--port", str(port), "--workers", "1"], stdout=log, stderr=log, env=server_environment(folder)
        )
    try:
        wait_until(lambda: is_up(f"{url}/ping", process, folder / "log"), START_S, 0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def is_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return answers(url)


def invocations(url: str, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{url}/invocations", json=body, timeout=30)


def columns(**changed: list[Any]) -> dict[str, list[Any]]:
    return {"months_active": [3, 4], "monthly_fee": [20.0, 30.0], "net_service": ["No", "No"], **changed}


def test_a_real_model_server_marks_the_user_and_answers_the_others(real_server: str) -> None:
    model = ModelServerClient(Upstream(real_server, 30.0, 2))
    client = create_app({"DEADLINE_S": 60}, features=FakeFeatures(USERS), targets=FixedTarget(model)).test_client()

    results = client.post("/predict", json={"user_ids": EVERYBODY}).get_json()["results"]
    alone = client.post("/predict", json={"user_id": "user 7"}).get_json()

    assert results[0] == {"user_id": "new", **UNKNOWN}
    assert [result["user_id"] for result in results[1:] if 0 < result["probability"] < 1] == EVERYBODY[1:]
    assert (alone["threshold"], alone["calibration"]) == (0.5, "sigmoid")
    assert alone == results[1 + 7]


def test_the_model_server_itself_answers_an_error_that_names_row_and_category(real_server: str) -> None:
    answer = invocations(real_server, {"inputs": columns(net_service=["No", "Satellite"])})

    assert answer.status_code == 400
    assert "row 2: net_service 'Satellite'. Allowed are net_service: 'Fiber optic', 'No'" in answer.json()["message"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("column", list(TYPES))
@pytest.mark.parametrize("shape", ["inputs", "dataframe_split", "dataframe_records"])
def test_null_is_refused_in_every_column_and_shape(real_server: str, column: str, shape: str) -> None:
    frame = pd.DataFrame(columns()).astype(object)
    frame.loc[1, column] = None
    shapes: dict[str, Any] = {
        "inputs": frame.to_dict("list"),
        "dataframe_split": frame.to_dict("split"),
        "dataframe_records": frame.to_dict("records"),
    }

    answer = invocations(real_server, {shape: shapes[shape]})

    assert answer.status_code == 400, answer.text
    if (shape, column) != ("inputs", "months_active"):  # MLflow's own parser refuses it without naming it
        assert column in answer.json()["message"]


def test_a_gateway_learns_the_feature_list_from_a_real_model_server(real_server: str) -> None:
    client = create_app({"MODEL_URL": real_server}, features=FakeFeatures({"user 1": COMPLETE})).test_client()

    answers = [client.post("/predict", json={"user_id": user}) for user in ("999999", "user 1")]

    assert [answer.status_code for answer in answers] == [404, 200]
    assert answers[0].get_json()["missing_features"] == list(TYPES)
