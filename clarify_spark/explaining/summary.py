"""Global values and how far to trust them, from local values read block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.explaining.medians import order_statistics
from clarify_spark.udfs.traffic import Traffic, together

if TYPE_CHECKING:
    from clarify_spark.udfs.explained import Explained

AggMethod = Literal["mean_abs", "median", "mean_sq"]
Floats = NDArray[np.float64]

#: Half the width of a nominal 95 % interval in standard errors.
WIDTH = 1.96
#: Rows that are processed together when medians are computed.
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Summary:
    """Global values of D outputs and K features with their errors.

    ``values`` (D, K) follow ``method``. ``coalition_errors`` (D, K): upper bounds of the standard errors from sampling
    coalitions, 0 when all were evaluated, None when unknown. ``row_errors`` (D, K): standard errors if the rows are a
    sample of more rows; NaN for a single row. ``means`` (D, K): signed mean values. ``certain`` (D, K): share of the
    rows whose value is further from 0 than 1.96 of its standard errors, None when these are unknown. ``bases`` (D):
    mean of the rows' base values. ``largest_residuals`` (D): the largest |prediction - base - sum of values|.

    All rows share one design, so their errors can agree: in games of trees, errors in the direction of the value's sign
    correlated by 0.0 to 0.9 between rows, most for the most important ones. What holds at any correlation is the mean
    over rows of the standard error of the row's term (Minkowski): s of |x|, 2 |x| s of x². It also covers the excess of
    terms that do not average errors out.
    """

    method: AggMethod
    rows: int
    values: Floats
    coalition_errors: Floats | None
    row_errors: Floats
    means: Floats
    certain: Floats | None
    bases: Floats
    largest_residuals: Floats
    records: int
    calls: int
    duplicates: int
    traffic: Traffic | None = None


class Totals:
    """The sums over the blocks so far, always added in the order of the blocks.

    ``exact``: all coalitions are evaluated, so values without standard errors have no error to report.
    """

    def __init__(self, method: AggMethod, *, exact: bool) -> None:
        self._method = method
        self._exact = exact
        self._sums: _Sums | None = None

    def add(self, block: Explained) -> None:
        """Add the next block; sums beyond the largest float are infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = _sums(block, self._errors(block), self._method)
            self._sums = sums if self._sums is None else _added(self._sums, sums)

    def summary(self, again: Iterable[Explained]) -> Summary:
        """The global values; ``again`` yields all blocks again, as often as it is called; only medians call it."""
        sums = self._sums
        if sums is None:
            raise ValueError("there are no rows to sum up")
        if self._method == "median":
            values, coalition_errors, row_errors = self._medians(sums, again)
        else:
            values, row_errors = sums.terms / sums.rows, _standard_error(sums)
            coalition_errors = None if sums.effects is None else sums.effects / sums.rows
        return Summary(
            method=self._method,
            rows=sums.rows,
            values=values,
            coalition_errors=coalition_errors,
            row_errors=row_errors,
            means=sums.values / sums.rows,
            certain=None if sums.certain is None else sums.certain / sums.rows,
            bases=sums.bases / sums.rows,
            largest_residuals=sums.residuals,
            records=sums.records,
            calls=sums.calls,
            duplicates=sums.duplicates,
            traffic=sums.traffic,
        )

    def _errors(self, block: Explained) -> Floats | None:
        if block.errors is None:
            return np.zeros_like(block.values) if self._exact else None
        return block.errors

    def _medians(self, sums: _Sums, again: Iterable[Explained]) -> tuple[Floats, Floats | None, Floats]:
        """Medians, their errors over coalitions and over rows, (D, K) each.

        Over rows: the order statistics that enclose the median with 95 % (binomial), as McKean and Schrader (1984) make
        a standard error of them. Over coalitions: half the way between the medians of value + error and value - error,
        which is what errors of the same sign in all rows would do.
        """
        known = sums.certain is not None
        ranks = _ranks(sums.rows)

        def read() -> Iterator[Floats]:
            for blocks in _chunks(again):
                yield np.concatenate([self._columns(block, with_errors=known) for block in blocks])

        low, below, above, high = order_statistics(read, sums.rows, ranks).reshape(4, -1, *sums.values.shape)
        with np.errstate(over="ignore"):
            medians = np.where(np.isfinite(below + above), (below + above) / 2, below / 2 + above / 2)
        over_rows = (high[0] - low[0]) / (2 * WIDTH) if sums.rows > 1 else np.full(sums.values.shape, np.nan)
        return medians[0], (medians[1] - medians[2]) / 2 if known else None, over_rows

    def _columns(self, block: Explained, *, with_errors: bool) -> Floats:
        """Values, and with errors also values plus and minus these, one after the other (n, D K or 3 D K)."""
        values = block.values.reshape(len(block.values), -1)
        errors = self._errors(block)
        if not with_errors or errors is None:
            return values
        errors = errors.reshape(values.shape)
        return np.concatenate([values, values + errors, values - errors], axis=1)


def summarize(blocks: Iterable[Explained], method: AggMethod, *, exact: bool) -> Summary:
    """The summary of all blocks, which can be read more than once."""
    totals = Totals(method, exact=exact)
    for block in blocks:
        totals.add(block)
    return totals.summary(blocks)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over rows, (D, K) each: of values; of the ``terms`` whose mean is the global value; of the squared
    deviations of these from their mean; of the standard errors of these, ``effects``; of values with a certain sign.
    """

    rows: int
    values: Floats
    terms: Floats
    deviations: Floats
    effects: Floats | None
    certain: Floats | None
    bases: Floats
    residuals: Floats
    records: int
    calls: int
    duplicates: int
    traffic: Traffic | None


def _sums(block: Explained, errors: Floats | None, method: AggMethod) -> _Sums:
    """The sums of one block."""
    values = np.ascontiguousarray(block.values)
    terms = values**2 if method == "mean_sq" else np.abs(values)
    total = terms.sum(axis=0)
    effects, certain = None, None
    if errors is not None:
        errors = np.ascontiguousarray(errors)
        effects = (2 * np.abs(values) * errors if method == "mean_sq" else errors).sum(axis=0)
        certain = (np.abs(values) > WIDTH * errors).sum(axis=0, dtype=np.float64)
    return _Sums(
        rows=len(values),
        values=values.sum(axis=0),
        terms=total,
        deviations=((terms - total / len(values)) ** 2).sum(axis=0),
        effects=effects,
        certain=certain,
        bases=np.ascontiguousarray(block.base).sum(axis=0),
        residuals=np.abs(block.residual).max(axis=0),
        records=block.records,
        calls=block.calls,
        duplicates=block.duplicates,
        traffic=block.traffic,
    )


def _added(left: _Sums, right: _Sums) -> _Sums:
    """The sums of two runs of rows; squared deviations as Chan, Golub and LeVeque (1979) join them."""
    rows = left.rows + right.rows
    gap = right.terms / right.rows - left.terms / left.rows
    return _Sums(
        rows=rows,
        values=left.values + right.values,
        terms=left.terms + right.terms,
        deviations=left.deviations + right.deviations + gap**2 * (left.rows * right.rows / rows),
        effects=_both(left.effects, right.effects),
        certain=_both(left.certain, right.certain),
        bases=left.bases + right.bases,
        residuals=np.maximum(left.residuals, right.residuals),
        records=left.records + right.records,
        calls=left.calls + right.calls,
        duplicates=left.duplicates + right.duplicates,
        traffic=together([left.traffic, right.traffic]),
    )


def _both(left: Floats | None, right: Floats | None) -> Floats | None:
    return None if left is None or right is None else left + right


def _standard_error(sums: _Sums) -> Floats:
    """The standard error (D, K) of the mean of the rows' terms over rows; NaN for one row."""
    if sums.rows == 1:
        return np.full(sums.terms.shape, np.nan)
    found: Floats = np.sqrt(sums.deviations / (sums.rows - 1) / sums.rows)
    return found


def _ranks(rows: int) -> tuple[int, int, int, int]:
    """0-based ranks: lower end of the median's 95 % interval, the two middle ones, upper end."""
    middle, half = (rows - 1) / 2, WIDTH * rows**0.5 / 2
    low, high = max(0, int(np.floor(middle - half))), min(rows - 1, int(np.ceil(middle + half)))
    return low, (rows - 1) // 2, rows // 2, high


def _chunks(blocks: Iterable[Explained]) -> Iterator[list[Explained]]:
    """Consecutive blocks, about ROWS_AT_ONCE rows together."""
    taken: list[Explained] = []
    rows = 0
    for block in blocks:
        taken.append(block)
        rows += len(block.values)
        if rows >= ROWS_AT_ONCE:
            yield taken
            taken, rows = [], 0
    if taken:
        yield taken
