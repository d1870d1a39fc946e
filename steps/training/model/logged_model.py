"""A fitted pipeline, logged as a model of the active run that `mlflow models serve` can serve."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import skops.io
from mlflow.models import Model
from sklearn.pipeline import Pipeline

from steps.cli.errors import UnusableVersion
from steps.month.digest import file_sha256
from steps.runs import tracking
from steps.training.model.signature import signature

MODEL_ARTIFACT = "model"
SERVED_BY = Path(__file__).with_name("served_model.py")
# further code of the served model, by the artifact name that it reads
SERVING_MODULES = ("fast_path", "packed_forest", "row_checks", "leaf_paths", "tree_shap", "reasons")
SERVING_CODE = {name: str(SERVED_BY.with_name(f"{name}.py")) for name in SERVING_MODULES}
CODE_SUFFIXES = (".py", ".pkl", ".skops", ".so", ".pyc")
SERVING_PACKAGES = ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy")


@contextmanager
def no_bytecode() -> Iterator[None]:
    """MLflow runs the model's code before it uploads the model; Python must not write __pycache__ into it."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@dataclass(frozen=True)
class LoggedModel:
    """model_id: MLflow's. sha256: of the files with code and of the pipeline, by path, as they were logged. flavors:
    how the model is loaded."""

    model_id: str
    sha256: Mapping[str, str]
    flavors: Mapping[str, Any]

    def require_stored(self, folder: Path) -> None:
        """Raises UnusableVersion unless the stored files in the folder are the logged ones: between upload and seal,
        anyone who reaches the artifact store could have changed them."""
        for name, logged in self.sha256.items():
            stored = file_sha256(folder / name) if (folder / name).is_file() else "no file"
            if stored != logged:
                raise UnusableVersion(f"The stored model {self.model_id} was changed: {name} is {stored}, not {logged}")
        code = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in CODE_SUFFIXES)
        added = [name for name in code if name not in self.sha256]
        if added or Model.load(str(folder)).flavors != self.flavors:
            changed = ", ".join(added) or "MLmodel"
            raise UnusableVersion(f"The stored model {self.model_id} was changed: {changed} is not as logged")


def log(fitted: Pipeline, config: Mapping[str, Any], types: Mapping[str, str], example: pd.DataFrame) -> LoggedModel:
    """config: features, feature_service, run_id, calibration and threshold; answers repeat all but the features. With
    column_means, a linear model can give reasons.

    types: Feast's type names, by feature, in the model's order. example: one row, for the smoke test of a server.
    """
    with tracking.scratch_folder() as folder:
        path = folder / "pipeline.skops"
        skops.io.dump(fitted, path)
        artifacts = {"pipeline": str(path), **SERVING_CODE}
        with no_bytecode():
            info = mlflow.pyfunc.log_model(
                name=MODEL_ARTIFACT,
                python_model=str(SERVED_BY),
                artifacts=artifacts,
                model_config=dict(config),
                signature=signature(types),
                input_example=example,
                pip_requirements=[f"{package}=={version(package)}" for package in SERVING_PACKAGES],
            )
        stored = {
            SERVED_BY.name: SERVED_BY,
            **{f"artifacts/{Path(file).name}": Path(file) for file in artifacts.values()},
        }
        sha256 = {name: file_sha256(file) for name, file in stored.items()}
        return LoggedModel(info.model_id, sha256, info.flavors)
