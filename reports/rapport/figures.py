"""The figures of the report's text, read from MLflow and from the gateway's answers, never typed by hand."""

from collections.abc import Mapping
from typing import Any

import requests

from configuration import names
from reports.rapport.pictures import Pictures
from reports.rapport.shell import Shell

ANSWER_TIMEOUT_S = 10.0
# figures that a new run on the same months must reproduce
REPRODUCIBLE = (
    "as_of", "rows", "rows_train", "rows_validation", "features", "categorical", "constant", "auc", "f1", "acc",
    "brier", "f1_uncalibrated", "acc_uncalibrated", "brier_uncalibrated", "mean_probability",
    "mean_probability_uncalibrated", "share_who_left", "auc_cv", "auc_cv_std", "sha256", "prediction", "probability",
    "auc_challenger", "auc_february",
)  # fmt: skip


def collect(shell: Shell, pictures: Pictures) -> dict[str, str]:
    """All figures by name, formatted for the French text."""
    baseline, challenger, february = (_version(shell, number) for number in ("1", "2", "3"))
    training = _run(shell, baseline["run_id"])
    facts = requests.get(
        f"{shell.address('MLFLOW_PORT')}/get-artifact",
        params={"path": "dataset.json", "run_uuid": training["tags"]["dataset_run_id"]},
        timeout=ANSWER_TIMEOUT_S,
    ).json()
    constant = _run(shell, training["tags"]["dataset_run_id"])["tags"]["constant_columns"]
    answer = pictures.first_answer
    return {
        **of_training(training, {**facts, "constant": constant}),
        "run_id": baseline["run_id"],
        "version": answer["model"]["version"],
        "prediction": str(answer["prediction"]),
        "probability": french(answer["probability"]),
        "rows_compared": f"{float(challenger['gate_rows_compared']):.0f}",
        "auc_challenger": french(float(challenger["gate_auc_candidate"])),
        "auc_production": french(float(challenger["gate_auc_production"])),
        "gain": french(float(challenger["gate_auc_gain"])),
        "gain_low": french(float(challenger["gate_auc_gain_low"])),
        "gain_high": french(float(challenger["gate_auc_gain_high"])),
        "auc_february": french(float(february["gate_auc_own_validation"])),
        "swap_s": french(pictures.swap_s, 1),
        "swap_requests": str(pictures.swap_requests),
    }


def of_training(training: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, str]:
    """training: the run's {"metrics": …, "tags": …}; facts: its dataset.json, plus "constant", the constant columns."""
    metrics, tags = training["metrics"], training["tags"]
    return {
        "as_of": tags["as_of"],
        "rows": f"{metrics['rows']:.0f}",
        "rows_train": f"{metrics['rows_train']:.0f}",
        "rows_validation": f"{metrics['rows_validation']:.0f}",
        "features": str(len(facts["types"])),
        "categorical": ", ".join(facts["categorical_cols"]),
        "constant": facts["constant"],
        "auc": french(metrics["AUC"]),
        "f1": french(metrics["F1"]),
        "acc": french(metrics["ACC"]),
        "brier": french(metrics["Brier"]),
        "f1_uncalibrated": french(metrics["F1_uncalibrated"]),
        "acc_uncalibrated": french(metrics["ACC_uncalibrated"]),
        "brier_uncalibrated": french(metrics["Brier_uncalibrated"]),
        "mean_probability": french(metrics["mean_probability"], 3),
        "mean_probability_uncalibrated": french(metrics["mean_probability_uncalibrated"], 3),
        "share_who_left": french(metrics["share_who_left"], 3),
        "auc_cv": french(metrics["AUC_cv_mean"], 3),
        "auc_cv_std": french(metrics["AUC_cv_std"], 3),
        "training_time_s": french(metrics["training_time_s"], 1),
        "sha256": tags["dataset_sha256"],
    }


def french(number: float, digits: int = 4) -> str:
    return f"{number:.{digits}f}".replace(".", ",")


def _version(shell: Shell, number: str) -> dict[str, str]:
    """The tags of this version."""
    version = _get(shell, "model-versions/get", {"name": names.MODEL_NAME, "version": number})["model_version"]
    return {tag["key"]: tag["value"] for tag in version["tags"]}


def _run(shell: Shell, run_id: str) -> dict[str, Any]:
    """{"metrics": name -> value, "tags": name -> value}"""
    data = _get(shell, "runs/get", {"run_id": run_id})["run"]["data"]
    return {kind: {entry["key"]: entry["value"] for entry in data[kind]} for kind in ("metrics", "tags")}


def _get(shell: Shell, method: str, parameters: Mapping[str, str]) -> Any:
    """A GET of MLflow's REST API. Raises requests.HTTPError."""
    address = f"{shell.address('MLFLOW_PORT')}/api/2.0/mlflow/{method}"
    answer = requests.get(address, params=parameters, timeout=ANSWER_TIMEOUT_S)
    answer.raise_for_status()
    return answer.json()
