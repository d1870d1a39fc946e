"""What a retention team works with: who is most likely to leave, how many there are, and how far to trust it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import roc_auc_score

from steps.pictures import draw
from steps.scoring import Scored

BINS = 10
CONTACTED = "share of the users contacted"
SHARES = np.linspace(0.01, 1.0, 100)
Labels = NDArray[np.bool_]


def write(folder: Path, scored: Scored, labels: pd.DataFrame, title: str, top: int) -> dict[str, Any]:
    """The list, the pictures and summary.md. Returns the figures."""
    listed = most_likely(scored, top)
    listed.to_csv(folder / f"top_{len(listed)}.csv", index=False)
    _histogram(folder, scored, title)
    facts: dict[str, Any] = {
        "users": scored.users,
        "users_missing_features": scored.users_missing_features,
        "predicted_to_leave": scored.predicted_to_leave,
        "mean_probability": float(scored.probability.mean()),
        "listed": len(listed),
        "lowest_listed_probability": float(listed["probability"].iloc[-1]),
    }
    probability, left = labelled(scored, labels)
    if 0 < left.sum() < len(left):
        facts |= {"labelled": len(left), "left": int(left.sum()), "AUC": float(roc_auc_score(left, probability))}
        facts |= {"lift_at_10_percent": float(lift(probability, left)[9])}
        _curves(folder, probability, left, title)
    (folder / "summary.md").write_text(_markdown(facts, title))
    return facts


def most_likely(scored: Scored, top: int) -> pd.DataFrame:
    """rank, user_id, probability: the most likely first; of equals, the first by user_id."""
    order = np.argsort(-scored.probability, kind="stable")[:top]  # the users come in their order
    users = scored.user_ids.take(pa.array(order)).to_pylist()
    return pd.DataFrame({"rank": range(1, len(order) + 1), "user_id": users, "probability": scored.probability[order]})


def labelled(scored: Scored, labels: pd.DataFrame) -> tuple[NDArray[np.float64], Labels]:
    """Probability and truth of the users of whom it is known."""
    place = pc.index_in(pa.array(labels["user_id"], pa.string()), value_set=scored.user_ids)
    known = np.asarray(place.is_valid())
    return (
        scored.probability[place.drop_null().to_numpy()],
        labels["churn_label"].to_numpy(dtype=bool)[known],
    )


def gain(probability: NDArray[np.float64], left: Labels) -> NDArray[np.float64]:
    """The share of all who leave that is among the SHARES most likely."""
    found = np.cumsum(left[np.argsort(-probability, kind="stable")])
    contacted = np.maximum(1, np.round(SHARES * len(left)).astype(int))
    return np.asarray(found[contacted - 1] / found[-1], dtype=np.float64)


def lift(probability: NDArray[np.float64], left: Labels) -> NDArray[np.float64]:
    """How many times more who leave than among as many users taken at random."""
    contacted = np.maximum(1, np.round(SHARES * len(left))) / len(left)
    return gain(probability, left) / contacted


def _histogram(folder: Path, scored: Scored, title: str) -> None:
    draw(
        folder / "distribution.png",
        f"Users by probability of leaving, {title}",
        lambda ax: ax.hist(scored.probability, bins=50, range=(0, 1)),
        ("probability of leaving", "users"),
    )


def _curves(folder: Path, probability: NDArray[np.float64], left: Labels, title: str) -> None:
    draw(
        folder / "gain.png",
        f"Gain, {title}",
        lambda ax: (
            ax.plot(SHARES, gain(probability, left), label="most likely first"),
            ax.plot([0, 1], [0, 1], "--", label="at random"),
            ax.legend(),
        ),
        (CONTACTED, "share found of those who leave"),
    )
    draw(
        folder / "lift.png",
        f"Lift, {title}",
        lambda ax: (
            ax.plot(SHARES, lift(probability, left), label="most likely first"),
            ax.axhline(1, color="C1", linestyle="--", label="at random"),
            ax.legend(),
        ),
        (CONTACTED, "times as many who leave as at random"),
    )
    draw(
        folder / "calibration.png",
        f"Calibration, {title}",
        lambda ax: CalibrationDisplay.from_predictions(
            left, probability, ax=ax, n_bins=BINS, name="all labelled users"
        ),
    )


def _markdown(facts: dict[str, Any], title: str) -> str:
    rows = [
        f"| {name.replace('_', ' ')} | {value:.4f} |"
        if isinstance(value, float)
        else f"| {name.replace('_', ' ')} | {value} |"
        for name, value in facts.items()
    ]
    pictures = ["distribution", *(["gain", "lift", "calibration"] if "AUC" in facts else [])]
    lines = [
        f"# Scores of {title}",
        "",
        "| | |",
        "|---|---:|",
        *rows,
        "",
        *(f"![{name}]({name}.png)" for name in pictures),
    ]
    return "\n".join(lines) + "\n"
