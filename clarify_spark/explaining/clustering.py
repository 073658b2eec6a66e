"""A few weighted rows that represent many: the real rows nearest to the centres of clusters.

All-numeric rows are clustered by k-means, others by k-prototypes (Huang 1998): the squared distance of two rows is the
sum of squared differences of their numbers plus GAMMA for each category in which they differ. Numbers are ranks with
variance 1, so that neither units nor outliers nor rare flags dominate the clusters (docs/decisions/0007).

The distance is the squared Euclidean one of points in which a category is sqrt(GAMMA / 2) in a column of its own and 0
in the others, so scikit-learn's KMeans does both. Its centres hold the shares of all categories of a cluster where
k-prototypes keep the most frequent one; no centre becomes a row, so nothing has to be rounded back.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarify_spark.errors import CommandError

Floats = NDArray[np.float64]

#: Huang's weight of a category: half the mean standard deviation of the numbers, which is 1.
GAMMA = 0.5
#: Categories of a column that count individually: the most frequent ones; all others count as one.
MOST_CATEGORIES = 50
#: Columns for all categories together, or two per feature; to fit, fewer categories of each count individually.
MOST_COLUMNS = 500
#: The number of clusters is chosen from 1 to this.
MOST_CHOSEN = 12
#: It is the smallest that removes this share of the spread that MOST_CHOSEN clusters remove.
ENOUGH = 0.9
CRITERION = (
    f"the fewest clusters that take away at least {ENOUGH:.0%} of the spread (sum of squared distances to the centres) "
    f"that {MOST_CHOSEN} clusters take away"
)
#: Rows that are clustered: at most this many, fewer when they have many features, more when many clusters are wanted.
SAMPLE_ROWS = 3_000
SAMPLE_CELLS = 1_000_000
SAMPLE_PER_CLUSTER = 10
_STARTS = 3


@dataclass(frozen=True)
class Attribute:
    """The values of one feature in the sampled rows (None or NaN: missing), and whether they are categories."""

    values: Sequence[Any]
    categorical: bool


@dataclass(frozen=True, eq=False)
class Prototypes:
    """Positions (k,) of rows, ascending, and the shares (k,) of all rows that each represents.

    ``spreads``: the sum of squared distances to the centres for each number of clusters tried, the first for 1 cluster.
    """

    positions: NDArray[np.int64]
    shares: Floats
    spreads: dict[int, float]


@dataclass(frozen=True, eq=False)
class _Clusters:
    labels: NDArray[np.int64]
    centres: Floats
    spread: float


def sample_size(features: int, clusters: int | None) -> int:
    """How many rows are sampled from the data to be clustered."""
    return max(min(SAMPLE_ROWS, SAMPLE_CELLS // max(1, features)), SAMPLE_PER_CLUSTER * (clusters or MOST_CHOSEN))


def points(attributes: Sequence[Attribute]) -> Floats:
    """Points (n, d) with the distances of k-prototypes; features that do not vary have no column."""
    categorical = sum(one.categorical for one in attributes)
    kept = max(1, min(MOST_CATEGORIES, MOST_COLUMNS // max(1, categorical) - 1))
    columns = [_shares(one.values, kept) if one.categorical else _ranks(one.values) for one in attributes]
    return np.ascontiguousarray(np.column_stack(columns)) if columns else np.zeros((0, 0))


def prototypes(rows: Floats, clusters: int | None, seed: int) -> Prototypes:
    """The rows nearest to the centres of that many clusters, or of as many as CRITERION says; points (n, d), n > 0."""
    most = min(MOST_CHOSEN if clusters is None else clusters, len(np.unique(rows, axis=0)) if rows.shape[1] else 1)
    tried = {1: _one(rows)}
    for number in range(2, most + 1) if clusters is None else range(most, most + (most > 1)):
        tried[number] = _clustered(rows, number, seed)
    spreads = {number: found.spread for number, found in tried.items()}
    chosen = tried[_enough(spreads) if clusters is None else most]
    labels = np.unique(chosen.labels)
    nearest = np.array([_nearest(rows, chosen, label) for label in labels], dtype=np.int64)
    sizes = np.array([np.count_nonzero(chosen.labels == label) for label in labels], dtype=np.float64)
    order = np.argsort(nearest)
    return Prototypes(nearest[order], sizes[order] / len(rows), spreads)


def _enough(spreads: dict[int, float]) -> int:
    """The smallest number of clusters whose spread is close enough to that of the most."""
    least = min(spreads.values())
    limit = spreads[1] - ENOUGH * (spreads[1] - least)
    return min(number for number, spread in spreads.items() if spread <= limit)


# --- points ---------------------------------------------------------------------------------------------------------


def _ranks(values: Sequence[Any]) -> Floats:
    """The numbers as mean ranks (n, 1), missing ones in the middle; (n, 0) when they are all the same.

    Ranks are scaled so that numbers of which no two are equal have variance 1.
    """
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    missing = np.isnan(numbers)
    known, place, counts = np.unique(numbers[~missing], return_inverse=True, return_counts=True)
    ranks = np.full(len(numbers), 0.5)
    if len(known) > 1:
        ranks[~missing] = ((np.cumsum(counts) - counts / 2) / counts.sum())[place]
    return np.sqrt(12.0) * ranks[:, np.newaxis] if len(known) > 1 else np.zeros((len(numbers), 0))


def _shares(values: Sequence[Any], kept: int) -> Floats:
    """Categories (n, c) as columns that hold sqrt(GAMMA / 2) where a row has the category; missing is one of them."""
    texts = ["" if _missing(value) else f"={value!r}" for value in values]
    frequent = sorted(Counter(texts).items(), key=lambda counted: (-counted[1], counted[0]))
    place = {text: min(rank, kept) for rank, (text, _) in enumerate(frequent)}
    if len(place) < 2:
        return np.zeros((len(texts), 0))
    cells = np.zeros((len(texts), max(place.values()) + 1))
    cells[np.arange(len(texts)), [place[text] for text in texts]] = np.sqrt(GAMMA / 2)
    return cells


def _missing(value: Any) -> bool:
    return value is None or bool(value != value)


# --- clusters -------------------------------------------------------------------------------------------------------


def _one(rows: Floats) -> _Clusters:
    centre = rows.mean(axis=0, keepdims=True)
    return _Clusters(np.zeros(len(rows), np.int64), centre, float(_squares(rows - centre).sum()))


def _clustered(rows: Floats, clusters: int, seed: int) -> _Clusters:
    """That many clusters; in one thread, since sums over several depend on which finishes first."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        raise CommandError(
            "A baseline computed from the data needs scikit-learn, which is not installed: "
            "pip install 'clarify-spark[sklearn]', or give methods.shap.baseline."
        ) from error
    starts = _STARTS if clusters <= MOST_CHOSEN else 1
    model = KMeans(clusters, n_init=starts, random_state=seed % 2**32, copy_x=True)
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows that differ by a rounding error form fewer clusters
        model.fit(rows)
    return _Clusters(model.labels_.astype(np.int64), model.cluster_centers_, float(model.inertia_))


def _nearest(rows: Floats, clusters: _Clusters, label: int) -> int:
    """The member of a cluster nearest to its centre, the first of several."""
    members = np.flatnonzero(clusters.labels == label)
    return int(members[np.argmin(_squares(rows[members] - clusters.centres[label]))])


def _squares(differences: Floats) -> Floats:
    squares: Floats = (differences**2).sum(axis=1)
    return squares
