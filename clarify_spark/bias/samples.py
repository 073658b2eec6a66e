"""The two groups of every comparison as arrays, and what an effective count of weighted rows is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.proportions import Floats

A, D = 0, 1
Mask = NDArray[np.bool_]
#: For each comparison (E,) why its sample is too small, None where it is not.
Reasons = list[str | None]
#: Which of the (2, 2) cells observed label × prediction an outcome consists of.
ALL = np.ones((2, 2), bool)
POSITIVE = np.array([[0, 0], [1, 1]], bool)
PREDICTED = np.array([[0, 1], [0, 1]], bool)
TRUE_POSITIVE, TRUE_NEGATIVE = POSITIVE & PREDICTED, ~POSITIVE & ~PREDICTED
FALSE_POSITIVE, FALSE_NEGATIVE = ~POSITIVE & PREDICTED, POSITIVE & ~PREDICTED
CORRECT = TRUE_POSITIVE | TRUE_NEGATIVE


@dataclass(frozen=True)
class Samples:
    """E comparisons: ``cells`` (E, 2, 2, 2) rows or weights, facet (0 = a, 1 = d) × observed label × prediction, and
    ``squares`` in the same places the sums of squared weights (the cells again when every row weighs 1)."""

    cells: Floats
    squares: Floats

    def total(self, group: int, outcome: Mask) -> Floats:
        """The rows or weights (E,) of an outcome in a group."""
        return np.asarray(self.cells[:, group, outcome].sum(axis=1))

    def effective(self, group: int, success: Mask, trial: Mask) -> tuple[Floats, Floats]:
        """Successes and trials (E,) of an unweighted sample that is as precise; the counts themselves without weights.

        The effective number of trials is p (1 − p) / v, v the linearised variance of the weighted proportion p, and
        Kish's (Σw)² / Σw² where p is 0 or 1.
        """
        weight, squares = self.total(group, trial), self.squares[:, group, trial].sum(axis=1)
        won, won_squares = self.total(group, success), self.squares[:, group, success].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = won / weight
            spread = won_squares * (1 - share) ** 2 + (squares - won_squares) * share**2
            linearised, kish = share * (1 - share) * weight**2 / spread, weight**2 / squares
        trials = np.where((share > 0) & (share < 1) & (spread > 0), linearised, kish)
        trials = np.where(self.weighted, trials, weight)
        trials = np.where(weight > 0, trials, 0.0)
        return np.where(self.weighted, np.where(trials > 0, share, 0.0) * trials, won), trials

    @property
    def weighted(self) -> Mask:
        """Whether rows have weights other than 1 (E,)."""
        return np.asarray((self.cells != self.squares).any(axis=(1, 2, 3)))

    def __getitem__(self, places: NDArray[np.intp]) -> Samples:
        return Samples(self.cells[places], self.squares[places])


@dataclass(frozen=True)
class Batch:
    """E comparisons of which one metric has a value, with its ``values`` (E,), the level of its intervals, and the seed
    of draws."""

    counts: Sequence[FacetCounts]
    sample: Samples
    values: Floats
    level: float
    seed: int


@dataclass(frozen=True)
class Proportion:
    """A share of ``success`` among ``trial``; ``trials`` names what is missing when there is no trial."""

    success: Mask
    trial: Mask
    trials: str


LABELS = Proportion(POSITIVE, ALL, "row")
PREDICTIONS = Proportion(PREDICTED, ALL, "row")


def effective_counts(sample: Samples, proportion: Proportion) -> tuple[Floats, Floats, Floats, Floats]:
    """Effective successes and trials of facet a, then of facet d."""
    return (
        *sample.effective(A, proportion.success, proportion.trial),
        *sample.effective(D, proportion.success, proportion.trial),
    )


def samples(counts: Sequence[FacetCounts]) -> Samples:
    """The comparisons' counts as arrays."""
    cells = np.array([of_one.cells for of_one in counts], np.float64).reshape(-1, 2, 2, 2)
    squares = [of_one.cells if of_one.squares is None else of_one.squares for of_one in counts]
    return Samples(cells, np.array(squares, np.float64).reshape(-1, 2, 2, 2))


def kish(counts: FacetCounts) -> tuple[float, float]:
    """The effective sample sizes of facets a and d: (Σw)² / Σw², Kish (1965); the numbers of rows without weights."""
    found = samples([counts])
    weight, squares = found.cells[0].sum(axis=(1, 2)), found.squares[0].sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.where(squares > 0, weight**2 / squares, 0.0)
    return float(sizes[A]), float(sizes[D])
