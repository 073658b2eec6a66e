"""The small value between Spark and the metrics: how many rows fall into each cell of facet × label × prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Flips:
    """Flip-test counts over facet d: ``to_negative`` rows the model calls positive and their neighbours in a negative,
    ``to_positive`` the reverse. ``error`` is set, and the counts are 0, when the test could not be run."""

    to_negative: int = 0
    to_positive: int = 0
    error: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class FacetCounts:
    """Row counts of one facet entry.

    ``cells`` (2, 2, 2): facet (0 = a, 1 = d) × observed label (0 negative, 1 positive) × prediction (0, 1), all rows.
    Without predictions everything stands at prediction 0 and ``has_predictions`` is False.
    ``strata`` (G, 2, 2, 2): the same for each distinct non-null value of the group variable, None without one;
    rows whose group is missing are in ``cells`` only. ``repeats`` (G,): how many strata share that pattern of counts.
    """

    cells: Cells
    has_predictions: bool
    strata: Cells | None = None
    repeats: Cells | None = None
    flips: Flips | None = None
