"""Whether a row belongs to a facet entry or to the positive outcomes, as an expression of Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as sf

from clarify_spark.columns import Scalar
from clarify_spark.spark.counting.profiles import as_number, present

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression

    from clarify_spark.bias.roles import Predicate
    from clarify_spark.spark.data.datasets import Column


def holds(predicate: Predicate, column: Column, name: str = "") -> Expression:
    """Whether the row belongs: never null, a missing value belongs to nothing."""
    if predicate.interval is not None:
        low, high = predicate.interval
        value = as_number(column, name).cast("double")
        return sf.coalesce((value > sf.lit(float(low))) & (value <= sf.lit(float(high))), sf.lit(False))
    values = [value for value in predicate.values or () if not _is_missing(value)]
    if not values:
        return sf.lit(False)
    return sf.coalesce(present(column, name).isin(values), sf.lit(False))


def _is_missing(value: Scalar | None) -> bool:
    return value is None or value != value
