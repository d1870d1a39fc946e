"""Where things are in MLflow's UI: the addresses of its pages, and how it shows this project's experiment.

The addresses are below the server's: a link of a description may use them as they are.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

TRAINING = "workflowType=machine_learning"  # else, and in a new browser, the UI is one for language models
# a saved view of the runs, which the UI's list of views has, too. A changed view needs a new key
RUNS_VIEW = "streamflow-steps"
COLUMNS = (
    "tags.`streamflow.step`", "params.`as_of`", "tags.`model_version`", "metrics.`AUC`", "tags.`gate`",
    "attributes.`Duration`", "attributes.`Description`",
)  # fmt: skip
_VIEW = {"name": "Steps", "createdAt": 0, "state": json.dumps({"selectedColumns": COLUMNS})}
EXPERIMENT_TAGS = {
    # without this tag, the UI opens an experiment on traces of language models
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{RUNS_VIEW}": json.dumps(_VIEW),
}


def missing_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of EXPERIMENT_TAGS that an experiment with these tags does not have. A person may have changed others."""
    return {name: value for name, value in EXPERIMENT_TAGS.items() if name not in tags}


def runs_page(experiment_id: str) -> str:
    """The experiment's runs, with the columns that matter."""
    return f"#/experiments/{experiment_id}/runs?{TRAINING}&viewStateShareKey={RUNS_VIEW}"


def run_page(experiment_id: str, run_id: str) -> str:
    return f"#/experiments/{experiment_id}/runs/{quote(run_id, safe='')}?{TRAINING}"


def version_page(model: str, number: str) -> str:
    return f"#/models/{quote(model, safe='')}/versions/{quote(number, safe='')}?{TRAINING}"


def model_page(model: str) -> str:
    return f"#/models/{quote(model, safe='')}?{TRAINING}"
