"""The small value between Spark and the metrics: how many rows fall into each cell of facet × label × prediction.

With a weight column the cells hold sums of weights; along with the sums of squared weights and the numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Numbers of rows (integers), or sums of weights or of squared weights (floats).
Cells = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True)
class Flips:
    """Flip-test counts over facet d: ``to_negative`` rows the model calls positive and their neighbours in a negative,
    ``to_positive`` the reverse; sums of weights with a weight column. ``error`` is set, and the counts are 0, when the
    test could not be run. ``note``: what distorts it, after the name of the metric that it is made for."""

    to_negative: float = 0
    to_positive: float = 0
    error: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class FacetCounts:
    """Row counts of one facet entry.

    ``cells`` (2, 2, 2): facet (0 = a, 1 = d) × observed label (0 negative, 1 positive) × prediction (0, 1), all rows.
    Without predictions everything is at prediction 0 and ``has_predictions`` is False.
    ``strata`` (G, 2, 2, 2): the same for each distinct non-null value of the group variable, None without one;
    rows whose group is missing are in ``cells`` only. ``multiplicity`` (G,): how many strata share that pattern of
    counts. With a weight column ``cells`` and ``strata`` are sums of weights, ``squares`` and ``strata_squares`` those
    of squared weights in the same places, ``counted`` (2, 2, 2) the numbers of rows; else all three are None.
    """

    cells: Cells
    has_predictions: bool
    strata: Cells | None = None
    multiplicity: NDArray[np.int64] | None = None
    flips: Flips | None = None
    squares: Cells | None = None
    strata_squares: Cells | None = None
    counted: NDArray[np.int64] | None = None

    @property
    def weighted(self) -> bool:
        """Whether ``cells`` are sums of weights."""
        return self.squares is not None

    @property
    def rows(self) -> Cells:
        """The numbers of rows (2, 2, 2), regardless of weights."""
        return self.cells if self.counted is None else self.counted


@dataclass(frozen=True)
class Confusion:
    """Rows, or their weights, by observed and predicted outcome: true and false positives, false and true negatives."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def rows(self) -> float:
        """All rows, n."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> float:
        """Rows with a positive observed label, n^(1)."""
        return self.tp + self.fn

    @property
    def negatives(self) -> float:
        """Rows with a negative observed label, n^(0)."""
        return self.fp + self.tn

    @property
    def predicted_positives(self) -> float:
        """Rows with a positive prediction, n̂^(1)."""
        return self.tp + self.fp

    @property
    def predicted_negatives(self) -> float:
        """Rows with a negative prediction, n̂^(0)."""
        return self.fn + self.tn


def confusion(cells: Cells) -> Confusion:
    """The confusion counts of (2, 2) cells: observed label × prediction."""
    return Confusion(tp=cells[1, 1].item(), fp=cells[0, 1].item(), fn=cells[1, 0].item(), tn=cells[0, 0].item())


def facet_a(counts: FacetCounts) -> Confusion:
    """The confusion counts of facet a: every row outside the entry, including those with a missing facet."""
    return confusion(counts.cells[0])


def facet_d(counts: FacetCounts) -> Confusion:
    """The confusion counts of facet d: the rows of the entry."""
    return confusion(counts.cells[1])


def everyone(counts: FacetCounts) -> Confusion:
    """The confusion counts of all rows; the same for every entry of a data set."""
    return confusion(counts.cells.sum(axis=0))
