"""The baseline: the same answer, as tutorials build it. One process reads the user's features with Feast and its own
PostgreSQL store, then calls a scikit-learn pipeline in the same process, one row at a time on all cores.

gunicorn "bench.testbed.published_app:create_app('folder of the model', 'name of the FeatureService')"
"""

from typing import Any

import mlflow
import pandas as pd
import yaml
from feast import FeatureStore, RepoConfig
from flask import Flask, request

from bench.testbed.stock_address import stock_address
from feature_store.store import FOLDER, feature_types


def create_app(model: str, feature_list: str) -> Flask:
    """model: folder of the MLflow model; feature_list: name of the FeatureService."""
    app = Flask(__name__)
    pipeline = mlflow.pyfunc.load_model(model)
    store = stock_store()
    service = store.get_feature_service(feature_list)
    names = list(feature_types(store, feature_list))

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        user_id = request.get_json()["user_id"]
        columns = store.get_online_features(features=service, entity_rows=[{"user_id": user_id}]).to_dict()
        row = pd.DataFrame({name: columns[name] for name in names})
        [prediction] = pipeline.predict(row)
        features = {name: columns[name][0] for name in names}
        return {"user_id": user_id, "prediction": int(prediction), "features_used": features}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def stock_store() -> FeatureStore:
    """The project's feature store with Feast's own online store."""
    config = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    schema = config["online_store"]["db_schema"]
    config["online_store"] = {"type": "postgres", "db_schema": schema, **stock_address()}
    return FeatureStore(config=RepoConfig(repo_path=FOLDER, **config))
