"""Partial dependence of a run: which features, on which grids, and what the curves are, from sums over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.traffic import Traffic

if TYPE_CHECKING:
    from clarify_spark.columns import Kind
    from clarify_spark.udfs.explained import CurveSums

Floats = NDArray[np.float64]
DataType = Literal["numerical", "categorical"]
#: Categories of a feature; each takes one model record per row.
MOST_CATEGORIES = 200
#: Model records and cells of the frame of one call, at most, where a single row does not need more.
CALL_RECORDS, CALL_CELLS = 2**15, 2**22
MOST_BLOCK_ROWS = 2**10


@dataclass(frozen=True)
class FeatureRange:
    """What is known of a feature's values before its grid: for numbers the ``low`` and ``high`` of the finite ones, for
    categories about how many there are (``distinct``).
    """

    name: str
    kind: Kind
    present: int
    low: float | None = None
    high: float | None = None
    distinct: int = 0

    @property
    def data_type(self) -> DataType:
        """Numbers are numerical, everything else is categorical."""
        return "numerical" if self.kind in ("integer", "float") else "categorical"

    @property
    def error(self) -> str | None:
        """Why there is no curve, as far as is known by now."""
        if not self.present:
            return (
                "the feature has no values" if self.data_type == "categorical" else "the feature has no finite values"
            )
        if self.data_type == "categorical" and self.distinct > 1.25 * MOST_CATEGORIES:  # known to about 2 %
            return too_many(f"about {self.distinct:,}")
        return None

    def points(self, resolution: int) -> int:
        """The approximate number of grid points."""
        if self.error is not None:
            return 0
        if self.data_type == "categorical":
            return min(self.distinct, MOST_CATEGORIES)
        return 1 if self.low == self.high else resolution


def too_many(count: str) -> str:
    """Why a feature with this many distinct texts has no curve."""
    return f"the feature has {count} distinct texts; partial dependence is computed for at most {MOST_CATEGORIES}"


def bucket_midpoints(low: float, high: float, resolution: int) -> tuple[float, ...]:
    """The midpoints of ``resolution`` buckets of equal width between the smallest and the largest value."""
    if low == high:
        return (low,)
    shares = ((bucket + 0.5) / resolution for bucket in range(resolution))
    return tuple(float(low * (1 - share) + high * share) for share in shares)


@dataclass(frozen=True)
class Distribution:
    """The grid (G,) of a feature and how many rows have each value or are in each bucket; or why there is none."""

    name: str
    data_type: DataType
    values: tuple[float | str | bool, ...] = ()
    counts: tuple[int, ...] = ()
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Curve:
    """The partial dependence of one feature: ``means`` (D, G) and their standard errors over rows (D, G).

    ``errors`` are NaN for a single row; ``individual`` (D, m, G) are the outputs of some rows (Goldstein et al. 2015).
    """

    distribution: Distribution
    means: Floats
    errors: Floats
    individual: Floats


@dataclass(frozen=True, eq=False)
class DependenceResult:
    """The curves of a run, a Distribution with its error where there is no curve; ``rows`` of ``of_rows`` were used."""

    labels: tuple[str, ...]
    rows: int
    of_rows: int
    individual_keys: tuple[int, ...]
    curves: tuple[Curve | Distribution, ...]
    records: int
    calls: int
    traffic: Traffic | None = None


def block_rows(points: Sequence[int], features: int) -> int:
    """The power of two of rows whose call for the longest grid stays within CALL_RECORDS and CALL_CELLS."""
    longest = max([1, *points])
    rows = min(CALL_RECORDS / longest, CALL_CELLS / (longest * max(1, features)), float(MOST_BLOCK_ROWS))
    return int(2 ** max(0, int(np.log2(max(rows, 1.0)))))


def curves(distributions: Sequence[Distribution], sums: CurveSums) -> tuple[Curve | Distribution, ...]:
    """One curve for each feature with a grid, whose points come one after the other in the sums."""
    found: list[Curve | Distribution] = []
    start = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums.sums / sums.rows
        errors = (
            np.sqrt(sums.deviations / (sums.rows - 1) / sums.rows) if sums.rows > 1 else np.full_like(means, np.nan)
        )
    for one in distributions:
        if one.error is not None:
            found.append(one)
            continue
        of_grid = slice(start, start + len(one.values))
        start = of_grid.stop
        individual = sums.individual[of_grid].transpose(2, 1, 0)
        found.append(Curve(one, means[of_grid].T, errors[of_grid].T, individual))
    return tuple(found)
