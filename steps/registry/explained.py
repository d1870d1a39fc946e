"""A version's reasons for many rows, as `/invocations` gives them with the parameter explain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from steps.cli.errors import UnusableVersion
from steps.registry.loaded_version import LoadedVersion
from steps.runs import search
from steps.training.model.reasons import own_scores, uncalibrated
from steps.training.model.served_model import EXPLAIN, REASONS

TOLERANCE = 1e-9
# The gate explains every validation row. A forest takes 10 ms for each: of more rows, so many evenly spaced ones
MOST_ROWS_OF_A_FOREST = 5_000
ROWS_AT_ONCE = 5_000

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Explained:
    """scale, base_value and score: see steps/training/model/reasons.py. contributions: (rows, features)."""

    features: list[str]
    scale: str
    base_value: float
    score: Matrix
    contributions: Matrix


def explain(loaded: LoadedVersion, rows: pd.DataFrame) -> Explained | None:
    """All features' contributions. None for a version without reasons. Raises UnusableVersion."""
    names = [str(name) for name in rows]
    reasons = _reasons(loaded, rows, len(names))
    if not reasons:
        return None
    place = {name: nth for nth, name in enumerate(names)}
    contributions = np.zeros((len(rows), len(names)))
    for row, reason in enumerate(reasons):
        for part in reason["features"]:
            contributions[row, place[part["feature"]]] = part["contribution"]
    score = np.array([reason["score"] for reason in reasons])
    return Explained(names, reasons[0]["scale"], reasons[0]["base_value"], score, contributions)


def _reasons(loaded: LoadedVersion, rows: pd.DataFrame, number: int) -> list[dict[str, Any]]:
    signature = loaded.served.metadata.signature
    if signature is None or EXPLAIN not in [param.name for param in signature.params or ()]:
        return []  # an older version
    try:
        reasons = loaded.served.predict(rows, params={EXPLAIN: number})[REASONS].tolist()
    except Exception as error:
        raise UnusableVersion(
            f"version {loaded.number} cannot explain these rows: {search.first_line(error)}"
        ) from error
    return [] if None in reasons else reasons


def issues(loaded: LoadedVersion, features: pd.DataFrame) -> list[str]:
    """What forbids serving: reasons that do not add up to the pipeline's own score. None of a version without reasons.
    Raises UnusableVersion."""
    if loaded.pipeline is None or explain(loaded, features.head(1)) is None:
        return []
    rows, wrong, first = _rows_to_explain(loaded.pipeline, features), 0, ""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = rows.iloc[start : start + ROWS_AT_ONCE]
        explained = explain(loaded, chunk)
        if explained is None:
            return ["some validation rows have reasons and others have none. Train the model again"]
        expected = own_scores(loaded.pipeline)(loaded.pipeline["encode"].transform(chunk))
        added_up = explained.base_value + explained.contributions.sum(axis=1)
        differs = np.maximum(abs(added_up - expected), abs(explained.score - expected))
        places = np.flatnonzero(~(differs <= TOLERANCE))  # NaN is wrong, too
        if len(places) and not wrong:
            first = f"the first add up to {added_up[places[0]]} instead of {expected[places[0]]}"
        wrong += len(places)
    if not wrong:
        return []
    number = f"{wrong} of {len(rows)} validation rows"
    return [f"the reasons do not add up to the score on {number}; {first}. Train the model again"]


def _rows_to_explain(pipeline: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    if type(uncalibrated(pipeline["classify"])) is not RandomForestClassifier or len(rows) <= MOST_ROWS_OF_A_FOREST:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, MOST_ROWS_OF_A_FOREST).astype(int)]
