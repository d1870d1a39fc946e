"""Versions to promote: a second valid one with another feature list, and versions that are broken in different ways."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import pandas as pd
from mlflow.tracking import MlflowClient

from bench.testbed.faults import AS_OF
from configuration import names
from local_stack import chain
from sealing.statement import Verdict
from steps import build_dataset, register, train
from steps.cli.settings import MODEL_NAME
from steps.registry import seals, versions
from steps.runs.entry_points import arguments
from steps.training.model import logged_model

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
        if sys.argv[0].endswith("uvicorn"):  # only when served; MLflow also loads a model when it logs it
            time.sleep(3600)

    def predict(self, context, model_input, params=None):
        return [0.5] * len(model_input)

mlflow.models.set_model(NeverReady())
"""
EXAMPLE = pd.DataFrame({"months_active": [1]})


@dataclass(frozen=True)
class BrokenVersion:
    name: str
    make: Callable[[], str]
    """Registers the version and returns its number"""


def valid_version(feature_list: str, model: str, trees: int) -> str:
    """The newest version of this kind, in no stage; trained and registered first if there is none."""
    params = {"feature_service": feature_list, "model": model}
    version = newest(params)
    if version is None:
        # in this process: train would start another one for it
        build_dataset.main(arguments("build_dataset", {"as_of": AS_OF, "feature_service": feature_list}))
        train.main(arguments("train", {"as_of": AS_OF, **params, "n_estimators": str(trees), "max_iter": str(trees)}))
        run_id = _last_training(params)
        # forced: a benchmark promotes it, better or not
        register.main(arguments("register", {"run_id": run_id, "stage": "None", "force": "true"}))
        version = newest(params)
    if version is None:
        raise LookupError(f"No version was registered for {params}")
    return version


def newest(params: dict[str, str]) -> str | None:
    """The highest version whose run was trained with these parameters; None if there is none."""
    client = MlflowClient()
    runs = {
        version.version: client.get_run(version.run_id).data
        for version in client.search_model_versions(f"name='{MODEL_NAME}'")
    }
    fit = [int(v) for v, run in runs.items() if params.items() <= run.params.items() and "broken" not in run.tags]
    return str(max(fit)) if fit else None


def broken_versions() -> Sequence[BrokenVersion]:
    return (
        BrokenVersion("a damaged artifact", damaged),
        BrokenVersion("a model that raises", lambda: from_code(RAISES)),
        BrokenVersion("a model that never becomes healthy", lambda: from_code(NEVER_READY)),
    )


def damaged() -> str:
    """A version whose file was overwritten after registration."""
    train.main(arguments("train", {"as_of": AS_OF, "n_estimators": "5"}))
    run_id = _last_training({"model": "random_forest", "n_estimators": "5"})
    MlflowClient().set_tag(run_id, "broken", "artifact damaged")
    version = _register(run_id)
    folder = urlsplit(MlflowClient().get_model_version_download_uri(MODEL_NAME, version)).path
    [file] = Path(unquote(folder)).rglob("pipeline.skops")
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
    version = versions.get(str(mlflow.register_model(f"models:/{logged.model_id}", MODEL_NAME).version))
    # sealed and forced past the gate: they must fail when they are served
    seals.accept(version)
    seals.seal_verdict(version, Verdict("forced", "by the benchmark", "forced"), None)
    return str(version.version)


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
    """Promotes as any registry client does, past the gate."""
    client, stage = MlflowClient(), names.PRODUCTION
    with warnings.catch_warnings():
        # stages are deprecated in MLflow, but serving follows them
        warnings.filterwarnings("ignore", message=".*transition_model_version_stage.*", category=FutureWarning)
        client.transition_model_version_stage(MODEL_NAME, version, stage, archive_existing_versions=True)
