"""How much each feature moves the scores in a month, and in the month before: the mean absolute contribution over the
same sample of users. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from steps.monitoring.rows import Row
from steps.registry.explained import Explained

CONTRIBUTION, CHANGE = "contribution", "contribution_change"
NORMAL_95 = 1.96
# of the sum of all features' contributions; a version leans on other features than a month ago
LARGEST_SHIFT = 0.1

Matrix = NDArray[np.float64]


def compare(before: Explained | None, now: Explained | None, reference: str) -> list[Row]:
    """The scale is the reference of the month's own figures. before: of the month with the name `reference`."""
    if now is None:
        return []
    rows = [_of_month(now, nth) for nth in _largest_first(now)]
    if before is None:
        return rows
    return rows + [_change(before, now, nth, reference) for nth in _largest_first(now)]


def _largest_first(explained: Explained) -> Sequence[int]:
    return [int(nth) for nth in np.argsort(-_means(explained), kind="stable")]


def _means(explained: Explained) -> Matrix:
    return np.asarray(np.abs(explained.contributions).mean(axis=0))


def _variance(explained: Explained, nth: int) -> float:
    """Of the mean."""
    sizes = np.abs(explained.contributions[:, nth])
    return float(sizes.var() / len(sizes))


def _of_month(explained: Explained, nth: int) -> Row:
    mean, half = float(_means(explained)[nth]), NORMAL_95 * _variance(explained, nth) ** 0.5
    users = len(explained.contributions)
    return Row(CONTRIBUTION, explained.features[nth], users, mean, mean - half, mean + half, reference=explained.scale)


def _change(before: Explained, now: Explained, nth: int, reference: str) -> Row:
    means = _means(before), _means(now)
    change = float(means[1][nth] - means[0][nth])
    # as of two independent samples: too wide where the same users are in both months
    half = NORMAL_95 * (_variance(before, nth) + _variance(now, nth)) ** 0.5
    shares = [float(mean[nth] / mean.sum()) if mean.sum() else 0.0 for mean in means]
    shifted = abs(shares[1] - shares[0]) >= LARGEST_SHIFT
    name = now.features[nth]
    reason = (
        f"{name} makes {shares[1]:.0%} of the contributions to the scores, after {shares[0]:.0%} in the {reference}"
    )
    return Row(
        CHANGE, name, len(now.contributions), change, change - half, change + half,
        verdict="watch" if shifted else "ok", reference=reference, reason=reason if shifted else "",
    )  # fmt: skip
