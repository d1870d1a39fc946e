"""A forest's trees in one compact table, traversed for many rows and trees at once.

scikit-learn's nodes take 64 bytes: a forest with half a million of them does not fit a core's cache, and a batch of 64
rows waited 7 ms for memory. Here a node takes 8 bytes, and a step is a few numpy calls for all rows and trees together.
Must not import other files of the project: this file is copied into the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Matrix = NDArray[np.float64]

KEY_BITS = 32
# Rows traversed together: more no longer fit the cache.
ROWS_AT_ONCE = 256
# Steps before the first check for paths that have ended, and between later checks; measured.
STEPS_AT_FIRST, STEPS_MORE = 8, 3


class PackedForest:
    """Decision trees with one output (`sklearn.tree.DecisionTreeClassifier.tree_`), for rows without missing values.

    A node is one integer: its threshold's key, its feature and the index of its left child; the right child follows
    that one. A leaf is its own left child and has the largest key: a path that has ended stays where it is.
    """

    def __init__(self, trees: Sequence[Any], features: int) -> None:
        """Raises OverflowError when the nodes and features are too many for a node's 64 bits."""
        self._feature_bits = max(features - 1, 1).bit_length()
        self._child_bits = KEY_BITS - self._feature_bits
        sizes = [tree.node_count for tree in trees]
        if sum(sizes) > 1 << self._child_bits:
            raise OverflowError(f"{sum(sizes)} nodes of {features} features do not fit")
        self._roots = np.cumsum([0, *sizes[:-1]])
        self._nodes = np.empty(sum(sizes), np.int64)
        self._values = np.empty((sum(sizes), trees[0].value.shape[2]))
        for root, size, tree in zip(self._roots.tolist(), sizes, trees, strict=True):
            order = _siblings_together(tree)
            self._nodes[root : root + size] = self._packed(tree, order, root)
            self._values[root : root + size] = tree.value[order, 0]

    def _packed(self, tree: Any, order: Ints, root: int) -> Ints:
        position = np.empty_like(order)
        position[order] = np.arange(len(order))
        left = tree.children_left[order]
        leaf = left < 0
        child = root + np.where(leaf, np.arange(len(order)), position[left])
        key = np.where(leaf, np.iinfo(np.int32).max, _keys(_rounded_down(tree.threshold[order])))
        feature = np.where(leaf, 0, tree.feature[order])
        return np.asarray((key << KEY_BITS) | (feature << self._child_bits) | child)

    def mean(self, matrix: Matrix) -> Matrix:
        """(rows, features) -> (rows, classes): the trees' mean, as a RandomForestClassifier with n_jobs=1 computes it
        on float32, added up in float64 in the order of the trees. Raises OverflowError for numbers beyond float32."""
        with np.errstate(over="ignore"):
            rows = matrix.astype(np.float32)
        if not np.isfinite(rows).all():
            raise OverflowError("A number is too large for a tree")
        parts = [self._mean(rows[start : start + ROWS_AT_ONCE]) for start in range(0, len(rows), ROWS_AT_ONCE)]
        return np.concatenate(parts or [np.empty((0, self._values.shape[1]))])

    def _mean(self, rows: NDArray[np.float32]) -> Matrix:
        leaves = self._leaves(_keys(rows).T.ravel(), len(rows))
        by_tree = self._values.take(leaves, axis=0, mode="wrap").reshape(len(self._roots), -1)
        total: Matrix = np.add.reduce(by_tree, axis=0)
        return total.reshape(len(rows), -1) / len(self._roots)

    def _leaves(self, keys: Ints, rows: int) -> Ints:
        """(trees * rows): the node where each row ends in each tree. keys: (features * rows)."""
        row = np.tile(np.arange(rows), len(self._roots))
        node = self._traversed(np.repeat(self._roots, rows), row, keys, rows, STEPS_AT_FIRST)
        ended = np.empty_like(node)
        path = np.arange(len(node))
        while len(path):
            after = self._traversed(node, row, keys, rows, STEPS_MORE)
            ended[path] = after
            going = np.flatnonzero(after != node)
            path, node, row = path.take(going), after.take(going), row.take(going)
        return ended

    def _traversed(self, node: Ints, row: Ints, keys: Ints, rows: int, steps: int) -> Ints:
        for _ in range(steps):
            packed = self._nodes.take(node, mode="wrap")  # no index is out of range: "wrap" skips the check
            value = packed >> self._child_bits
            value &= (1 << self._feature_bits) - 1
            value *= rows
            value += row
            goes_right = keys.take(value, mode="wrap") > (packed >> KEY_BITS)
            node = packed
            node &= (1 << self._child_bits) - 1
            node += goes_right
        return node


def _siblings_together(tree: Any) -> Ints:
    """The nodes' numbers, level by level from the root, each left child followed by its right sibling."""
    levels = [np.zeros(1, np.int64)]
    while len(levels[-1]):
        parents = levels[-1][tree.children_left[levels[-1]] >= 0]
        levels.append(np.stack([tree.children_left[parents], tree.children_right[parents]], axis=1).ravel())
    return np.concatenate(levels)


def _rounded_down(thresholds: Matrix) -> NDArray[np.float32]:
    """float32 thresholds to which every float32 compares as to the float64 ones."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _keys(numbers: NDArray[np.float32]) -> Ints:
    """Integers in the order of the numbers: a float's bits are, except that they run backwards below zero."""
    bits = np.ascontiguousarray(numbers).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & np.iinfo(np.int32).max), bits)
