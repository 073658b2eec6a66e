"""What every reader returns: typed columns, with and without row keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clarify_spark.columns import Kind
from clarify_spark.spark.data.formats.snapshot import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Column:
    """A column of the data: its name, its kind and ``id``, the name it has in Spark (``c0``, ``c1``, …)."""

    name: str
    id: str
    kind: Kind


@dataclass(frozen=True)
class LoadedTable:
    """One data set as read: ``frame`` has a Spark column per Column.id, ``keyed`` also has ``row_key`` (bigint).

    ``rows`` is None when the reader did not have to count; ``file_rows``: the rows of each file where every key from
    the file's first on has one, else None. ``cached`` are the frames to unpersist at the end.
    ``label`` and ``predicted_label`` are set by formats that find them by JMESPath instead of by column.
    ``unread`` are excluded columns that were not read; an index in the config counts them too (``addressable``).
    """

    frame: DataFrame
    keyed: DataFrame
    columns: tuple[Column, ...]
    snapshot: Snapshot
    rows: int | None
    malformed: int
    notes: tuple[str, ...]
    cached: tuple[DataFrame, ...]
    label: str | None = None
    predicted_label: str | None = None
    unread: tuple[str, ...] = ()
    file_rows: tuple[int, ...] | None = None

    def release(self) -> None:
        """Free what was cached."""
        for frame in self.cached:
            frame.unpersist()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def addressable(self) -> tuple[str, ...]:
        """All names that the data has, in the order in which an index counts them."""
        places = {int(column.id[1:]): column.name for column in self.columns}
        missing = [index for index in range(len(places) + len(self.unread)) if index not in places]
        places.update(zip(missing, self.unread, strict=True))
        return tuple(places[index] for index in sorted(places))
