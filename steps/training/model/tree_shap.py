"""Exact Shapley values of tree ensembles, path-dependent: TreeSHAP (Lundberg et al., 2020), vectorised.

For one leaf, a set S of known columns is worth
    value * product over the path's columns of (1 or 0: is the row within the interval) if in S, else `kept`.
The Shapley value of a column of such a product is an integral over t from 0 to 1 of
    value * (within - kept) * product over the other columns of (kept + t * (within - kept)),
a polynomial of t, which as many Gauss-Legendre points as half the columns integrate exactly. docs/decisions/0087 has
the alternatives and their times.
Must not import other files of the project: this file is copied into the model."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
Matrix = NDArray[np.float64]

# A leaf's values depend on which of its columns are within their intervals: with so many columns at most, a table of
# all patterns pays off for many rows, and for any number of rows where all tables together are small enough to keep.
LONGEST_PATH_OF_TABLE = 12
MANY_ROWS = 400
LARGEST_KEPT = 1 << 22  # numbers in tables
NUMBERS_AT_ONCE = 1 << 18  # measured: of a table, and of rows times leaves


class TreeShap:
    """paths: leaf_paths.Paths"""

    def __init__(self, paths: Any) -> None:
        self.paths = paths
        tabled = [leaves for leaves in paths.leaves if len(leaves.column) <= LONGEST_PATH_OF_TABLE]
        numbers = sum(leaves.column.size << len(leaves.column) for leaves in tabled)
        small = len(tabled) == len(paths.leaves) and numbers <= LARGEST_KEPT
        self._kept = [table for leaves in tabled for table in _tables(leaves)] if small else None

    def values(self, matrix: Matrix) -> Matrix:
        """(rows, columns) -> the same: what each column adds to the mean of the trees' values."""
        codes = self.paths.codes(matrix)
        total = np.zeros(codes.shape)
        if self._kept is not None:
            for table in self._kept:
                table.add_to(total, codes)
            return total.T
        if len(matrix) < MANY_ROWS:
            for leaves in self.paths.leaves:
                _add_row_by_row(leaves, codes, total)
            return total.T
        # numpy lets other threads compute. No request of the gateway has so many rows in one call
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for added in threads.map(partial(_of_many_rows, codes), self.paths.leaves):
                total += added
        return total.T


def _points(length: int) -> tuple[Matrix, Matrix]:
    """Points from 0 to 1 and their weights, for a path with so many columns."""
    points, weights = np.polynomial.legendre.leggauss((length + 1) // 2)
    return (points + 1) / 2, weights / 2


def _some(leaves: Any, most: int) -> Iterator[Any]:
    for start in range(0, len(leaves.value), most):
        yield type(leaves)(*(part[..., start : start + most] for part in leaves))


def _of_many_rows(codes: Ints, leaves: Any) -> Matrix:
    total = np.zeros(codes.shape)
    if len(leaves.column) > LONGEST_PATH_OF_TABLE:
        _add_row_by_row(leaves, codes, total)
        return total
    for table in _tables(leaves):
        table.add_to(total, codes)
    return total


def _add_row_by_row(leaves: Any, codes: Ints, total: Matrix) -> None:
    points = list(zip(*(part.tolist() for part in _points(len(leaves.column))), strict=True))
    for some in _some(leaves, max(1, NUMBERS_AT_ONCE // len(leaves.column))):
        factor, values = np.empty_like(some.kept), np.empty_like(some.kept)
        for row in range(codes.shape[1]):
            code = codes[:, row].take(some.column, mode="wrap")  # no index is out of range: "wrap" skips the check
            code -= some.lowest
            gain = (code <= some.width) - some.kept
            values[:] = 0
            for t, weight in points:
                np.multiply(gain, t, out=factor)
                factor += some.kept
                product = np.multiply.reduce(factor, axis=0)
                product *= some.value * weight
                values += np.divide(product, factor, out=factor)
            values *= gain
            total[:, row] += np.bincount(some.column.ravel(), values.ravel(), minlength=len(total))


class _Table(NamedTuple):
    """The values of some leaves for all patterns: (leaves, columns of the path, patterns), flat. A pattern is a number
    with a bit for each column of the path, the first column's the highest."""

    leaves: Any
    values: Matrix
    begins: Ints  # (columns of the path, leaves, 1): where its values begin
    starts: Ints  # among columns of the path and leaves, in this order: where another column of the matrix begins
    columns: Ints  # and which

    def add_to(self, total: Matrix, codes: Ints) -> None:
        rows = max(1, NUMBERS_AT_ONCE // self.begins.size)
        for start in range(0, codes.shape[1], rows):
            self._add_to(total[:, start : start + rows], codes[:, start : start + rows])

    def _add_to(self, total: Matrix, codes: Ints) -> None:
        code = codes[self.leaves.column]  # (columns of the path, leaves, rows)
        code -= self.leaves.lowest[:, :, None]
        pattern = np.zeros(code.shape[1:], np.int64)
        for within in code <= self.leaves.width[:, :, None]:
            pattern += pattern
            pattern += within
        values = self.values.take(self.begins + pattern, mode="wrap").reshape(self.begins.size, -1)
        np.add.at(total, self.columns, np.add.reduceat(values, self.starts, axis=0))


def _tables(leaves: Any) -> Iterator[_Table]:
    length = len(leaves.column)
    points, weights = _points(length)
    for some in _some(leaves, max(1, NUMBERS_AT_ONCE // (length << length))):
        values = _values(some.kept, points, weights * some.value[:, None])
        begins = (np.arange(length)[:, None, None] + np.arange(len(some.value))[:, None] * length) << length
        column = some.column.ravel()
        starts = np.flatnonzero(np.append(True, column[1:] != column[:-1]))
        yield _Table(some, values.ravel(), begins, starts, column[starts])


def _values(kept: Matrix, points: Matrix, weights: Matrix) -> Matrix:
    """weights: (leaves, points). Returns (leaves, columns, patterns), from the products of each half of the columns."""
    length, leaves = kept.shape
    half, rest = length // 2, length - length // 2
    product_a, gains_a = _half(kept[:half], points)
    product_b, gains_b = _half(kept[half:], points)
    values = np.empty((leaves, length, 1 << half, 1 << rest))
    for nth in range(half):
        np.matmul((gains_a[:, :, nth] * weights[:, :, None]).swapaxes(1, 2), product_b, out=values[:, nth])
    weighted = (product_a * weights[:, :, None]).swapaxes(1, 2)
    for nth in range(rest):
        np.matmul(weighted, gains_b[:, :, nth], out=values[:, half + nth])
    return values


def _half(kept: Matrix, points: Matrix) -> tuple[Matrix, Matrix]:
    """For some columns of a path, all their patterns: (leaves, points, patterns) the product of the columns' factors,
    and (leaves, points, columns, patterns) for each column the product of the others', times what it gains."""
    columns = len(kept)
    bits = (np.arange(1 << columns) >> np.arange(columns - 1, -1, -1)[:, None]) & 1
    share = kept.T[:, None, :, None]
    gain = bits - share
    factor = gain * points[:, None, None] + share
    product = np.multiply.reduce(factor, axis=2)
    return product, product[:, :, None] / factor * gain
