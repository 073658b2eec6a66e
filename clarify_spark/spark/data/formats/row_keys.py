"""Row keys: file number << 40 | position in the file, the same for any partitioning and any order of files.

The row keys of a table are positions in the order of its row-order key.

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
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.suggestions import quoted, short_repr
from clarify_spark.udfs.row_keys import FILE_BITS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

#: The position of a record: the number of its file, the first byte of its split, and Spark's growing id.
PLACE = ("_file", "_block", "_mid")


@dataclass(frozen=True)
class Split:
    """Part of a file, or of an ordered table, that one task read: how many records it has, and the id of the first."""

    file: int
    block: int
    records: int
    first: int


def placed(spark: SparkSession, scan: DataFrame, snapshot: Snapshot, payload: Sequence[str]) -> DataFrame:
    """``payload`` columns of a scan, and the place of each record; must be applied directly to the scan."""
    known = scan.select(
        *payload,
        F.col("_metadata.file_path").alias("_path"),
        F.col("_metadata.file_block_start").alias("_block"),
        F.monotonically_increasing_id().alias("_mid"),
    )
    return with_file_number(spark, known, snapshot).select(*payload, *PLACE)


def with_file_number(spark: SparkSession, frame: DataFrame, snapshot: Snapshot) -> DataFrame:
    """``frame`` with ``_file``, the number of the file that ``_path`` names, instead of ``_path``."""
    if len(snapshot.keys) == 1:
        return frame.withColumn("_file", F.lit(0)).drop("_path")
    numbers = spark.createDataFrame(
        list(zip(snapshot.keys, range(len(snapshot.keys)), strict=True)), "_path string, _file int"
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


def split_rows(frame: DataFrame, aggregates: Sequence[Column], *keys: str) -> list[tuple[Split, tuple[Any, ...]]]:
    """One pass over a cached frame: each split, and the values of further keys and aggregates in it."""
    rows = frame.groupBy("_file", "_block", *keys).agg(F.count(F.lit(1)), F.min("_mid"), *aggregates).collect()
    if any(row[0] is None for row in rows):
        raise DataError("Spark read a file that was not listed before; do not change data during a run.")
    found = []
    for file, block, *rest in rows:
        of_keys, (records, first, *values) = rest[: len(keys)], rest[len(keys) :]
        found.append((Split(int(file), int(block), int(records), int(first)), (*of_keys, *values)))
    return found


def ordered(scan: DataFrame, snapshot: Snapshot, columns: Sequence[Column]) -> DataFrame:
    """``columns`` of a table in the order of its row-order key, that key (``_order0``, …) and each row's place.

    To be cached. Sorting splits the table into ranges; ``with_row_key`` treats a range like a split of a file.
    """
    key = [F.col(quoted(name)).alias(f"_order{index}") for index, name in enumerate(snapshot.order)]
    sorted_rows = scan.select(*columns, *key).orderBy(*_order_columns(snapshot))
    return sorted_rows.select(
        "*",
        F.lit(0).alias("_file"),
        F.spark_partition_id().cast("bigint").alias("_block"),
        F.monotonically_increasing_id().alias("_mid"),
    )


def with_ordered_keys(spark: SparkSession, cached: DataFrame, snapshot: Snapshot) -> DataFrame:
    """What ``ordered`` made, with ``row_key`` from 0 on instead of key and places; the key must be unique."""
    key = _order_columns(snapshot)
    twice = cached.groupBy(*key).count().filter("count > 1").orderBy(*key).first()
    if twice is not None:
        values = ", ".join(f"{name}={short_repr(value)}" for name, value in zip(snapshot.order, twice, strict=False))
        raise DataError(
            f"{snapshot.uri}: the key that orders the rows must be unique; {values} occurs {twice[-1]} times. "
            "Remove the duplicates, or order by more columns."
        )
    splits = [split for split, _ in split_rows(cached, [])]
    if not splits:
        raise DataError(f"{snapshot.uri}: there are no rows.")
    return with_row_key(spark, cached.drop(*key), splits)


def _order_columns(snapshot: Snapshot) -> list[str]:
    return [f"_order{index}" for index in range(len(snapshot.order))]
