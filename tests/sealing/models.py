"""A folder with the files of a model, and its statement."""

from pathlib import Path

from sealing import files
from sealing.statement import Environment, Statement, Verdict

ENVIRONMENT = Environment("3.11.7", "a" * 64, "b" * 64)
PASSED = Verdict("passed", "its AUC is above min_auc", "passed")


def make_model(folder: Path) -> Path:
    (folder / "artifacts").mkdir(parents=True)
    for name in ("MLmodel", "served_model.py", "artifacts/pipeline.skops"):
        (folder / name).write_text(f"the bytes of {name}")
    return folder


def statement_of(folder: Path) -> Statement:
    return Statement(
        files.digests(folder), "churn", "m-1", "run-1", "churn_v1", "c" * 64, ENVIRONMENT, "2024-01-31T12:00:00+00:00",
        "3", 1706702400000, PASSED, 0.25,
    )  # fmt: skip
