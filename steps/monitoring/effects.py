"""How far two samples of a column differ: effect sizes over the bins of the reference. Pure.

PSI, the population stability index, is the sum of (p - q) ln(p / q) over bins; Jensen-Shannon is the root of the
divergence in bits, from 0 to 1; Wasserstein is for numbers, in standard deviations of the reference. Each bin's count
gets a half (Jeffreys' prior; Krichevsky and Trofimov 1981), so that an empty bin gives no infinite value.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

BINS = 10
GRID = (np.arange(200) + 0.5) / 200  # quantiles of which Wasserstein is the mean difference
HALF = 0.5

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]
Column: TypeAlias = pa.Array | pa.ChunkedArray


@dataclass(frozen=True)
class Effect:
    psi: float
    jensen_shannon: float
    wasserstein: float | None  # None for categories


@dataclass(frozen=True)
class NumberBins:
    """At most ten bins of about equally many reference rows, equal values in one; then one for missing values."""

    edges: Numbers  # upper ends, all but the last

    def counts(self, column: Column) -> Counts:
        values = numbers(column)
        present = values[~np.isnan(values)]
        binned = np.bincount(np.searchsorted(self.edges, present, side="left"), minlength=len(self.edges) + 1)
        return np.append(binned, len(values) - len(present)).astype(np.int64)


@dataclass(frozen=True)
class CategoryBins:
    """One bin for each reference value, one for values that it does not have, one for missing values."""

    values: tuple[Any, ...]

    def counts(self, column: Column) -> Counts:
        times = {pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()}
        missing = times.pop(None, 0)
        known_values = [times.pop(value, 0) for value in self.values]
        return np.array([*known_values, sum(times.values()), missing], dtype=np.int64)


Bins = NumberBins | CategoryBins


class Reference:
    """A column to compare others with: its bins, and what is needed of its values."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.bins: Bins = _number_bins(numbers(column)) if is_number(column) else _category_bins(column)
        self.counts = self.bins.counts(column)

    def effect(self, column: Column) -> Effect:
        counts = self.bins.counts(column)
        shift = self._wasserstein(column) if isinstance(self.bins, NumberBins) else None
        return Effect(float(psi(self.counts, counts)), jensen_shannon(self.counts, counts), shift)

    @cached_property
    def _present(self) -> Numbers:
        values = numbers(self.column)
        return values[~np.isnan(values)]

    @cached_property
    def _quantiles(self) -> Numbers:
        return _quantiles(self._present)

    def _wasserstein(self, column: Column) -> float | None:
        """Infinite where a constant reference is compared with other values; None without values."""
        values = numbers(column)
        present = values[~np.isnan(values)]
        if not len(present) or not len(self._present):
            return None
        distance = float(np.abs(_quantiles(present) - self._quantiles).mean())
        deviation = float(self._present.std()) if self._present.min() != self._present.max() else 0.0
        if deviation == 0:
            return float("inf") if distance else 0.0
        return distance / deviation


def is_number(column: Column) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def numbers(column: Column) -> Numbers:
    """Doubles; NaN for missing values."""
    values = column.cast(pa.float64())
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return np.asarray(flat.fill_null(np.nan).to_numpy(zero_copy_only=False), dtype=np.float64)


def psi(reference: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """Over the last axis. Bins that are empty in both samples do not count."""
    p, q = _shares(reference, counts)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1), dtype=np.float64)


def jensen_shannon(reference: Counts, counts: Counts) -> float:
    p, q = _shares(reference, counts)
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2
    return float(np.sqrt(max(0.0, divergence)))


def _shares(reference: NDArray[Any], counts: NDArray[Any]) -> tuple[Numbers, Numbers]:
    used = ((reference > 0) | (counts > 0)).any(axis=tuple(range(np.ndim(counts) - 1)))
    p, q = reference[..., used] + HALF, counts[..., used] + HALF
    return p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)


def _quantiles(present: Numbers) -> Numbers:
    return np.asarray(np.quantile(present, GRID, method="inverted_cdf"), dtype=np.float64)


def _number_bins(values: Numbers) -> NumberBins:
    present = values[~np.isnan(values)]
    if not len(present):
        return NumberBins(np.array([], dtype=np.float64))
    distinct = np.unique(present)
    if len(distinct) == 1:  # bins below and above it: a constant that changes must show
        return NumberBins(np.array([np.nextafter(distinct[0], -np.inf), distinct[0]]))
    if len(distinct) <= BINS:
        return NumberBins(distinct[:-1])
    edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    return NumberBins(edges[edges < distinct[-1]])


def _category_bins(column: Column) -> CategoryBins:
    values = [value for value in pc.unique(column).to_pylist() if value is not None]
    return CategoryBins(tuple(sorted(values)))
