"""Global values and how far to trust them, from local values read block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.explain.medians import order_statistics

if TYPE_CHECKING:
    from clarify_spark.udfs.explained import Explained

AggMethod = Literal["mean_abs", "median", "mean_sq"]
Floats = NDArray[np.float64]

#: Half the width of a nominal 95 % interval in standard errors.
WIDTH = 1.96
#: Assumed correlation of the coalition errors of two rows, which share one design: 0.02 to 0.06 were measured.
CORRELATION = 0.06
#: Rows that are looked at together when medians are taken.
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Summary:
    """Global values of D outputs and K features with their errors.

    ``values`` (D, K) follow ``method``. ``coalition_errors`` (D, K): standard errors from sampling coalitions, 0 when
    all were evaluated, None when unknown. ``row_errors`` (D, K): standard errors if the rows are a sample of more rows;
    NaN for a single row. ``means`` (D, K): signed mean values. ``certain`` (D, K): share of the rows whose value is
    further from 0 than 1.96 of its standard errors, None when these are unknown. ``bases`` (D): mean of the rows' base
    values. ``largest_residuals`` (D): the largest |prediction - base - sum of values|.
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


class Totals:
    """What has been summed up over the blocks so far, always added in the order of the blocks.

    ``exact``: all coalitions are evaluated, so values without standard errors have none to tell.
    """

    def __init__(self, method: AggMethod, *, exact: bool) -> None:
        self._method = method
        self._exact = exact
        self._sums: _Sums | None = None

    def add(self, block: Explained) -> None:
        """Take in the next block; sums beyond the largest float are infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            sums = _sums(block, self._errors(block), self._method)
            self._sums = sums if self._sums is None else _added(self._sums, sums)

    def summary(self, again: Iterable[Explained]) -> Summary:
        """The global values; ``again`` gives all blocks anew, as often as it is asked to, and only medians ask."""
        sums = self._sums
        if sums is None:
            raise ValueError("there are no rows to sum up")
        if self._method == "median":
            values, coalition_errors, row_errors = self._medians(sums, again)
        else:
            values, row_errors = sums.sizes / sums.rows, _standard_error(sums)
            coalition_errors = None if sums.noise is None else sums.noise.error(sums.rows)
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
        )

    def _errors(self, block: Explained) -> Floats | None:
        if block.errors is None:
            return np.zeros_like(block.values) if self._exact else None
        return block.errors

    def _medians(self, sums: _Sums, again: Iterable[Explained]) -> tuple[Floats, Floats | None, Floats]:
        """Medians, their errors over coalitions and over rows, (D, K) each.

        Over rows: the order statistics that enclose the median with 95 % (binomial), as McKean and Schrader (1984) make
        a standard error of them. Over coalitions an upper bound: half the way between the medians of value + error and
        value - error, which is what errors of the same sign in all rows would do.
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
class _Noise:
    """Sums over rows of what coalition errors do to the global value, (D, K) each.

    ``effects``: standard deviations of the rows' terms; ``squares``: of their squares; ``shifts``: expected excesses
    of the terms, because neither |x| nor x² averages errors out.
    """

    effects: Floats
    squares: Floats
    shifts: Floats

    def error(self, rows: int) -> Floats:
        """The standard error (D, K) of a mean of ``rows`` terms: root mean square, shift included.

        Terms of two rows correlate by CORRELATION, in the worst direction. The root mean square of a mean is at most
        the mean of the root mean squares, whatever the correlation.
        """
        variance = ((1 - CORRELATION) * self.squares + CORRELATION * self.effects**2) / rows**2
        found: Floats = np.minimum(np.sqrt(variance + (self.shifts / rows) ** 2), self.effects / rows)
        return found


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over rows: of values, of the terms of the global value, of their squared deviations from their mean."""

    rows: int
    values: Floats
    sizes: Floats
    deviations: Floats
    noise: _Noise | None
    certain: Floats | None
    bases: Floats
    residuals: Floats
    records: int
    calls: int
    duplicates: int


def _sums(block: Explained, errors: Floats | None, method: AggMethod) -> _Sums:
    """The sums of one block."""
    values = np.ascontiguousarray(block.values)
    sizes = values**2 if method == "mean_sq" else np.abs(values)
    total = sizes.sum(axis=0)
    return _Sums(
        rows=len(values),
        values=values.sum(axis=0),
        sizes=total,
        deviations=((sizes - total / len(values)) ** 2).sum(axis=0),
        noise=None if errors is None else _noise(values, np.ascontiguousarray(errors), method),
        certain=None if errors is None else (np.abs(values) > WIDTH * errors).sum(axis=0, dtype=np.float64),
        bases=np.ascontiguousarray(block.base).sum(axis=0),
        residuals=np.abs(block.residual).max(axis=0),
        records=block.records,
        calls=block.calls,
        duplicates=block.duplicates,
    )


def _noise(values: Floats, errors: Floats, method: AggMethod) -> _Noise:
    """What errors s of values x do: x² varies by 2 |x| s and is s² too large; |x| varies by s and is too large by
    the folded normal's excess, at most √(2/π) s exp(-3 m²/8) at a true value of m s, which is the expectation of
    √(8/π) s exp(-3 z²/2) for the z = x / s that is seen.
    """
    if method == "mean_sq":
        effects, shifts = 2 * np.abs(values) * errors, errors**2
    else:
        z = np.divide(values, errors, out=np.full_like(values, np.inf), where=errors > 0)
        effects, shifts = errors, np.sqrt(8 / np.pi) * errors * np.exp(-1.5 * np.minimum(np.abs(z), 30.0) ** 2)
    return _Noise(effects.sum(axis=0), (effects**2).sum(axis=0), shifts.sum(axis=0))


def _added(left: _Sums, right: _Sums) -> _Sums:
    """The sums of two runs of rows; squared deviations as Chan, Golub and LeVeque (1979) join them."""
    rows = left.rows + right.rows
    gap = right.sizes / right.rows - left.sizes / left.rows
    noise, certain = None, None
    if left.noise is not None and right.noise is not None:
        a, b = left.noise, right.noise
        noise = _Noise(a.effects + b.effects, a.squares + b.squares, a.shifts + b.shifts)
    if left.certain is not None and right.certain is not None:
        certain = left.certain + right.certain
    return _Sums(
        rows=rows,
        values=left.values + right.values,
        sizes=left.sizes + right.sizes,
        deviations=left.deviations + right.deviations + gap**2 * (left.rows * right.rows / rows),
        noise=noise,
        certain=certain,
        bases=left.bases + right.bases,
        residuals=np.maximum(left.residuals, right.residuals),
        records=left.records + right.records,
        calls=left.calls + right.calls,
        duplicates=left.duplicates + right.duplicates,
    )


def _standard_error(sums: _Sums) -> Floats:
    """The standard error (D, K) of the mean of the rows' terms over rows; NaN for one row."""
    if sums.rows == 1:
        return np.full(sums.sizes.shape, np.nan)
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
