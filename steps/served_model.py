"""What /invocations runs (logged as code, never pickled): the whole pipeline, answering with class, probability and
who answered. Must not import anything else of the project: this file is copied into the model."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io
import yaml
from mlflow.pyfunc import PythonModel, PythonModelContext

# the only types beyond skops' own list that a churn pipeline is made of
TRUSTED_TYPES = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]


class ChurnModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        path = Path(context.artifacts["pipeline"])
        self.pipeline = skops.io.load(path, trusted=TRUSTED_TYPES)
        self.features = list(context.model_config["features"])
        self.identity = {
            **registered_as(path.parents[1]),
            "run_id": context.model_config["run_id"],
            "feature_service": context.model_config["feature_service"],
        }

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row per input row: prediction (0 or 1), probability of churn, and the identity of this model."""
        del context, params
        probability = self.pipeline.predict_proba(model_input[self.features])
        answer = {"prediction": probability.argmax(axis=1), "probability": probability[:, 1], **self.identity}
        return pd.DataFrame(answer, index=range(len(model_input)))


def registered_as(folder: Path) -> dict[str, str | None]:
    """MLflow writes name and version beside a model it fetched from the registry; a run's own model has neither."""
    meta = folder / "registered_model_meta"
    known = yaml.safe_load(meta.read_text()) if meta.is_file() else {}
    version = known.get("model_version")
    return {"model_name": known.get("model_name"), "model_version": None if version is None else str(version)}


mlflow.models.set_model(ChurnModel())
