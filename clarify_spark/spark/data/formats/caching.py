"""Frames cached while a data set is read: a table owns them on success, otherwise they are released at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pyspark import StorageLevel

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def cached(frame: DataFrame) -> Iterator[DataFrame]:
    """``frame`` kept in memory or on disk, beyond the block unless the block fails."""
    kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
    with ExitStack() as on_failure:
        on_failure.callback(kept.unpersist)
        yield kept
        on_failure.pop_all()
