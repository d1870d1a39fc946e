"""The labels of a month's scored users. Pure."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steps.scoring.quality import Labels, Probabilities
from steps.scoring.scores import MonthScores

Positions = NDArray[np.int64]


def labelled(scored: MonthScores, labels: pa.Table) -> tuple[Positions, Labels]:
    """Positions among the scored users, and labels, of the scored users that have a label."""
    positions = pc.index_in(labels["user_id"], value_set=scored.user_ids)
    is_scored = positions.is_valid().to_numpy()
    return positions.drop_null().to_numpy().astype(np.int64), labels["churn_label"].to_numpy()[is_scored]


def never_trained_on(scored: MonthScores, labels: pa.Table) -> tuple[Probabilities, Labels]:
    """Probabilities and labels of `unseen`."""
    positions, left = unseen(scored, labels)
    return scored.probability[positions], left


def unseen(scored: MonthScores, labels: pa.Table) -> tuple[Positions, Labels]:
    """Positions and labels of the labelled users that the version was not trained on, in the users' order; empty
    where the training users are unknown."""
    positions, left = labelled(scored, labels)
    if scored.trained_on is None:
        positions, left = positions[:0], left[:0]
    else:
        is_unseen = ~scored.trained_on[positions]
        positions, left = positions[is_unseen], left[is_unseen]
    order = np.argsort(positions)  # labels come in any order, which would decide between equal probabilities
    return positions[order], left[order]
