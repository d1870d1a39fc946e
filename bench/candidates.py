"""Versions to turn to: a second right one with another list of features, and broken ones, each broken differently."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import pandas as pd
from mlflow.tracking import MlflowClient

from bench.faults import AS_OF
from configuration import names
from local_stack import chain
from steps import build_dataset, logged_model, register, train
from steps.entry_points import arguments
from steps.settings import MODEL_NAME

RAISES = """
import mlflow
from mlflow.pyfunc import PythonModel

class Raises(PythonModel):
    def predict(self, context, model_input, params=None):
        raise RuntimeError("always")

mlflow.models.set_model(Raises())
"""
NEVER_READY = """
import sys, time
import mlflow
from mlflow.pyfunc import PythonModel

class NeverReady(PythonModel):
    def load_context(self, context):
        if sys.argv[0].endswith("uvicorn"):  # served; MLflow also loads a model that it logs
            time.sleep(3600)

    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)

mlflow.models.set_model(NeverReady())
"""
EXAMPLE = pd.DataFrame({"months_active": [1]})


@dataclass(frozen=True)
class Broken:
    name: str
    make: Callable[[], str]
    """Registers it and returns its version"""


def right(feature_list: str, model: str, trees: int) -> str:
    """Trained and registered, in no stage yet; the newest one of that kind, if there is any."""
    wanted = {"feature_service": feature_list, "model": model}
    found = newest(wanted)
    if found is None:
        # in this process: train itself would start another one for it
        build_dataset.main(arguments("build_dataset", {"as_of": AS_OF, "feature_service": feature_list}))
        train.main(arguments("train", {"as_of": AS_OF, **wanted, "n_estimators": str(trees), "max_iter": str(trees)}))
        run_id = _last_training(wanted)
        # forced: a benchmark turns to it whether it is better or not
        register.main(arguments("register", {"run_id": run_id, "stage": "None", "force": "true"}))
        found = newest(wanted)
    if found is None:
        raise LookupError(f"No version was registered for {wanted}")
    return found


def newest(params: dict[str, str]) -> str | None:
    """Of the versions whose run was trained with these parameters, the highest."""
    client = MlflowClient()
    runs = {
        version.version: client.get_run(version.run_id).data
        for version in client.search_model_versions(f"name='{MODEL_NAME}'")
    }
    fit = [int(v) for v, run in runs.items() if params.items() <= run.params.items() and "broken" not in run.tags]
    return str(max(fit)) if fit else None


def broken() -> Sequence[Broken]:
    return (
        Broken("an artifact damaged", damaged),
        Broken("a model that raises", lambda: from_code(RAISES)),
        Broken("one that never becomes healthy", lambda: from_code(NEVER_READY)),
    )


def damaged() -> str:
    """A version that was right when it was registered; then its file was overwritten."""
    train.main(arguments("train", {"as_of": AS_OF, "n_estimators": "5"}))
    run_id = _last_training({"model": "random_forest", "n_estimators": "5"})
    MlflowClient().set_tag(run_id, "broken", "artifact damaged")
    version = _register(run_id)
    where = urlsplit(MlflowClient().get_model_version_download_uri(MODEL_NAME, version)).path
    [file] = Path(unquote(where)).rglob("pipeline.skops")
    file.write_bytes(b"\0" * 1000)
    return version


def from_code(code: str) -> str:
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(tags={"broken": "on purpose"}) as run:
        path = Path(folder) / "code.py"
        path.write_text(code)
        mlflow.pyfunc.log_model(
            name=logged_model.MODEL_ARTIFACT,
            python_model=str(path),
            pip_requirements=["mlflow"],
            input_example=EXAMPLE,
        )
    return _register(run.info.run_id)


def _register(run_id: str) -> str:
    [logged] = mlflow.get_run(run_id).outputs.model_outputs
    return str(mlflow.register_model(f"models:/{logged.model_id}", MODEL_NAME).version)


def _last_training(params: dict[str, str]) -> str:
    conditions = " and ".join(f"params.{name} = '{value}'" for name, value in params.items())
    experiment = mlflow.get_experiment_by_name(chain.EXPERIMENT)
    [run] = mlflow.search_runs(
        [experiment.experiment_id],
        f"{conditions} and attributes.status = 'FINISHED'",
        max_results=1,
        output_format="list",
    )
    return str(run.info.run_id)


def promote(version: str) -> None:
    """As any registry client does it."""
    MlflowClient().transition_model_version_stage(MODEL_NAME, version, names.PRODUCTION, archive_existing_versions=True)
