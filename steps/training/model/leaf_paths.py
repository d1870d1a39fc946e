"""The paths to the leaves of a forest or of boosting, in the form that tree_shap.py computes with.

On the way to a leaf, all splits on one column make one interval of that column. With the interval goes `kept`: the
product of the shares of the training rows that these splits passed on.
Must not import other files of the project: this file is copied into the model."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[Any]
Matrix = NDArray[np.float64]

NODES_AT_ONCE = 100_000
# A larger forest would take gigabytes and seconds a row
MOST_NODES = 4_000_000


class Tree(NamedTuple):
    """By node. left: -1 for a leaf. A row goes left if its value is at most the threshold. value: of leaves."""

    left: Ints
    right: Ints
    column: Ints
    threshold: Matrix
    rows: Matrix  # training rows, weighted as the tree was
    value: Matrix


class Leaves(NamedTuple):
    """Leaves with the same number of columns on their paths: (columns, leaves), sorted by the columns."""

    column: Ints
    lowest: Ints  # code from which on a value is within the interval
    width: Ints  # difference between the highest code and the lowest
    kept: Matrix
    value: Matrix  # (leaves)


class _Paths(NamedTuple):
    """(nodes, columns) of one level of the trees."""

    lowest: Ints
    highest: Ints
    kept: Matrix
    used: NDArray[np.bool_]

    def at(self, chosen: Any) -> "_Paths":
        return _Paths(*(part[chosen] for part in self))


class Paths:
    """cuts: the thresholds of each column. A value's code is the number of thresholds below it. leaves: those whose
    value is not 0, by the number of columns on their paths. mean: of the trees' values over the training rows."""

    def __init__(self, trees: Sequence[Tree], columns: int) -> None:
        """Raises OverflowError for too many nodes."""
        if sum(len(tree.left) for tree in trees) > MOST_NODES:
            raise OverflowError(f"More than {MOST_NODES} nodes: too many to explain a prediction")
        whole = _joined(trees)
        splits = whole.left >= 0
        self.cuts = [np.unique(whole.threshold[splits & (whole.column == column)]) for column in range(columns)]
        most = max(map(len, self.cuts), default=0)
        self.code_type = np.dtype(np.uint16 if most < np.iinfo(np.uint16).max else np.uint32)
        parts = [part for some in _some_at_once(trees) for part in self._leaves(_joined(some), len(some))]
        self.leaves = _by_length(parts, columns)
        self.mean = float(sum(value @ paths.kept.prod(axis=1) for paths, value in parts))

    def codes(self, matrix: Matrix) -> Ints:
        """(rows, columns) -> (columns, rows)"""
        coded = [np.searchsorted(cuts, matrix[:, column]) for column, cuts in enumerate(self.cuts)]
        return np.stack(coded).astype(self.code_type)

    def _leaves(self, tree: Tree, trees: int) -> Iterator[tuple[_Paths, Matrix]]:
        """Level by level, all trees together. The roots are the first nodes."""
        code = self._codes_of_thresholds(tree)
        size = (trees, len(self.cuts))
        highest = np.tile(np.array([len(cuts) for cuts in self.cuts], self.code_type), (trees, 1))
        paths = _Paths(np.zeros(size, self.code_type), highest, np.ones(size), np.zeros(size, np.bool_))
        node = np.arange(trees)
        while len(node):
            leaf = tree.left[node] < 0
            counts = leaf & (tree.value[node] != 0)
            yield paths.at(counts), tree.value[node[counts]]
            parent, paths = node[~leaf], paths.at(~leaf)
            node = np.concatenate([tree.left[parent], tree.right[parent]])
            sides = [_narrowed(paths, tree, code, parent, child) for child in (tree.left, tree.right)]
            paths = _Paths(*(np.concatenate(both) for both in zip(*sides, strict=True)))

    def _codes_of_thresholds(self, tree: Tree) -> Ints:
        code = np.zeros(len(tree.left), self.code_type)
        for column, cuts in enumerate(self.cuts):
            nodes = np.flatnonzero((tree.left >= 0) & (tree.column == column))
            code[nodes] = np.searchsorted(cuts, tree.threshold[nodes])
        return code


def _narrowed(paths: _Paths, tree: Tree, code: Ints, parent: Ints, child: Ints) -> _Paths:
    """The parents' paths, continued to one side: `child` is tree.left or tree.right."""
    lowest, highest, kept, used = paths.lowest.copy(), paths.highest.copy(), paths.kept.copy(), paths.used.copy()
    row, column = np.arange(len(parent)), tree.column[parent]
    if child is tree.left:
        highest[row, column] = np.minimum(highest[row, column], code[parent])
    else:
        lowest[row, column] = np.maximum(lowest[row, column], code[parent] + 1)
    kept[row, column] *= tree.rows[child[parent]] / tree.rows[parent]
    used[row, column] = True
    return _Paths(lowest, highest, kept, used)


def _by_length(parts: Sequence[tuple[_Paths, Matrix]], columns: int) -> list[Leaves]:
    if not parts:
        return []
    paths = _Paths(*(np.concatenate(part) for part in zip(*(paths for paths, _ in parts), strict=True)))
    value = np.concatenate([value for _, value in parts])
    lengths = paths.used.sum(axis=1)
    groups = []
    for length in range(1, columns + 1):
        nth = np.flatnonzero(lengths == length)
        if not len(nth):
            continue
        column = np.nonzero(paths.used[nth])[1].reshape(-1, length)
        order = np.lexsort(column.T[::-1])
        nth, column = nth[order], column[order]
        lowest, highest, kept = (
            np.ascontiguousarray(np.take_along_axis(part[nth], column, axis=1).T) for part in paths[:3]
        )
        groups.append(Leaves(np.ascontiguousarray(column.T), lowest, highest - lowest, kept, value[nth]))
    return groups


def _joined(trees: Sequence[Tree]) -> Tree:
    """All trees' nodes; the roots first, in their order."""
    sizes = np.array([len(tree.left) for tree in trees])
    starts = np.cumsum([0, *sizes[:-1]])
    place = np.empty(sizes.sum(), np.int64)  # of each node in the new order
    below = np.ones(sizes.sum(), np.bool_)
    below[starts] = False
    place[starts] = np.arange(len(trees))
    place[below] = np.arange(len(trees), len(place))
    left, right = (
        np.concatenate([np.where(side < 0, -1, place[side + start]) for side, start in zip(sides, starts, strict=True)])
        for sides in ([tree.left for tree in trees], [tree.right for tree in trees])
    )
    rest = [np.concatenate(part) for part in list(zip(*trees, strict=True))[2:]]
    order = np.argsort(place)
    return Tree(*(part[order] for part in (left, right, *rest)))


def _some_at_once(trees: Sequence[Tree]) -> Iterator[Sequence[Tree]]:
    start = size = 0
    for end, tree in enumerate(trees, 1):
        size += len(tree.left)
        if size >= NODES_AT_ONCE or end == len(trees):
            yield trees[start:end]
            start, size = end, 0
