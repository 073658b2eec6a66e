"""CSV: Spark's reader for the records, pandas' rules for the types."""

from __future__ import annotations

import codecs
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
from clarify_spark.spark.data.formats.row_keys import PLACE, Split, placed, split_rows
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.suggestions import short_repr
from clarify_spark.spark.data.formats.table import LoadedTable
from clarify_spark.spark.data.formats.texts import PROBLEM, RecordCounts, Texts, cast_records
from clarify_spark.spark.files.output import local_path
from clarify_spark.spark.files.raw_text import decoded, raw_value
from clarify_spark.spark.files.read_failures import reading
from clarify_spark.spark.session import runs_locally
from clarify_spark.spark.startup import SMALL_INPUT

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_SAMPLE_LINES = 100
#: Groups of files and columns up to which one pass counts records and finds kinds.
MOST_GROUPS = 10_000


@dataclass(frozen=True)
class CsvReadOptions:
    """What the config states about one CSV data set: ``headers`` or None, the column names it uses, the tolerance."""

    headers: tuple[str, ...] | None
    wanted: Collection[str]
    max_malformed: int


@dataclass(frozen=True)
class _Lines:
    """What one pass over the lines shows: each file's first line, and whether quoted fields may contain line breaks.

    ``start``: the first lines of the first file, blank ones too; empty if they are still to be read.
    """

    first: dict[int, str]
    multiline: bool
    start: tuple[str, ...] = ()


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
            counts = _counted(records, snapshot, width)
            require_tolerable(
                counts.malformed, options.max_malformed, lambda: _complaint(records, counts.splits, snapshot, width)
            )
            if counts.rows == 0:
                besides = " besides the header row" if header.in_files else ""
                raise DataError(f"{snapshot.uri}: there are no records{besides}.")
            return cast_records(spark, Texts(snapshot, header.names, records, counts, (header.note,), is_missing))


def _scan_lines(spark: SparkSession, snapshot: Snapshot) -> _Lines:
    """What a pass by Spark shows, or this process where the data are one small file of this machine."""
    lines = _scan_small_file(snapshot) if runs_locally(spark) else None
    lines = lines or _scan_by_spark(spark, snapshot)
    if not lines.first:
        raise DataError(f"{snapshot.uri}: the data set is empty.")
    for file, line in lines.first.items():
        _require_text(line, snapshot.files[file].uri)
    return lines


def _scan_small_file(snapshot: Snapshot) -> _Lines | None:
    path = local_path(snapshot.files[0].uri)
    if len(snapshot.files) > 1 or path is None or path.suffix.lower() != ".csv" or snapshot.files[0].size > SMALL_INPUT:
        return None
    try:
        raw = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()  # at the line ends of Spark's reader
    except OSError:  # Spark reports it
        return None
    first = next((line for line in raw if line.strip(b" ")), None)
    return _Lines(
        {} if first is None else {0: decoded(first)},
        any(line.count(b'"') % 2 for line in raw),
        tuple(decoded(line) for line in raw[:_SAMPLE_LINES]),
    )


def _scan_by_spark(spark: SparkSession, snapshot: Snapshot) -> _Lines:
    lines = placed(spark, spark.read.text(snapshot.patterns), snapshot, ["value"])
    quotes = "octet_length(value) - octet_length(replace(value, '\"', ''))"
    odd = F.expr(f"CASE WHEN contains(value, '\"') AND ({quotes}) % 2 = 1 THEN 1 ELSE 0 END")
    rows = split_rows(lines.filter("length(trim(value)) > 0"), [F.min_by(raw_value(), "_mid"), F.max(odd)])
    first: dict[int, str] = {}
    for split, (line, _) in sorted(rows, key=lambda row: (row[0].file, row[0].block)):
        first.setdefault(split.file, decoded(line))
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
    start = lines.start or _first_lines(spark, snapshot.patterns[number])
    records = parse_csv("\n".join(start)) or parse_csv(lines.first[number])
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


def _first_lines(spark: SparkSession, pattern: str) -> tuple[str, ...]:
    rows = spark.read.text(pattern).limit(_SAMPLE_LINES).select(raw_value()).collect()
    return tuple(decoded(row[0]) for row in rows)


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


def _counted(cached: DataFrame, snapshot: Snapshot, width: int) -> RecordCounts:
    """Splits, good and malformed records, and each column's kind bits, from cached data.

    Kinds are found on exploded fields: an expression per column would make methods too long for the JVM to compile.
    Where that gives few groups, records are counted by the same pass, as fields at the place -1.
    """
    bad = F.col(PROBLEM)
    malformed = F.count_if(F.trim(bad) != "")  # multiLine reading makes records of lines of blanks
    measures = [F.count_if(bad.isNull()), malformed]
    fields = [_field(index, f"c{index}") for index in range(width)]
    if len(snapshot.files) * width <= MOST_GROUPS and sum(file.size for file in snapshot.files) <= SMALL_INPUT:
        every = F.when(bad.isNull(), F.array(_field(-1), *fields)).otherwise(F.array(_field(-1)))
        cells = cached.select(*PLACE, PROBLEM, F.explode(every).alias("cell")).select(*PLACE, PROBLEM, "cell.*")
        found = split_rows(cells, [*measures, kind_bits("field")], "place")
        rows = [(split, values[1:]) for split, values in found if values[0] == -1]
        kinds = [(values[0], values[-1]) for _, values in found]
    else:
        rows = split_rows(cached, measures)
        cells = cached.filter(bad.isNull()).select(F.explode(F.array(*fields)).alias("cell")).select("cell.*")
        kinds = [(row[0], row[1]) for row in cells.groupBy("place").agg(kind_bits("field")).collect()]
    masks = dict.fromkeys(range(-1, width), 0)
    for place, mask in kinds:
        masks[place] |= int(mask)
    good, malformed_records = (sum(values[n] for _, values in rows) for n in (0, 1))
    return RecordCounts(
        tuple(split for split, _ in rows), good, malformed_records, tuple(masks[place] for place in range(width))
    )


def _field(place: int, name: str | None = None) -> Column:
    field = F.col(name) if name is not None else F.lit(None).cast("string")
    return F.struct(F.lit(place).alias("place"), field.alias("field"))


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
