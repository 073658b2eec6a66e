"""Parquet: names and types from the files, nothing cached; a row's position is the reader's own row index."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from clarify_spark.columns import Kind
from clarify_spark.config import AnalysisConfig
from clarify_spark.config.formats import DATASET_FORMATS, PARQUET
from clarify_spark.errors import DataError
from clarify_spark.explaining.baseline_rows import BaselineRows, Features
from clarify_spark.spark.data.formats.baselines import first_rows
from clarify_spark.spark.data.formats.listing import list_files, unread_folders
from clarify_spark.spark.data.formats.row_keys import with_file_number
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.suggestions import did_you_mean, quoted
from clarify_spark.spark.data.formats.table import Column, LoadedTable
from clarify_spark.spark.files.read_failures import reading
from clarify_spark.udfs.row_keys import FILE_BITS

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

#: Up to this many files each schema is read separately, so that a differing file can be named.
SCHEMAS_READ_SINGLY = 32

_KINDS: dict[type[T.DataType], tuple[Kind, str]] = {
    T.ByteType: ("integer", "bigint"),
    T.ShortType: ("integer", "bigint"),
    T.IntegerType: ("integer", "bigint"),
    T.LongType: ("integer", "bigint"),
    T.FloatType: ("float", "double"),
    T.DoubleType: ("float", "double"),
    T.DecimalType: ("float", "double"),
    T.BooleanType: ("boolean", "boolean"),
    T.StringType: ("string", "string"),
}
_NESTED = (T.ArrayType, T.MapType, T.StructType)


@dataclass(frozen=True)
class ParquetReadOptions:
    """What the config states about a Parquet data set: names to compare with, and columns not needed."""

    headers: tuple[str, ...] | None
    excluded: Collection[str | int]


def table_of(spark: SparkSession, config: AnalysisConfig, uri: str) -> LoadedTable:
    """The main data set."""
    return read_parquet(spark, uri, ParquetReadOptions(config.headers, config.excluded_columns or ()))


def baseline_of(spark: SparkSession, uri: str, features: Features) -> BaselineRows:
    """The rows of a baseline."""
    return first_rows(
        read_parquet(spark, uri, ParquetReadOptions(None, [name for name, _ in features.others])), features
    )


def read_parquet(spark: SparkSession, uri: str, options: ParquetReadOptions) -> LoadedTable:
    """The rows of Parquet files; integers become bigint, floats and decimals double, dates and similar types text.

    Folders named ``column=value`` add columns after those of the files, with the types that Spark infers.
    """
    snapshot = list_files(spark, uri, DATASET_FORMATS[PARQUET].listed)
    with reading(uri):
        scan = _scan(spark, snapshot)
        if "_metadata" in scan.columns:
            raise DataError(f"{uri}: Spark reserves the column name '_metadata'; rename the column.")
        fields, notes = _fields(scan.schema.fields, options, uri)
        frame = scan.select(*[_cast(field, id_) for field, id_ in fields])
        if frame.isEmpty():
            raise DataError(f"{uri}: there are no rows.")
    columns = tuple(Column(field.name, id_, kind_of(field.dataType)) for field, id_ in fields)
    keyed = _keyed(spark, scan, snapshot, [_cast(field, id_) for field, id_ in fields])
    unread = tuple(name for name in scan.columns if name not in {field.name for field, _ in fields})
    notes = (*snapshot.notes, *(() if snapshot.partitioned else unread_folders(snapshot)), *notes)
    return LoadedTable(frame, keyed, columns, snapshot, None, 0, notes, (), unread=unread)


def kind_of(spark_type: T.DataType) -> Kind:
    """The kind of a Parquet column of this Spark type; dates, times and bytes are ``other``."""
    return _KINDS.get(type(spark_type), ("other", "string"))[0]


def _cast(field: T.StructField, name: str) -> SparkColumn:
    wanted = _KINDS.get(type(field.dataType), ("other", "string"))[1]
    return F.col(quoted(field.name)).cast(wanted).alias(name)


def _scan(spark: SparkSession, snapshot: Snapshot) -> DataFrame:
    if not any(file.size for file in snapshot.files):
        raise DataError(f"{snapshot.uri}: the data set is empty.")
    first = spark.read.parquet(snapshot.patterns[0])
    _check_schemas(spark, snapshot, first)
    whole = spark.read.schema(first.schema)
    if snapshot.partitioned is not None:  # Spark adds the folders' columns after those of the schema
        whole = whole.option("basePath", snapshot.partitioned)
    return whole.parquet(*snapshot.patterns)


def _check_schemas(spark: SparkSession, snapshot: Snapshot, first: DataFrame) -> None:
    """Raise DataError when a file has other columns than the first."""
    if len(snapshot.files) == 1:
        return
    expected = _shape(first)
    if len(snapshot.files) <= SCHEMAS_READ_SINGLY:
        for file, pattern in zip(snapshot.files[1:], snapshot.patterns[1:], strict=True):
            with reading(file.uri):
                _require_same(expected, _shape(spark.read.parquet(pattern)), snapshot.files[0].uri, file.uri)
    else:
        merged = spark.read.option("mergeSchema", "true").parquet(*snapshot.patterns)
        _require_same(expected, _shape(merged), snapshot.files[0].uri, snapshot.uri)


def _shape(frame: DataFrame) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in frame.schema.fields}


def _require_same(expected: dict[str, str], found: dict[str, str], first: str, other: str) -> None:
    if expected == found:
        return
    name = sorted(expected.items() ^ found.items())[0][0]
    raise DataError(
        f"{other}: its columns differ from those of {first}: {name!r} is {found.get(name, 'missing')} there and "
        f"{expected.get(name, 'missing')} in the first file. All files of a data set must have the same columns."
    )


def _fields(
    fields: list[T.StructField], options: ParquetReadOptions, uri: str
) -> tuple[list[tuple[T.StructField, str]], tuple[str, ...]]:
    """The fields to read with their ids, numbered by their position in the file."""
    names = [field.name for field in fields]
    note = _compare_headers(names, options.headers, uri)
    numbered = list(enumerate(fields))
    nested = [(index, field.name) for index, field in numbered if isinstance(field.dataType, _NESTED)]
    unwanted = {name for index, name in nested if name in options.excluded or index in options.excluded}
    refused = [name for _, name in nested if name not in unwanted]
    if refused:
        raise DataError(
            f"{uri}: lists, maps and structs cannot be features; "
            f"list {', '.join(map(repr, refused))} in excluded_columns to leave them out."
        )
    return [(field, f"c{index}") for index, field in numbered if field.name not in unwanted], note


def _compare_headers(names: list[str], headers: tuple[str, ...] | None, uri: str) -> tuple[str, ...]:
    if headers is None or list(headers) == names:
        return ()
    if len(headers) != len(names):
        raise DataError(
            "Headers in config do not match with the number of columns in the dataset. "
            f"headers names {len(headers)} columns, {uri} has {len(names)}; {did_you_mean('', names)}."
        )
    unknown = [name for name in headers if name not in names]
    if unknown:
        raise DataError(
            f"{uri}: headers names {unknown[0]!r}, which the file does not have; {did_you_mean(unknown[0], names)}."
        )
    return (f"{uri}: headers lists the columns in a different order than the file; the file's order is used.",)


def _keyed(spark: SparkSession, scan: DataFrame, snapshot: Snapshot, casts: list[SparkColumn]) -> DataFrame:
    placed = scan.select(
        *casts, F.col("_metadata.file_path").alias("_path"), F.col("_metadata.row_index").alias("_row")
    )
    key = F.shiftleft(F.col("_file").cast("bigint"), FILE_BITS) + F.col("_row")
    return with_file_number(spark, placed, snapshot).withColumn("row_key", key).drop("_file", "_row")
