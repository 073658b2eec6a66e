"""JSON Lines and JSON documents: JMESPaths run in Python on executors (``clarify_spark.udfs.records``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F

from clarify_spark.config import AnalysisConfig
from clarify_spark.config.formats import DATASET_FORMATS, JSON, JSON_LINES
from clarify_spark.errors import ConfigError, DataError, Problem
from clarify_spark.explaining.baseline_files import rows_of_json_documents, rows_of_json_lines
from clarify_spark.explaining.baseline_rows import BaselineRows, Features
from clarify_spark.spark.data.formats.baselines import whole_texts
from clarify_spark.spark.data.formats.caching import cached
from clarify_spark.spark.data.formats.column_names import require_unique
from clarify_spark.spark.data.formats.csv_header import MISMATCH
from clarify_spark.spark.data.formats.kinds import is_null
from clarify_spark.spark.data.formats.listing import list_files
from clarify_spark.spark.data.formats.malformed_records import first_malformed, require_tolerable
from clarify_spark.spark.data.formats.row_keys import PLACE, Split, placed, split_rows, with_file_number
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.table import LoadedTable
from clarify_spark.spark.data.formats.texts import PROBLEM, RecordCounts, Texts, cast_records
from clarify_spark.spark.files.read_failures import reading
from clarify_spark.udfs.jmespaths import JMESPathError, compile_path
from clarify_spark.udfs.kinds import MISSING
from clarify_spark.udfs.records import RecordSpec, document_widths, line_widths, parse_documents, parse_lines

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SAMPLE_LINES = 100
_ANY_WIDTH = -1


class Parse(Protocol):
    """From batches of bytes with their places to batches of text columns."""

    def __call__(self, batches: Iterable[pa.RecordBatch], spec: RecordSpec) -> Iterator[pa.RecordBatch]:
        """The batches of text columns."""


@dataclass(frozen=True)
class JsonReadOptions:
    """The config of a JSON data set: names of all columns (None: none given), JMESPaths, the tolerance."""

    headers: tuple[str, ...] | None
    features: str | None
    label: str | int | None
    predicted_label: str | int | None
    max_malformed: int


def table_of_lines(spark: SparkSession, config: AnalysisConfig, uri: str) -> LoadedTable:
    """The main data set as JSON Lines."""
    return read_json_lines(spark, uri, _wishes(config))


def table_of_documents(spark: SparkSession, config: AnalysisConfig, uri: str) -> LoadedTable:
    """The main data set as JSON documents."""
    return read_json_documents(spark, uri, _wishes(config))


def _wishes(config: AnalysisConfig) -> JsonReadOptions:
    predicted = None if config.predicted_label_dataset_uri else config.predicted_label
    return JsonReadOptions(config.headers, config.features, config.label, predicted, config.max_malformed_records)


def baseline_of_lines(spark: SparkSession, uri: str, features: Features) -> BaselineRows:
    """The rows of a baseline in JSON Lines."""
    return rows_of_json_lines(whole_texts(spark, uri, DATASET_FORMATS[JSON_LINES].listed), features)


def baseline_of_documents(spark: SparkSession, uri: str, features: Features) -> BaselineRows:
    """The rows of a baseline in JSON documents."""
    return rows_of_json_documents(whole_texts(spark, uri, DATASET_FORMATS[JSON].listed), features)


def read_json_lines(spark: SparkSession, uri: str, options: JsonReadOptions) -> LoadedTable:
    """One row per line of JSON Lines files; a line is a record, its number counts blank lines too."""
    spec = _spec(options)
    snapshot = list_files(spark, uri, DATASET_FORMATS[JSON_LINES].listed)
    with reading(uri):
        spec = replace(spec, width=_width(_line_widths(spark, snapshot, spec), options, spec, uri))
        lines = placed(spark, spark.read.text(snapshot.patterns), snapshot, ["value"])
        return _table(spark, snapshot, lines, parse_lines, spec, options)


def read_json_documents(spark: SparkSession, uri: str, options: JsonReadOptions) -> LoadedTable:
    """One row per record of JSON documents; a document is read whole by one task."""
    spec = _spec(options)
    snapshot = list_files(spark, uri, DATASET_FORMATS[JSON].listed)
    with reading(uri):
        spec = replace(spec, width=_width(_document_widths(spark, snapshot, spec), options, spec, uri))
        documents = spark.read.text(snapshot.patterns, wholetext=True)
        known = documents.select("value", F.col("_metadata.file_path").alias("_path"))
        return _table(spark, snapshot, with_file_number(spark, known, snapshot), parse_documents, spec, options)


def _spec(options: JsonReadOptions) -> RecordSpec:
    """The record's JMESPaths, each compiled once to report an invalid one before any data is read."""
    problems = []
    paths = {"features": options.features, "label": options.label, "predicted_label": options.predicted_label}
    for key, path in paths.items():
        try:
            if isinstance(path, int):
                problems.append(Problem(key, f"{path} is an index; in JSON data it must be a JMESPath"))
            elif path is not None:
                compile_path(path)
        except JMESPathError as error:
            problems.append(Problem(key, f"{path!r} is not a JMESPath: {' '.join(str(error).split())}"))
    if options.features is None:
        problems.append(Problem("features", "is missing; JSON data need the JMESPath of the list of features"))
    if problems:
        raise ConfigError(problems)
    text = {key: None if path is None else str(path) for key, path in paths.items()}
    return RecordSpec(str(options.features), text["label"], text["predicted_label"], _ANY_WIDTH)


def _line_widths(spark: SparkSession, snapshot: Snapshot, spec: RecordSpec) -> list[int]:
    """The number of features of the first lines that can be read."""
    lines = spark.read.text(_first_pattern(snapshot)).select(F.col("value").cast("binary")).limit(_SAMPLE_LINES)
    return line_widths([bytes(row[0]) for row in lines.collect()], spec)


def _document_widths(spark: SparkSession, snapshot: Snapshot, spec: RecordSpec) -> list[int]:
    content = spark.read.text(_first_pattern(snapshot), wholetext=True).select(F.col("value").cast("binary"))
    return [row[0] for row in content.mapInArrow(partial(document_widths, spec=spec), "width int").collect()]


def _first_pattern(snapshot: Snapshot) -> str:
    """The first file that is not empty."""
    for file, pattern in zip(snapshot.files, snapshot.patterns, strict=True):
        if file.size:
            return pattern
    raise DataError(f"{snapshot.uri}: the data set is empty.")


def _width(found: list[int], options: JsonReadOptions, spec: RecordSpec, uri: str) -> int:
    """The number of features: the headers less the labels, else that of most of the first records."""
    usual = Counter(found).most_common(1)[0][0] if found else None
    if options.headers is None:
        return usual if usual is not None else 0
    require_unique(options.headers, "headers")
    width = len(options.headers) - spec.labels
    if usual is not None and usual != width:
        columns = [
            "features",
            *(["label"] if spec.label else []),
            *(["predicted label"] if spec.predicted_label else []),
        ]
        raise DataError(
            f"{MISMATCH} headers names {len(options.headers)} columns, the records of {uri} have {usual + spec.labels} "
            f"({usual} features). Headers must name {', then '.join(columns)}."
        )
    return width


def _table(
    spark: SparkSession,
    snapshot: Snapshot,
    records: DataFrame,
    parse: Parse,
    spec: RecordSpec,
    options: JsonReadOptions,
) -> LoadedTable:
    names = _column_names(options.headers, spec)
    schema = ", ".join([*(f"c{index} string" for index in range(spec.columns)), f"{PROBLEM} string", "_bits string"])
    binary = records.select(F.col("value").cast("binary"), *[name for name in PLACE if name in records.columns])
    parsed = binary.mapInArrow(partial(parse, spec=spec), f"{schema}, _file int, _block bigint, _mid bigint")
    with cached(parsed) as kept:
        counts = _counted(kept, spec.columns)
        if any(split.first < 0 for split in counts.splits):
            raise DataError(_broken_document(kept, snapshot))
        require_tolerable(counts.malformed, options.max_malformed, lambda: _complaint(kept, counts.splits, snapshot))
        if counts.rows == 0:
            raise DataError(f"{snapshot.uri}: there are no records.")
        _require_found(names, counts.bits, spec, snapshot.uri)
        table = cast_records(spark, Texts(snapshot, names, kept, counts, (), is_null))
    label = names[spec.width] if spec.label is not None else None
    predicted = names[-1] if spec.predicted_label is not None else None
    return replace(table, label=label, predicted_label=predicted)


def _counted(cached: DataFrame, columns: int) -> RecordCounts:
    """Splits, good and malformed records, and each column's kind bits, from one pass."""
    problem = F.col(PROBLEM)
    found = split_rows(cached, [F.count(problem), F.count_if(problem == ""), F.collect_set("_bits")])
    splits = tuple(split for split, _ in found)
    not_good = sum(values[0] for _, values in found)
    blank = sum(values[1] for _, values in found)
    masks = [[int(mask) for mask in text.split(",")] for _, values in found for text in values[2]]
    bits = tuple(reduce(or_, (mask[place] for mask in masks), 0) for place in range(columns))
    return RecordCounts(splits, sum(split.records for split in splits) - not_good, not_good - blank, bits)


def _column_names(headers: tuple[str, ...] | None, spec: RecordSpec) -> tuple[str, ...]:
    if headers is not None:
        return headers
    labels = (["label"] if spec.label is not None else []) + (
        ["predicted_label"] if spec.predicted_label is not None else []
    )
    return (*(f"column_{index}" for index in range(spec.width)), *labels)


def _broken_document(cached: DataFrame, snapshot: Snapshot) -> str:
    row = cached.filter("_mid < 0").select(PROBLEM, "_file").orderBy("_file").first()
    assert row is not None
    hint = (
        " If it has one record per line, dataset_type must be application/jsonlines." if "Extra data" in row[0] else ""
    )
    return f"{snapshot.files[row[1]].uri}: {row[0]}.{hint}"


def _complaint(cached: DataFrame, splits: tuple[Split, ...], snapshot: Snapshot) -> str:
    uri, position, problem = first_malformed(cached.filter(f"{PROBLEM} <> ''"), PROBLEM, splits, snapshot)
    whole = position == 0 and "not JSON" in problem
    hint = " (if the file is one JSON document, dataset_type must be application/json)" if whole else ""
    return f"{uri}, record {position + 1}: {problem}{hint}"


def _require_found(names: tuple[str, ...], bits: tuple[int, ...], spec: RecordSpec, uri: str) -> None:
    """Raise DataError when the JMESPath of a label finds nothing in any record: it is misspelt."""
    paths = [("label", spec.label), ("predicted_label", spec.predicted_label)]
    given = [(key, path) for key, path in paths if path is not None]
    for (key, path), found in zip(given, bits[spec.width :], strict=True):
        if found == MISSING:
            raise DataError(f"{uri}: the JMESPath {key} {path!r} finds nothing in any record.")
