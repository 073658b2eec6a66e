"""The rows of a baseline at a URI: what formats have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clarify_spark.explaining.baseline_files import MOST_BYTES, MOST_ROWS, rows_of_table
from clarify_spark.explaining.baseline_rows import BaselineRows, Features, UnfitError
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.data.formats.listing import list_files
from clarify_spark.spark.data.formats.table import LoadedTable
from clarify_spark.spark.files.raw_text import decoded, raw_value
from clarify_spark.spark.files.read_failures import reading

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def whole_texts(spark: SparkSession, uri: str, suffixes: Sequence[str]) -> list[str]:
    """The texts of the files at a URI, in the order of their URIs."""
    snapshot = list_files(spark, uri, suffixes)
    size = sum(file.size for file in snapshot.files)
    if size > MOST_BYTES:
        raise UnfitError(f"{size:,} bytes are too many for a baseline; allowed: {MOST_BYTES:,}")
    with reading(uri):
        whole = spark.read.text(snapshot.patterns, wholetext=True)
        rows = whole.select("_metadata.file_path", raw_value()).collect()
    found = {row[0]: decoded(row[1]) for row in rows}
    return [found.get(key, "").removeprefix("\ufeff") for key in snapshot.keys]


def first_rows(table: LoadedTable, features: Features) -> BaselineRows:
    """The rows of a table in the order of their keys, at most one more than a baseline may have."""
    ids = [column.id for column in table.columns]
    with reading(table.snapshot.uri):
        some = table.keyed.select("row_key", *ids).orderBy("row_key").limit(MOST_ROWS + 1)
        columns = collected_columns(some)
    return rows_of_table(table.names, list(zip(*(columns[id_] for id_ in ids), strict=True)), features)
