"""Conditional demographic disparity over the values of the group variable: its standard error, and a test."""

from __future__ import annotations

from math import fsum

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.proportions import Floats

#: Rows added to each cell, for its variance only: an empty cell by chance does not make an estimate certain.
SMOOTHING = 0.25


def _tables(counts: FacetCounts, outcome_axis: int) -> tuple[Floats, Floats, Floats]:
    """Strata (G, 2, 2), facet × outcome, the sums of squared weights in the same places, and how often each occurs."""
    if counts.strata is None:
        raise ValueError("there is no group variable")
    other = 4 - outcome_axis
    strata = counts.strata.sum(axis=other).astype(np.float64)
    squares = strata if counts.strata_squares is None else counts.strata_squares.sum(axis=other)
    multiplicity = np.ones(len(strata)) if counts.multiplicity is None else counts.multiplicity.astype(np.float64)
    return strata, squares, multiplicity


def rows_per_stratum(counts: FacetCounts) -> float:
    """The average effective number of rows of a value of the group variable."""
    strata, squares, multiplicity = _tables(counts, 1)
    if not len(strata) or not strata.any():
        return 0.0
    weight, square = (
        float((strata.sum(axis=(1, 2)) * multiplicity).sum()),
        float((squares.sum(axis=(1, 2)) * multiplicity).sum()),
    )
    return weight**2 / square / float(multiplicity.sum())


def linearised(counts: FacetCounts, outcome_axis: int) -> tuple[float, float]:
    """Conditional demographic disparity Σ n_i (D_i − A_i) / Σ n_i and its standard error.

    ``outcome_axis``: 1 for labels, 2 for predictions. The variance is that of the linearised statistic over multinomial
    (or weighted) cells: Σ_c w²_c (∂/∂w_c)², the derivatives at the cells with SMOOTHING rows added, times n / (n − 2G)
    for the two shares that are estimated in each of G strata of n (effective) rows together.
    """
    strata, squares, multiplicity = _tables(counts, outcome_axis)
    value, _ = _disparity(strata, multiplicity)
    unit = squares.sum() / strata.sum()
    smooth = strata + SMOOTHING * unit
    _, derivatives = _disparity(smooth, multiplicity)
    variances = ((squares + SMOOTHING * unit**2) * derivatives**2).sum(axis=(1, 2))
    rows, estimated = rows_per_stratum(counts), 2.0
    correction = rows / (rows - estimated) if rows > estimated else np.inf
    return value, float(np.sqrt(correction * fsum((multiplicity * variances).tolist())))


def _disparity(strata: Floats, multiplicity: Floats) -> tuple[float, Floats]:
    """The disparity, and its derivatives (G, 2, 2) by the cells of one stratum of each pattern."""
    outcomes = strata.sum(axis=1)
    size = outcomes.sum(axis=1)
    total = fsum((multiplicity * size).tolist())
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(outcomes > 0, strata[:, 1] / outcomes, 0.0)
        by_row = np.where(outcomes > 0, size[:, None] / outcomes, 0.0)
    gap = shares[:, 0] - shares[:, 1]
    value = fsum((multiplicity * size * gap).tolist()) / total
    sign = np.array([1.0, -1.0])
    inside, outside = sign * by_row * (1 - shares), -sign * by_row * shares
    derivatives = np.stack([outside, inside], axis=1) + gap[:, None, None] - value
    return value, derivatives / total


def cochran_mantel_haenszel(counts: FacetCounts, outcome_axis: int) -> float | None:
    """The p-value of no association of facet and outcome within the strata, Cochran (1954), Mantel and Haenszel (1959).

    Without continuity correction; None when no stratum has both facets and both outcomes. With weights the counts are
    scaled to the effective number of rows.
    """
    from scipy.stats import chi2

    strata, squares, multiplicity = _tables(counts, outcome_axis)
    scale = strata.sum() / squares.sum()
    strata = strata * scale
    size, of_d, negative = strata.sum(axis=(1, 2)), strata[:, 1].sum(axis=1), strata[:, :, 0].sum(axis=1)
    use = (size > 1) & (of_d > 0) & (of_d < size) & (negative > 0) & (negative < size)
    size, of_d, negative, strata, multiplicity = size[use], of_d[use], negative[use], strata[use], multiplicity[use]
    surplus = fsum((multiplicity * (strata[:, 1, 0] - of_d * negative / size)).tolist())
    spread = multiplicity * of_d * (size - of_d) * negative * (size - negative) / (size**2 * (size - 1))
    variance = fsum(spread.tolist())
    return float(chi2.sf(surplus**2 / variance, 1)) if variance > 0 else None
