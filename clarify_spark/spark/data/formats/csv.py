"""CSV: Spark's reader for the records, pandas' rules for the types."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from clarify_spark.config import AnalysisConfig
from clarify_spark.config.formats import CSV, DATASET_FORMATS
from clarify_spark.errors import DataError
from clarify_spark.explaining.baseline_files import rows_of_csv
from clarify_spark.explaining.baseline_rows import BaselineRows, Features
from clarify_spark.spark.data.formats.baselines import whole_texts
from clarify_spark.spark.data.formats.caching import cached
from clarify_spark.spark.data.formats.column_roles import names_in_main_data
from clarify_spark.spark.data.formats.csv_header import Header, find_header, header_warnings, parse_csv
from clarify_spark.spark.data.formats.kinds import is_missing, kind_bits
from clarify_spark.spark.data.formats.listing import list_files
from clarify_spark.spark.data.formats.malformed_records import first_malformed, require_tolerable
from clarify_spark.spark.data.formats.row_keys import Split, placed, split_rows
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.suggestions import short_repr
from clarify_spark.spark.data.formats.table import LoadedTable
from clarify_spark.spark.data.formats.texts import PROBLEM, RecordCounts, Texts, cast_records
from clarify_spark.spark.files.raw_text import decoded, raw_value
from clarify_spark.spark.files.read_failures import reading

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SAMPLE_LINES = 100


@dataclass(frozen=True)
class CsvReadOptions:
    """What the config states about one CSV data set: ``headers`` or None, the column names it uses, the tolerance."""

    headers: tuple[str, ...] | None
    wanted: Collection[str]
    max_malformed: int


@dataclass(frozen=True)
class _Lines:
    """What one pass over the lines shows: each file's first line, and whether quoted fields may contain line breaks."""

    first: dict[int, str]
    multiline: bool


def table_of(spark: SparkSession, config: AnalysisConfig, uri: str) -> LoadedTable:
    """The main data set."""
    return read_csv(
        spark, uri, CsvReadOptions(config.headers, names_in_main_data(config), config.max_malformed_records)
    )


def baseline_of(spark: SparkSession, uri: str, features: Features) -> BaselineRows:
    """The rows of a baseline."""
    return rows_of_csv(whole_texts(spark, uri, DATASET_FORMATS[CSV].listed), features)


def read_csv(spark: SparkSession, uri: str, options: CsvReadOptions) -> LoadedTable:
    """The records of CSV files as columns typed like ``pandas.read_csv`` types them."""
    snapshot = list_files(spark, uri, DATASET_FORMATS[CSV].listed)
    with reading(uri):
        lines = _scan_lines(spark, snapshot)
        header = _header(spark, snapshot, lines, options)
        width = len(header.names)
        with cached(_records(spark, snapshot, header, lines.multiline)) as records:
            counts = _counted(records, width)
            require_tolerable(
                counts.malformed, options.max_malformed, lambda: _complaint(records, counts.splits, snapshot, width)
            )
            if counts.rows == 0:
                besides = " besides the header row" if header.in_files else ""
                raise DataError(f"{snapshot.uri}: there are no records{besides}.")
            return cast_records(spark, Texts(snapshot, header.names, records, counts, (header.note,), is_missing))


def _scan_lines(spark: SparkSession, snapshot: Snapshot) -> _Lines:
    lines = placed(spark, spark.read.text(snapshot.patterns), snapshot, ["value"])
    quotes = "octet_length(value) - octet_length(replace(value, '\"', ''))"
    odd = F.expr(f"CASE WHEN contains(value, '\"') AND ({quotes}) % 2 = 1 THEN 1 ELSE 0 END")
    rows = split_rows(lines.filter("length(trim(value)) > 0"), [F.min_by(raw_value(), "_mid"), F.max(odd)])
    if not rows:
        raise DataError(f"{snapshot.uri}: the data set is empty.")
    first: dict[int, str] = {}
    for split, (line, _) in sorted(rows, key=lambda row: (row[0].file, row[0].block)):
        first.setdefault(split.file, decoded(line))
    for file, line in first.items():
        _require_text(line, snapshot.files[file].uri)
    return _Lines(first, any(odd for _, (_, odd) in rows))


def _require_text(line: str, uri: str) -> None:
    if line.startswith("\x1f"):
        raise DataError(f"{uri}: looks gzip-compressed; Spark decompresses it only if its name ends in .gz.")
    if line.startswith("PAR1"):
        raise DataError(f"{uri}: is a Parquet file; dataset_type must be application/x-parquet for it.")
    if _is_json_object(line):
        raise DataError(f"{uri}: is JSON; dataset_type must be application/jsonlines (one record per line) for it.")
    if "\x00" in line:
        raise DataError(f"{uri}: is not UTF-8 text (it has NUL bytes; possibly UTF-16). Convert it to UTF-8.")


def _is_json_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _header(spark: SparkSession, snapshot: Snapshot, lines: _Lines, options: CsvReadOptions) -> Header:
    number = min(lines.first)
    file = snapshot.files[number].uri
    sample = spark.read.text(snapshot.patterns[number]).limit(_SAMPLE_LINES).select(raw_value()).collect()
    records = parse_csv("\n".join(decoded(row[0]) for row in sample)) or parse_csv(lines.first[number])
    header = find_header(records, options.headers, options.wanted, file)
    header = replace(header, note=header.note + header_warnings(records))
    for other, line in lines.first.items():
        if line == lines.first[number]:
            continue
        found = tuple(cell.strip() for cell in (parse_csv(line) or [[]])[0])
        named = found == tuple(name.strip() for name in header.names) or found == tuple(
            cell.strip() for cell in records[0]
        )
        if named != header.in_files:
            here, there = ("without", "with") if header.in_files else ("with", "without")
            raise DataError(
                f"{snapshot.files[other].uri}: starts {here} the header row, {file} {there} it; "
                f"the first record is {short_repr(line)}. "
                "All files of a data set must have the same header row, or none."
            )
    return header


def _records(spark: SparkSession, snapshot: Snapshot, header: Header, multiline: bool) -> DataFrame:
    names = [f"c{index}" for index in range(len(header.names))]
    scan = spark.read.csv(
        snapshot.patterns,
        schema=", ".join(f"{name} string" for name in [*names, PROBLEM]),
        header=header.in_files,
        escape='"',
        multiLine=multiline,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=PROBLEM,
        enforceSchema=True,
        encoding="UTF-8",
        maxColumns=max(20480, 2 * len(names)),
    )
    return placed(spark, scan, snapshot, [*names, PROBLEM])


def _counted(cached: DataFrame, width: int) -> RecordCounts:
    """Splits, good and malformed records, and each column's kind bits, from two passes over cached data.

    Kinds are found on exploded fields: an expression per column would make methods too long for the JVM to compile.
    """
    bad = F.col(PROBLEM)
    malformed = F.count_if(F.trim(bad) != "")  # multiLine reading makes records of lines of blanks
    rows = split_rows(cached, [F.count_if(bad.isNull()), malformed])
    splits = tuple(split for split, _ in rows)
    fields = F.posexplode(F.array(*[f"c{index}" for index in range(width)])).alias("place", "field")
    found = cached.filter(bad.isNull()).select(fields).groupBy("place").agg(kind_bits("field")).collect()
    masks = {place: int(mask) for place, mask in found}
    kinds = tuple(masks.get(place, 0) for place in range(width))
    return RecordCounts(splits, sum(values[0] for _, values in rows), sum(values[1] for _, values in rows), kinds)


def _complaint(cached: DataFrame, splits: tuple[Split, ...], snapshot: Snapshot, width: int) -> str:
    bad = cached.filter(F.trim(F.col(PROBLEM)) != "")
    uri, position, text = first_malformed(bad, PROBLEM, splits, snapshot)
    record = (parse_csv(text) or [[]])[0]
    return (
        f"{uri}, record {position + 1} (blank lines and the header not counted): "
        f"{len(record)} columns, {width} expected{_hint(text, snapshot)}: {short_repr(text)}"
    )


def _hint(record: str, snapshot: Snapshot) -> str:
    if record.count('"') % 2:
        return " (a quote is not closed)"
    first = snapshot.files[0].uri.rsplit("/", 1)[-1]
    return f" as in the first record of {first}" if len(snapshot.files) > 1 else ""
