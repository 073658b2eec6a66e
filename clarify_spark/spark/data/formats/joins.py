"""Facets or predictions from a second data set, joined to the rows of the first: by an id, or by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from clarify_spark.errors import DataError
from clarify_spark.spark.data.formats.caching import cached
from clarify_spark.spark.data.formats.suggestions import short_repr
from clarify_spark.spark.data.formats.table import Column, LoadedTable
from clarify_spark.spark.files.read_failures import reading

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_ID = "_id"
_NUMERIC = ("integer", "float")


@dataclass(frozen=True)
class JoinedTable:
    """The second data set of a join and the columns to take from it."""

    table: LoadedTable
    take: tuple[str, ...]


def join(main: LoadedTable, side: JoinedTable, by: str | None) -> LoadedTable:
    """The rows of ``main`` that have a match, with ``side``'s columns; ``by`` names the ids, None: by position."""
    added = _added(main, side)
    with reading(side.table.snapshot.uri):
        matched = _by_position(main, side, added) if by is None else _by_id(main, side, added, by)
        with cached(matched) as joined:
            kept = joined.count()
            notes = _unmatched(main, side, by, kept)
    columns = (*main.columns, *added)
    return replace(
        main,
        frame=joined.select(*[column.id for column in columns]),
        keyed=joined.select(*[column.id for column in columns], "row_key"),
        columns=columns,
        rows=kept,
        notes=(*main.notes, *notes),
        cached=(joined, *main.cached),
        file_rows=None,
    )


def _added(main: LoadedTable, side: JoinedTable) -> tuple[Column, ...]:
    """The columns of ``side`` to take, with ids that follow those of ``main``."""
    both = [name for name in side.take if name in main.names]
    if both:
        here, there = main.snapshot.uri, side.table.snapshot.uri
        raise DataError(f"Column {both[0]!r} is in both {here} and {there}; rename it in one of them.")
    next_id = max((int(column.id[1:]) for column in main.columns), default=-1) + 1
    taken = [column for column in side.table.columns if column.name in side.take]
    return tuple(replace(column, id=f"c{next_id + index}") for index, column in enumerate(taken))


def _partner(side: JoinedTable, added: Sequence[Column], key: SparkColumn) -> DataFrame:
    sources = {column.name: column.id for column in side.table.columns}
    return side.table.keyed.select(key.alias(_ID), *[F.col(sources[column.name]).alias(column.id) for column in added])


def _by_position(main: LoadedTable, side: JoinedTable, added: Sequence[Column]) -> DataFrame:
    for table in (main, side.table):
        files = len(table.snapshot.files)
        if files > 1:
            raise DataError(
                f"{table.snapshot.uri} has {files} files; without joinsource_name_or_index data sets are matched by "
                "position, for which each must be a single file. Set joinsource_name_or_index to an id column."
            )
    here, there = (_count(table) + table.malformed for table in (main, side.table))
    if here != there:
        raise DataError(
            f"{main.snapshot.uri} has {here} records and {side.table.snapshot.uri} has {there}; without "
            "joinsource_name_or_index they are matched by position and must be equally long. "
            "Set joinsource_name_or_index to an id column."
        )
    return main.keyed.join(_partner(side, added, F.col("row_key")), F.col("row_key") == F.col(_ID))


def _by_id(main: LoadedTable, side: JoinedTable, added: Sequence[Column], by: str) -> DataFrame:
    left, right = _column(main, by), _column(side.table, by)
    for table, column in ((main, left), (side.table, right)):
        _require_distinct(table, column)
    wanted = _comparable(left, right)
    partner = _partner(side, added, F.col(right.id).cast(wanted))
    return main.keyed.join(partner, F.col(left.id).cast(wanted) == F.col(_ID))


def _comparable(left: Column, right: Column) -> str:
    """The Spark type in which ids of two kinds compare: numbers as numbers, different kinds as text."""
    if left.kind == right.kind:
        return {"integer": "bigint", "float": "double", "boolean": "boolean"}.get(left.kind, "string")
    return "double" if left.kind in _NUMERIC and right.kind in _NUMERIC else "string"


def _require_distinct(table: LoadedTable, column: Column) -> None:
    twice = table.frame.filter(F.col(column.id).isNotNull()).groupBy(column.id).count().filter("count > 1")
    example = twice.orderBy(column.id).first()
    if example is not None:
        raise DataError(
            f"{table.snapshot.uri}: the ids in column {column.name!r} must be distinct; {short_repr(example[0])} "
            f"occurs {example[1]} times. Remove the duplicates or join by another column (joinsource_name_or_index)."
        )


def _unmatched(main: LoadedTable, side: JoinedTable, by: str | None, kept: int) -> tuple[str, ...]:
    """Notes on rows without a match; no match at all is an error."""
    here, there = _count(main), _count(side.table)
    if kept == 0:
        raise DataError(
            f"No row of {main.snapshot.uri} has a match in {side.table.snapshot.uri}"
            + (f" by the ids in column {by!r}." if by else ".")
        )
    if here == kept == there:
        return ()
    return (
        f"Joined {main.snapshot.uri} with {side.table.snapshot.uri}: {kept} rows; {here - kept} rows of the first and "
        f"{there - kept} of the second had no match and were left out.",
    )


def _count(table: LoadedTable) -> int:
    return table.frame.count() if table.rows is None else table.rows


def _column(table: LoadedTable, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)
