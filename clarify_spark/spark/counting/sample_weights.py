"""Sampling weights as integers: sums of them are exact, and so the same in any order of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as sf

from clarify_spark.errors import DataError
from clarify_spark.spark.counting.profiles import TEXT, present

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression

    from clarify_spark.spark.data.datasets import Column, Dataset

#: Bits of a sum that fits a 64-bit integer, sign and rounding aside.
SUM_BITS = 62


@dataclass(frozen=True)
class WeightColumn:
    """A weight column whose weights, and their squares, are whole multiples of ``unit`` and of ``square_unit``.

    Both are powers of two, chosen so that the sum over all rows fits a 64-bit integer; whole weights are exact, others
    keep 2^-bits of the largest, where bits is 62 less the binary digits of the number of rows (52 at most).
    """

    column: Column
    unit: float
    square_unit: float

    @property
    def units(self) -> Expression:
        """The weight of a row in units."""
        return self._whole(present(self.column).cast("double"), self.unit)

    @property
    def square_units(self) -> Expression:
        """The squared weight of a row in units."""
        weight = present(self.column).cast("double")
        return self._whole(weight * weight, self.square_unit)

    def _whole(self, value: Expression, unit: float) -> Expression:
        return sf.rint(value / sf.lit(unit)).cast("bigint")


def weight_column(dataset: Dataset, name: str) -> WeightColumn:
    """The weight column ``name``; raises DataError unless all its values are at least 0 and some are positive."""
    column = dataset.column(name)
    if column.kind in TEXT or column.kind == "boolean":
        raise DataError(f"weight column {name!r} is not numeric ({column.kind}); a weight is a number of 0 or more.")
    value = sf.col(column.id).cast("double")
    row = dataset.frame.agg(
        sf.count(sf.lit(1)).alias("rows"),
        sf.count_if(value.isNull() | sf.isnan(value)).alias("missing"),
        sf.count_if((value < 0) & (value != sf.lit(-math.inf))).alias("negative"),
        sf.count_if(sf.abs(value) == sf.lit(math.inf)).alias("infinite"),
        sf.max(value).alias("largest"),
    ).collect()[0]
    wrong = [f"{row[kind]:,} {kind}" for kind in ("missing", "negative", "infinite") if row[kind]]
    if wrong:
        advice = "a weight is a number of 0 or more; correct the rows or leave them out"
        raise DataError(f"weight column {name!r} has {', '.join(wrong)} of {row['rows']:,} values: {advice}.")
    if not row["largest"]:
        raise DataError(f"weight column {name!r} is 0 in all {row['rows']:,} rows, so there is nothing to count.")
    bits = min(52, SUM_BITS - math.ceil(math.log2(max(row["rows"], 1))))
    largest = float(row["largest"])
    return WeightColumn(column, _unit(largest, bits), _unit(largest * largest, bits))


def _unit(largest: float, bits: int) -> float:
    """The power of two of which the largest value has at most 2^bits."""
    return math.ldexp(1.0, math.frexp(largest)[1] - bits)
