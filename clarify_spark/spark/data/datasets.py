"""The data set of a run: read once, typed once, with a row key; here columns become label, features and the rest."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clarify_spark.columns import Kind
from clarify_spark.config import AnalysisConfig
from clarify_spark.config.formats import readable
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.redaction import without_secrets
from clarify_spark.spark.data.formats import csv
from clarify_spark.spark.data.formats.column_names import resolve_name
from clarify_spark.spark.data.formats.column_roles import (
    assign,
    facet_columns,
    facet_references,
    prediction_column,
)
from clarify_spark.spark.data.formats.joins import JoinedTable, join
from clarify_spark.spark.data.formats.snapshot import Snapshot, SourceFile
from clarify_spark.spark.data.formats.suggestions import did_you_mean
from clarify_spark.spark.data.formats.table import Column, LoadedTable
from clarify_spark.udfs.dotted_names import resolved

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Column", "Dataset", "Source", "SourceFile", "data_fingerprint", "read", "resolve_name"]


#: A record in the words of ``udfs.row_keys``: the place of a record as executors know it.
_PLACE = re.compile(r"record (?P<record>[\d,]+) of file (?P<file>[\d,]+)")


@dataclass(frozen=True)
class Source:
    """Where a data set came from: the main one and those joined to it, rows (None: not counted), malformed records.

    ``file_rows``: the rows of each main file where they have the keys from its first on, else None. ``notes`` are for
    the log.
    """

    snapshots: tuple[Snapshot, ...]
    rows: int | None
    malformed: int
    notes: tuple[str, ...]
    file_rows: tuple[int, ...] | None = None

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The files of all data sets; tables of a catalogue may not list theirs."""
        return tuple(file for snapshot in self.snapshots for file in snapshot.files)

    @property
    def listing_hash(self) -> str:
        """The snapshot's hash; several snapshots: their hashes' hash."""
        hashes = [snapshot.hash for snapshot in self.snapshots]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    @property
    def description(self) -> str:
        """The files' number and size; of a table without files its name and version."""
        if not self.files and self.snapshots[0].version is not None:
            return f"{without_secrets(self.snapshots[0].uri)}, version {self.snapshots[0].version}"
        return f"files: {len(self.files)}, bytes: {sum(file.size for file in self.files):,}"

    def named(self, text: str) -> str:
        """The text with the file's URI, or the table's name, in place of the number that executors know."""
        return _PLACE.sub(self._named, text)

    def _named(self, match: re.Match[str]) -> str:
        main, file = self.snapshots[0], int(match["file"].replace(",", "")) - 1
        if main.order:
            return f"record {match['record']} of the table {main.uri} in the order of {', '.join(main.order)}"
        return f"record {match['record']} of {main.files[file].uri}" if file < len(main.files) else match[0]


@dataclass(frozen=True)
class Dataset:
    """Typed rows and the roles of their columns.

    ``frame`` has one Spark column per Column.id; ``keyed`` also has ``row_key`` (bigint): file number in the order of
    URIs << 40, plus the 0-based position of the record in its file; or its position in the order of a table's key.
    ``features``: the names of the columns passed to a model, in column order.
    ``facet_names``: the columns that an index in ``facet`` counts, those of the facet data set if there is one.
    """

    frame: DataFrame
    keyed: DataFrame
    columns: tuple[Column, ...]
    label: str | None
    predicted_label: str | None
    features: tuple[str, ...]
    join: str | None
    source: Source
    facet_names: tuple[str, ...]
    cached: tuple[DataFrame, ...] = ()

    def column(self, name: str) -> Column:
        """The column of this name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def kinds(self) -> dict[str, Kind]:
        """Each column's kind by name."""
        return {column.name: column.kind for column in self.columns}

    @cached_property
    def rows(self) -> int:
        """How many rows there are; counted where reading did not."""
        return self.source.rows if self.source.rows is not None else self.frame.count()

    def release(self) -> None:
        """Free what was cached."""
        for frame in self.cached:
            frame.unpersist()


def data_fingerprint(config: AnalysisConfig, source: Source) -> dict[str, str]:
    """What determines the values of features, by name and as hashes: the files, and the roles in the config."""
    layout = repr([config.dataset_type, config.headers, config.features])
    return {"data": source.listing_hash, "layout of the data": hashlib.sha256(layout.encode()).hexdigest()}


def read(spark: SparkSession, config: AnalysisConfig, data_uri: str) -> Dataset:
    """The data set at ``data_uri`` with the facet and prediction data sets of the config joined to it."""
    if config.format.reader is None:
        allowed = ", ".join(readable())
        raise ConfigError([Problem("dataset_type", f"{config.dataset_type} data cannot be read yet; {allowed} can")])
    main: LoadedTable = resolved(config.format.reader)(spark, config, data_uri)
    with ExitStack() as on_failure:
        on_failure.callback(main.release)
        dataset = _completed(spark, config, main, on_failure)
        on_failure.pop_all()
    return dataset


def _completed(spark: SparkSession, config: AnalysisConfig, main: LoadedTable, on_failure: ExitStack) -> Dataset:
    """The main data set with its roles, and with the columns of the others."""
    try:
        roles = assign(config, main)
    except ConfigError as error:  # the way the data were read may be why a column is missing
        raise ConfigError([*error.problems, *(Problem("(data)", note) for note in main.notes)]) from error
    facets = _facet_table(spark, config, main, roles.join, on_failure)
    predictions = _prediction_table(spark, config, roles.join, on_failure)
    sides = [side for side in (facets, predictions) if side is not None]
    table = main
    for side in sides:
        table = join(table, side, roles.join)
        on_failure.callback(table.release)
    return Dataset(
        frame=table.frame,
        keyed=table.keyed,
        columns=table.columns,
        label=roles.label,
        predicted_label=predictions.take[0] if predictions else roles.predicted_label,
        features=roles.features,
        join=roles.join,
        source=_source(table, [main, *(side.table for side in sides)]),
        facet_names=facets.table.names if facets else main.addressable,
        cached=(*table.cached, *(frame for side in sides for frame in side.table.cached)),
    )


def _source(table: LoadedTable, read_from: list[LoadedTable]) -> Source:
    """The joined table's rows and notes, and the snapshots of all data sets."""
    return Source(
        snapshots=tuple(part.snapshot for part in read_from),
        rows=table.rows,
        malformed=sum(part.malformed for part in read_from),
        notes=(*table.notes, *(note for part in read_from[1:] for note in part.notes)),
        file_rows=table.file_rows,
    )


def _facet_table(
    spark: SparkSession, config: AnalysisConfig, main: LoadedTable, by: str | None, on_failure: ExitStack
) -> JoinedTable | None:
    if config.facet_dataset_uri is None:
        return None
    wanted = frozenset(name for name in facet_references(config) if isinstance(name, str))
    options = csv.CsvReadOptions(config.facet_headers, wanted | ({by} if by else set()), config.max_malformed_records)
    table = csv.read_csv(spark, config.facet_dataset_uri, options)
    on_failure.callback(table.release)
    _require_id(table, by)
    return JoinedTable(table, facet_columns(config, main, table))


def _prediction_table(
    spark: SparkSession, config: AnalysisConfig, by: str | None, on_failure: ExitStack
) -> JoinedTable | None:
    if config.predicted_label_dataset_uri is None:
        return None
    named = [name for name in (config.predicted_label, by) if isinstance(name, str)]
    options = csv.CsvReadOptions(config.predicted_label_headers, frozenset(named), config.max_malformed_records)
    table = csv.read_csv(spark, config.predicted_label_dataset_uri, options)
    on_failure.callback(table.release)
    _require_id(table, by)
    return JoinedTable(table, (prediction_column(config, table, by),))


def _require_id(table: LoadedTable, by: str | None) -> None:
    if by is not None and by not in table.names:
        near_names = did_you_mean(by, table.names)
        message = f"the id column {by!r} must be in every data set; {table.snapshot.uri} has none: {near_names}"
        raise ConfigError([Problem("joinsource_name_or_index", message)])
