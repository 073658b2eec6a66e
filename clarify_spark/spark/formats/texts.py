"""From cached columns of text with their places to a typed table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from clarify_spark.spark.formats.keys import PLACE, Split, with_row_key
from clarify_spark.spark.formats.kinds import cast, remark, settle
from clarify_spark.spark.formats.listing import Listing
from clarify_spark.spark.formats.malformed import tolerated_note
from clarify_spark.spark.formats.table import Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Null in good records, else what is wrong with the record.
PROBLEM = "_problem"


@dataclass(frozen=True)
class Texts:
    """Records as text: ``cached`` has columns c0, c1, …, PROBLEM and the places; ``bits`` tell the kinds in each column."""

    listing: Listing
    names: tuple[str, ...]
    cached: DataFrame
    splits: tuple[Split, ...]
    bits: tuple[int, ...]
    rows: int
    malformed: int
    notes: tuple[str, ...]


def typed(spark: SparkSession, texts: Texts) -> Table:
    """The good records with each column cast to its kind."""
    ids = [f"c{index}" for index in range(len(texts.names))]
    good = texts.cached.filter(F.col(PROBLEM).isNull())
    casts = [cast(name, found) for name, found in zip(ids, texts.bits, strict=True)]
    columns = tuple(
        Column(name, id_, settle(found)) for name, id_, found in zip(texts.names, ids, texts.bits, strict=True)
    )
    remarks = [remark(name, found) for name, found in zip(texts.names, texts.bits, strict=True)]
    return Table(
        frame=good.select(*casts),
        keyed=with_row_key(spark, good.select(*casts, *PLACE), texts.splits),
        columns=columns,
        listing=texts.listing,
        rows=texts.rows,
        malformed=texts.malformed,
        notes=(*texts.listing.notes, *texts.notes, *filter(None, remarks), *tolerated_note(texts.malformed)),
        cached=(texts.cached,),
    )
