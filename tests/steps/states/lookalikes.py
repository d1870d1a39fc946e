"""Trainings that look right and whose model was logged wrongly: what a gate has to notice."""

from collections.abc import Callable, Mapping
from pathlib import Path

import mlflow
from mlflow.models import Model

from steps.runs import tracking
from steps.training.model import served_model
from steps.training.model.logged_model import SERVING_CODE
from steps.training.model.signature import signature
from tests.steps.states.seals import seal_as_stored
from tests.steps.states.trainings import model_folder, rows

SERVED_BY = Path(served_model.__file__)


def as_it_is(text: str) -> str:
    return text


def lookalike(
    run_id: str,
    source: Callable[[str], str] = as_it_is,
    types: Callable[[dict[str, str]], Mapping[str, str]] | None = dict,
    tags: Mapping[str, str] | None = None,
    *,
    example: bool = True,
    params: bool = True,
    sealed: bool = True,
) -> str:
    """The id of a finished training with the tags and the pipeline of another.

    source: changes the served code; types: changes the inputs, or None for no signature; tags: instead of the usual;
    params: whether it has the other's parameters; sealed: whether it is sealed as `train` does.
    """
    original, everybody = mlflow.get_run(run_id).data.tags, rows(run_id).drop(columns=["user_id", "churn_label"])
    usual = mlflow.artifacts.load_dict(f"runs:/{original['dataset_run_id']}/dataset.json")["types"]
    config = Model.load(str(model_folder(run_id))).flavors["python_function"]["config"]
    with mlflow.start_run() as run, tracking.scratch_folder() as folder:
        kept = {name: value for name, value in original.items() if not name.startswith("mlflow.")}
        mlflow.set_tags({**kept, **(tags or {})})
        mlflow.log_params(mlflow.get_run(run_id).data.params if params else {})
        code = folder / "served_model.py"
        code.write_text(source(SERVED_BY.read_text()))
        (fitted,) = model_folder(run_id).rglob("pipeline.skops")
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            artifacts={"pipeline": str(fitted), **SERVING_CODE},
            model_config={
                **{name: config[name] for name in ("column_means",) if name in config},
                "features": list(usual),
                "feature_service": kept["feature_service"],
                "run_id": run.info.run_id,
                "calibration": kept["calibration"],
                "threshold": float(kept["threshold"]),
            },
            signature=None if types is None else signature(types(usual)),
            input_example=everybody.head(1) if example else None,
            pip_requirements=["mlflow"],
        )
        if sealed:
            seal_as_stored(logged.model_id, run.info.run_id)
        return str(run.info.run_id)
