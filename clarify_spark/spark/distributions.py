"""How the values of features are distributed: ranges by one aggregate, then counts of buckets and categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as sf

from clarify_spark.explaining.dependence import MOST_CATEGORIES, Distribution, FeatureRange, bucket_midpoints, too_many
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.data.datasets import Dataset

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression

    from clarify_spark.spark.data.datasets import Column


def feature_ranges(dataset: Dataset, names: Sequence[str]) -> list[FeatureRange]:
    """The range of each feature, by one aggregate over the rows."""
    columns = [dataset.column(name) for name in names]
    if not columns:
        return []
    measures = [
        measure.alias(f"{name}_{position}")
        for position, column in enumerate(columns)
        for name, measure in _measures(column).items()
    ]
    row = dataset.frame.select(*measures).collect()[0].asDict()
    found = []
    for position, column in enumerate(columns):
        facts = {name: row[f"{name}_{position}"] for name in _measures(column)}
        found.append(FeatureRange(column.name, column.kind, **facts))
    return found


def _measures(column: Column) -> dict[str, Expression]:
    value = _value(column)
    if column.kind in ("integer", "float"):
        return {"present": sf.count(value), "low": sf.min(value), "high": sf.max(value)}
    return {"present": sf.count(value), "distinct": sf.approx_count_distinct(value, 0.02)}


def _value(column: Column) -> Expression:
    """A finite number as double, anything else as text; null where there is none."""
    if column.kind not in ("integer", "float"):
        return sf.col(column.id).cast("string")
    number = sf.col(column.id).cast("double")
    return sf.when(sf.abs(number) < float("inf"), number)


def distributions(dataset: Dataset, features: Sequence[FeatureRange], resolution: int) -> list[Distribution]:
    """The grid of each feature with how many rows are at each point, by one grouped pass over the rows."""
    open_ones = [(place, one) for place, one in enumerate(features) if one.error is None]
    counted: dict[int, dict[str, int]] = {place: {} for place, _ in open_ones}
    if open_ones:
        cells = [
            sf.struct(sf.lit(place).alias("feature"), _cell(dataset.column(one.name), one, resolution).alias("cell"))
            for place, one in open_ones
        ]
        rows = dataset.frame.select(sf.explode(sf.array(*cells)).alias("at")).select("at.*")
        table = collected_columns(rows.where(sf.col("cell").isNotNull()).groupBy("feature", "cell").count())
        for place, cell, count in zip(table["feature"], table["cell"], table["count"], strict=True):
            counted[place][cell] = count
    return [_distribution(one, counted.get(place, {}), resolution) for place, one in enumerate(features)]


def _cell(column: Column, one: FeatureRange, resolution: int) -> Expression:
    """The bucket of a number, from 0, or the category, as text; null where the row has none."""
    value = _value(column)
    if one.data_type == "categorical" or one.low is None or one.high is None:
        return value
    width = one.high / resolution - one.low / resolution
    bucket = sf.floor((value - sf.lit(one.low)) / sf.lit(width)) if width else sf.lit(0)
    inside = sf.least(sf.greatest(bucket.cast("bigint"), sf.lit(0)), sf.lit(resolution - 1))
    return sf.when(value.isNotNull(), inside.cast("string"))  # least and greatest pass over nulls


def _distribution(one: FeatureRange, counted: dict[str, int], resolution: int) -> Distribution:
    if one.error is not None:
        return Distribution(one.name, one.data_type, error=one.error)
    if one.data_type == "numerical" and one.low is not None and one.high is not None:
        grid = bucket_midpoints(one.low, one.high, resolution)
        return Distribution(one.name, "numerical", grid, tuple(counted.get(str(b), 0) for b in range(len(grid))))
    if len(counted) > MOST_CATEGORIES:
        return Distribution(one.name, "categorical", error=too_many(f"{len(counted):,}"))
    texts = sorted(counted)
    values = tuple(text == "true" for text in texts) if one.kind == "boolean" else tuple(texts)
    return Distribution(one.name, "categorical", values, tuple(counted[text] for text in texts))
