"""Counts of several facets at once: every combination of their entries, one cell each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarify_spark.bias.counts import Cells, FacetCounts


@dataclass(frozen=True)
class IntersectionCounts:
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
        """Numbers of rows (K,), regardless of weights."""
        counted = self.cells if self.counted is None else self.counted
        return np.asarray(counted.sum(axis=(1, 2, 3)), np.int64)


def against_rest(counts: IntersectionCounts, cell: int) -> FacetCounts:
    """The cell as facet d against all other rows as facet a."""
    return _pair(counts, cell, lambda values: values.sum(axis=0) - values[cell])


def against_cell(counts: IntersectionCounts, cell: int, other: int) -> FacetCounts:
    """The cell as facet d against another cell as facet a."""
    return _pair(counts, cell, lambda values: values[other])


def _pair(counts: IntersectionCounts, cell: int, other: Callable[[Cells], Cells]) -> FacetCounts:
    def both(values: Cells) -> Cells:
        """Stratum × facet × label × prediction."""
        return np.stack([other(values), values[cell]], axis=1)

    cells = both(counts.cells)
    squares = None if counts.squares is None else both(counts.squares)
    with_rows = cells[1:].any(axis=(1, 2, 3))
    return FacetCounts(
        cells=cells.sum(axis=0),
        has_predictions=counts.has_predictions,
        strata=cells[1:][with_rows] if counts.grouped else None,
        squares=None if squares is None else squares.sum(axis=0),
        strata_squares=squares[1:][with_rows] if counts.grouped and squares is not None else None,
        counted=None if counts.counted is None else both(counts.counted).sum(axis=0),
    )
