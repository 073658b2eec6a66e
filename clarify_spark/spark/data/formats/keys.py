"""Row keys: file number << 40 | position in the file, the same for any partitioning and any order of files.

Spark gives text records no position. ``monotonically_increasing_id`` grows by one per record within a split, so a
record's position is its distance from the first record of its split plus the records of the file's earlier splits.
Both passes must see the same splits: they read one cached frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from clarify_spark.errors import DataError
from clarify_spark.spark.data.formats.listing import Listing
from clarify_spark.udfs.row_keys import FILE_BITS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: Where a record stands: the number of its file, the first byte of its split, and Spark's growing id.
PLACE = ("_file", "_block", "_mid")


@dataclass(frozen=True)
class Split:
    """Part of a file that one task read: how many records it has, and the id of the first."""

    file: int
    block: int
    records: int
    first: int


def placed(spark: SparkSession, scan: DataFrame, listing: Listing, payload: Sequence[str]) -> DataFrame:
    """``payload`` columns of a scan, and the place of each record; must stand right on the scan."""
    known = scan.select(
        *payload,
        F.col("_metadata.file_path").alias("_path"),
        F.col("_metadata.file_block_start").alias("_block"),
        F.monotonically_increasing_id().alias("_mid"),
    )
    return with_file_number(spark, known, listing).select(*payload, *PLACE)


def with_file_number(spark: SparkSession, frame: DataFrame, listing: Listing) -> DataFrame:
    """``frame`` with ``_file``, the number of the file that ``_path`` names, instead of ``_path``."""
    if len(listing.keys) == 1:
        return frame.withColumn("_file", F.lit(0)).drop("_path")
    numbers = spark.createDataFrame(
        list(zip(listing.keys, range(len(listing.keys)), strict=True)), "_path string, _file int"
    )
    return frame.join(F.broadcast(numbers), "_path", "left").drop("_path")


def with_row_key(spark: SparkSession, frame: DataFrame, splits: Iterable[Split]) -> DataFrame:
    """``frame`` with ``row_key`` instead of the records' places."""
    bases = [(split.file, split.block, base) for split, base in starts(splits)]
    if len(bases) == 1:
        return frame.withColumn("row_key", F.col("_mid") + F.lit(bases[0][2]).cast("bigint")).drop(*PLACE)
    table = spark.createDataFrame(bases, "_file int, _block bigint, _base bigint")
    joined = frame.join(F.broadcast(table), ["_file", "_block"], "left")
    return joined.withColumn("row_key", F.col("_mid") + F.col("_base")).drop(*PLACE, "_base")


def starts(splits: Iterable[Split]) -> Iterable[tuple[Split, int]]:
    """Each split with the number that turns a record's id into its row key."""
    file, offset = -1, 0
    for split in sorted(splits, key=lambda split: (split.file, split.block)):
        offset = 0 if split.file != file else offset
        file = split.file
        yield split, (split.file << FILE_BITS) + offset - split.first
        offset += split.records


def split_rows(frame: DataFrame, aggregates: Sequence[Column]) -> list[tuple[Split, tuple[Any, ...]]]:
    """One pass over a cached frame: each split, and the values of further aggregates in it."""
    grouped = frame.groupBy("_file", "_block").agg(F.count(F.lit(1)), F.min("_mid"), *aggregates)
    rows = grouped.collect()
    if any(row[0] is None for row in rows):
        raise DataError("Spark read a file that was not listed before; do not change data during a run.")
    return [(Split(int(row[0]), int(row[1]), int(row[2]), int(row[3])), tuple(row[4:])) for row in rows]
