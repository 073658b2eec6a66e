"""From cached columns of text with their places to a typed table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from clarify_spark.spark.data.formats.kinds import Missing, cast, inferred_kind, kind_note
from clarify_spark.spark.data.formats.listing import unread_folders
from clarify_spark.spark.data.formats.malformed_records import tolerated_note
from clarify_spark.spark.data.formats.row_keys import PLACE, Split, with_row_key
from clarify_spark.spark.data.formats.snapshot import Snapshot
from clarify_spark.spark.data.formats.table import Column, LoadedTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Null in good records, else what is wrong with the record.
PROBLEM = "_problem"


@dataclass(frozen=True)
class RecordCounts:
    """What one pass over the records yields: splits, good and malformed records, and each column's kind bits."""

    splits: tuple[Split, ...]
    rows: int
    malformed: int
    bits: tuple[int, ...]


@dataclass(frozen=True)
class Texts:
    """Records as text: ``cached`` has columns c0, c1, …, PROBLEM and the places.

    ``missing`` marks the texts that are missing values.
    """

    snapshot: Snapshot
    names: tuple[str, ...]
    cached: DataFrame
    counts: RecordCounts
    notes: tuple[str, ...]
    missing: Missing


def cast_records(spark: SparkSession, texts: Texts) -> LoadedTable:
    """The good records with each column cast to its kind."""
    ids = [f"c{index}" for index in range(len(texts.names))]
    counts = texts.counts
    good = texts.cached.filter(F.col(PROBLEM).isNull())
    casts = [cast(name, found, texts.missing) for name, found in zip(ids, counts.bits, strict=True)]
    kinds = [inferred_kind(found) for found in counts.bits]
    notes = (*texts.snapshot.notes, *unread_folders(texts.snapshot), *texts.notes)
    remarks = [kind_note(name, found) for name, found in zip(texts.names, counts.bits, strict=True)]
    return LoadedTable(
        frame=good.select(*casts),
        keyed=with_row_key(spark, good.select(*casts, *PLACE), counts.splits),
        columns=tuple(Column(*column) for column in zip(texts.names, ids, kinds, strict=True)),
        snapshot=texts.snapshot,
        rows=counts.rows,
        malformed=counts.malformed,
        notes=(*notes, *filter(None, remarks), *tolerated_note(counts.malformed)),
        cached=(texts.cached,),
        file_rows=_file_rows(counts, len(texts.snapshot.files)),
    )


def _file_rows(counts: RecordCounts, files: int) -> tuple[int, ...] | None:
    """The rows of each file, None if a record that is no row has a key."""
    found = [0] * files
    for split in counts.splits:
        found[split.file] += split.records
    return tuple(found) if sum(found) == counts.rows else None
