"""Drift of features, predictions and target against a reference, as rows. Pure.

A column that advances by itself, such as months_active, drifts in any company whose users stay. It is compared with
what it should have become for the users that are in both samples; its plain effect is recorded as PSI_plain.
"""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steps.monitoring import thresholds
from steps.monitoring.effects import Column, Effect, Reference
from steps.monitoring.rows import ALL, Row, Verdict
from steps.monitoring.samples import Pair
from steps.month.rules import AcrossMonths

DRIFT_SHARE_ALARM = 0.3  # of the version's features
TARGET_WATCH = 0.05  # of the users, more or fewer who leave
MIN_IN_BOTH = 50  # users, to compare a column that advances
NORMAL_95 = 1.959963984540054

Rules = Mapping[str, AcrossMonths]


def of_features(pair: Pair, rules: Rules, comparisons: int) -> list[Row]:
    """rules: of the version's features, and of no other column. comparisons: in the whole run, judged together."""
    rows: list[Row] = []
    for name, rule in rules.items():
        rows += _of_feature(pair, name, rule, comparisons)
    drifted = [row.slice for row in rows if row.metric == "PSI" and row.verdict == "watch"]
    share = len(drifted) / len(rules)
    alarm = share >= DRIFT_SHARE_ALARM
    reason = f"{len(drifted)} of {len(rules)} features drifted against {_name(pair)}" if alarm else ""
    verdict: Verdict = "alarm" if alarm else "ok"
    rows.append(
        Row("drift_share", "features", len(rules), share, verdict=verdict, reference=_name(pair),
            threshold=DRIFT_SHARE_ALARM, reason=reason)
    )  # fmt: skip
    return rows


def _of_feature(pair: Pair, name: str, rule: AcrossMonths, comparisons: int) -> list[Row]:
    now, before = pair.now.columns[name], pair.before.columns[name]
    if _is_comparable(pair, rule):
        expected, actual = pair.expected(name, rule.advances_by)
        plain = Reference(before).effect(now)
        recorded = Row("PSI_plain", name, len(now), plain.psi, reference=_name(pair))
        return [*_rows(pair, name, expected, actual, comparisons), recorded]
    return _rows(pair, name, before, now, comparisons)


def _is_comparable(pair: Pair, rule: AcrossMonths) -> bool:
    by = rule.advances_by
    return bool(by) and (isinstance(by, int) or by in pair.before.columns) and pair.users >= MIN_IN_BOTH


def _rows(pair: Pair, name: str, before: Column, now: Column, comparisons: int) -> list[Row]:
    reference = Reference(before)
    effect = reference.effect(now)
    threshold = thresholds.of_feature(reference.counts, len(now), comparisons)
    return _effect_rows((name, _name(pair)), len(now), effect, threshold)


def _effect_rows(of: tuple[str, str], users: int, effect: Effect, threshold: float) -> list[Row]:
    """of: feature and reference."""
    name, reference = of
    drifted = effect.psi > threshold
    reason = f"{name} drifted against {reference}: PSI {effect.psi:.4f}, threshold {threshold:.4f}"
    verdict: Verdict = "watch" if drifted else "ok"
    rows = [
        Row("PSI", name, users, effect.psi, verdict=verdict, reference=reference, threshold=threshold,
            reason=reason if drifted else ""),
        Row("jensen_shannon", name, users, effect.jensen_shannon, reference=reference),
    ]  # fmt: skip
    if effect.wasserstein is not None and math.isfinite(effect.wasserstein):
        rows.append(Row("wasserstein_deviations", name, users, effect.wasserstein, reference=reference))
    return rows


def of_predictions(
    before: NDArray[np.float64], now: NDArray[np.float64], reference: str, comparisons: int
) -> list[Row]:
    """Probabilities of users that the version was never trained on: its training users' are not comparable."""
    if not len(before) or not len(now):
        return []
    compared = Reference(pa.array(before))
    effect = compared.effect(pa.array(now))
    threshold = thresholds.of_feature(compared.counts, len(now), comparisons)
    return _effect_rows(("probability", reference), len(now), effect, threshold)


def of_target(then: NDArray[np.bool_], current: NDArray[np.bool_], reference: str) -> list[Row]:
    """The difference between the shares who leave, of dated labels, with its 95% interval."""
    if not len(then) or not len(current):
        return []
    shares = [float(values.mean()) for values in (then, current)]
    error = math.sqrt(sum(p * (1 - p) / len(v) for p, v in zip(shares, (then, current), strict=True)))
    difference = shares[1] - shares[0]
    low, high = difference - NORMAL_95 * error, difference + NORMAL_95 * error
    watch = abs(difference) >= TARGET_WATCH and (low > 0 or high < 0)
    text = f"the share who leave went from {shares[0]:.4f} to {shares[1]:.4f} ({reference})"
    return [
        Row("target_share_before", ALL, len(then), shares[0], reference=reference),
        Row("target_share", ALL, len(current), shares[1]),
        Row("target_drift", ALL, len(current), difference, low, high, "watch" if watch else "ok", reference,
            TARGET_WATCH, text if watch else ""),
    ]  # fmt: skip


def _name(pair: Pair) -> str:
    return f"{pair.before.name} {pair.before.as_of}"
