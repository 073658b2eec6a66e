"""Decision trees of Spark ML as arrays, traversed by all records at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.predictors.sparkml.saved import Floats, Saved

_LEAF = -1


@dataclass(frozen=True, eq=False)
class Tree:
    """The N nodes of a tree, the root first.

    ``feature``, ``threshold``, ``left``, ``right`` (N,): where a node splits and where records go next, the left node
    being a leaf's ``_LEAF``. ``categories`` (N, C + 1): which categories go left, the last column for those that
    training did not have; ``categorical`` (N,) marks such nodes. ``prediction`` (N,) and ``stats`` (N, K): of leaves.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    categorical: NDArray[np.bool_]
    categories: NDArray[np.bool_]
    prediction: Floats
    stats: Floats

    def leaves(self, cells: Floats) -> NDArray[np.int64]:
        """The leaf (n,) that each record (n, M) reaches."""
        at = np.zeros(len(cells), dtype=np.int64)
        moving = np.arange(len(cells))
        while len(moving := moving[self.left[at[moving]] != _LEAF]):
            node = at[moving]
            values = cells[moving, self.feature[node]]
            goes_left = values <= self.threshold[node]
            if self.categorical.any():
                goes_left = np.where(self.categorical[node], self.categories[node, self._code(values)], goes_left)
            at[moving] = np.where(goes_left, self.left[node], self.right[node])
        return at

    def _code(self, values: Floats) -> NDArray[np.int64]:
        """The column of ``categories`` for each value."""
        last = self.categories.shape[1] - 1
        known = (values >= 0) & (values < last) & (values % 1 == 0)
        return np.where(known, values, last).astype(np.int64)


def tree_of(saved: Saved) -> Tree:
    """The tree of a saved decision tree."""
    return _tree(saved.rows())


def forest_of(saved: Saved) -> tuple[list[Tree], Floats]:
    """The trees of a saved forest or boosted model, and their weights."""
    nodes: dict[int, list[Mapping[str, Any]]] = {}
    for row in saved.rows():
        nodes.setdefault(row["treeID"], []).append(row["nodeData"])
    # Some versions of Spark name the columns _1, _2, _3, others treeID, metadata, weights.
    weights = {row[0]: row[2] for row in (list(row.values()) for row in saved.rows("treesMetadata"))}
    order = sorted(nodes)
    return [_tree(nodes[number]) for number in order], np.array([weights[number] for number in order])


def _tree(rows: Sequence[Mapping[str, Any]]) -> Tree:
    nodes = sorted(rows, key=lambda node: int(node["id"]))
    splits = [node["split"] for node in nodes]
    inner = [node["leftChild"] != _LEAF for node in nodes]
    categorical = [found and split["numCategories"] != -1 for found, split in zip(inner, splits, strict=True)]
    widest = max((split["numCategories"] for split, some in zip(splits, categorical, strict=True) if some), default=0)
    categories = np.zeros((len(nodes), widest + 1), dtype=bool)
    threshold = np.full(len(nodes), np.nan)
    for at, split in enumerate(splits):
        given = split["leftCategoriesOrThreshold"] if inner[at] else []
        if categorical[at]:
            categories[at] = _goes_left(given, split["numCategories"], widest)
        elif inner[at]:
            (threshold[at],) = given
    return Tree(
        feature=np.array([split["featureIndex"] for split in splits], dtype=np.int64),
        threshold=threshold,
        left=np.array([node["leftChild"] for node in nodes], dtype=np.int64),
        right=np.array([node["rightChild"] for node in nodes], dtype=np.int64),
        categorical=np.array(categorical),
        categories=categories,
        prediction=np.array([node["prediction"] for node in nodes], dtype=np.float64),
        stats=np.array([node["impurityStats"] for node in nodes], dtype=np.float64),
    )


def _goes_left(left: Sequence[float], number: int, widest: int) -> NDArray[np.bool_]:
    """Which of the categories 0 to widest - 1 go left, and whether others do.

    Spark stores the smaller side of a split and sends everything else to the other side.
    """
    row = np.full(widest + 1, len(left) > number // 2)
    row[:number] = False
    row[np.array(left, dtype=np.int64)] = True
    return row
