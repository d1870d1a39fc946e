"""A version's reasons for many rows, as `/invocations` gives them with the parameter explain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steps.cli.errors import UnusableVersion
from steps.registry.loaded_version import LoadedVersion
from steps.runs import search
from steps.training.model.reasons import own_scores
from steps.training.model.served_model import EXPLAIN, REASONS

TOLERANCE = 1e-9
# The gate explains every validation row up to this number, and so many evenly spaced ones of a larger set
MOST_ROWS = 5_000

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
    """What forbids serving: reasons that do not add up to the pipeline's own score. Raises UnusableVersion."""
    chosen = features.iloc[np.unique(np.linspace(0, len(features) - 1, min(len(features), MOST_ROWS)).astype(int))]
    explained = explain(loaded, chosen)
    if explained is None or loaded.pipeline is None:
        return []
    expected = own_scores(loaded.pipeline)(loaded.pipeline["encode"].transform(chosen))
    added_up = explained.base_value + explained.contributions.sum(axis=1)
    wrong = ~(np.maximum(abs(added_up - expected), abs(explained.score - expected)) <= TOLERANCE)  # true of NaN, too
    if not wrong.any():
        return []
    row = int(np.flatnonzero(wrong)[0])
    number = f"{wrong.sum()} of {len(chosen)} validation rows"
    first = f"the first add up to {added_up[row]} instead of {expected[row]}"
    return [f"the reasons do not add up to the score on {number}; {first}. Train the model again"]
