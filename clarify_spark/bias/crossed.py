"""Counts of several facets at once: every combination of their entries, one cell each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarify_spark.bias.counts import Cells


@dataclass(frozen=True)
class CrossCounts:
    """The cells of one facet intersection.

    ``facets``: positions in ``Roles.facets``. ``shape``: for each of them the number of its entries plus one, for the
    rows that are in none. ``cells`` (K, S, 2, 2), K in C order of ``shape``: stratum × observed label × prediction;
    stratum 0 holds the rows whose group is missing (all rows without a group variable, then S is 1).
    ``squares`` and ``counted``: as in FacetCounts, in the places of ``cells``; None without weights.
    """

    facets: tuple[int, ...]
    shape: tuple[int, ...]
    cells: Cells
    has_predictions: bool
    grouped: bool
    squares: Cells | None = None
    counted: NDArray[np.int64] | None = None

    @property
    def rows(self) -> NDArray[np.int64]:
        """Numbers of rows (K,), whatever they weigh."""
        counted = self.cells if self.counted is None else self.counted
        return np.asarray(counted.sum(axis=(1, 2, 3)), np.int64)
