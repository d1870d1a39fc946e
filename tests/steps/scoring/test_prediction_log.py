"""Every logged row recomputes bit for bit: the version that it names, loaded again, gives the logged probability."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from feature_enricher.app import create_app
from feature_enricher.errors.upstream import ModelUnavailable
from feature_enricher.upstream.breaker import Breaker
from feature_enricher.upstream.model_server import ModelAnswer, _predictions
from feature_enricher.upstream.targets import FixedModelServer
from feature_store.deadline import Deadline
from feature_store.reading import FeatureRow
from local_stack.settings import Settings
from steps import ingest, materialize
from steps.cli.settings import MODEL_NAME
from steps.runs.entry_points import arguments
from tests.conftest import FEBRUARY, JANUARY
from tests.gateway.fakes import FakeFeatureList
from tests.steps.states.database import fetch
from tests.steps.states.trainings import model_id


class Promotable:
    """The registered version that was promoted last, with the bytes of JSON that a model server would see."""

    def __init__(self) -> None:
        self.breaker = Breaker(lambda: ModelUnavailable("open"))
        self.version = ""

    def promote(self, version: str) -> None:
        self.version = version

    def predict(self, rows: Sequence[FeatureRow], _deadline: Deadline) -> list[ModelAnswer]:
        answers = scored(self.version, json.dumps([row.features for row in rows]))
        return _predictions({"predictions": answers.to_dict(orient="records")}, rows)

    def explain(self, rows: Sequence[FeatureRow], _features: int, deadline: Deadline) -> list[ModelAnswer]:
        return self.predict(rows, deadline)

    def ping(self, _deadline: Deadline) -> None:
        pass


def scored(version: str, values: str) -> pd.DataFrame:
    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version}")
    answers: pd.DataFrame = model.predict(pd.DataFrame(json.loads(values)))
    return pd.DataFrame(answers)


def put_online(folder: Path, as_of: date) -> None:
    ingest.main(arguments("ingest", {"month_dir": str(folder), "as_of": str(as_of)}))
    materialize.main(["--as-of", str(as_of)])


def test_every_logged_row_recomputes_bit_for_bit(
    with_roles: Settings, sample_months: Path, empty_registry: None, trainings: dict[str, str]
) -> None:
    server = with_roles
    login, model = server.login("log"), Promotable()
    first, second = (
        str(mlflow.register_model(f"models:/{model_id(trainings[name])}", MODEL_NAME).version)
        for name in ("random_forest", "logistic_regression")
    )
    put_online(sample_months / "month_000", JANUARY)
    targets = FixedModelServer("http://model", model, FakeFeatureList())
    config = {"LOG_USER": login["PGUSER"], "LOG_PASSWORD": login["PGPASSWORD"], "DEADLINE_S": 60, "STORE_TIMEOUT_S": 60}
    app = create_app(config, targets=targets)
    users = _users(sample_months / "month_000")
    for month, version in ((JANUARY, first), (JANUARY, second), (FEBRUARY, second), (FEBRUARY, first)):
        if month == FEBRUARY and version == second:
            put_online(sample_months / "month_001", FEBRUARY)
        model.promote(version)
        _predict(app.test_client(), users)
    app.extensions["streamflow"].close()

    rows = fetch(
        "SELECT model_version, features::text, probability, prediction, overridden, as_of::text FROM prediction_log"
        " WHERE code = 'ok'"
    )
    assert {row[0] for row in rows} == {first, second}
    assert any(row[4] for row in rows)
    assert {next(iter(json.loads(row[5]).values()))[:10] for row in rows} == {str(JANUARY), str(FEBRUARY)}
    for version in (first, second):
        logged = [row for row in rows if row[0] == version]
        answers = scored(version, f"[{','.join(row[1] for row in logged)}]")
        assert [row[2:4] for row in logged] == list(zip(answers["probability"], answers["prediction"], strict=True))


def _users(folder: Path) -> list[str]:
    return [line.split(",")[0] for line in (folder / "users.csv").read_text().splitlines()[1:4]]


def _predict(client: Any, users: list[str]) -> None:
    assert client.post("/predict", json={"user_ids": users}).status_code == 200
    overrides = {"monthly_fee": 0.1 + 0.2}
    assert client.post("/predict", json={"user_id": users[0], "features": overrides}).status_code == 200
