"""Rows of a large job in cached ranges of many waves, so that a wave scans only those of its cached range.

A wave filters rows by their keys, which takes a task for each partition of them. Over all persisted rows the number of
tasks would grow with the square of the rows; each cached range is filtered from them once, and persisted in few
partitions.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from typing import TYPE_CHECKING

from pyspark import StorageLevel
from pyspark.sql import functions as sf

from clarify_spark.spark.blocks.checkpoints import KeyRange

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from clarify_spark.spark.blocks.waves import Layout

#: Waves of the largest size in a range: the more, the longer each wave scans; the fewer, the more full scans.
WAVES_PER_RANGE = 64
#: Bytes of a cached range's partition, counted as eight for each value.
PARTITION_BYTES = 64 * 2**20


class CachedRanges:
    """``rows`` with a ``row_key``, in cached ranges of ``range_rows`` rows; thread-safe."""

    def __init__(self, rows: DataFrame, layout: Layout, range_rows: int) -> None:
        """Nothing is computed yet."""
        self._rows = rows
        self._whole = layout.whole
        counts = range(range_rows, layout.total, range_rows)
        #: The keys at which cached ranges end, except for the last.
        self.ends = sorted({layout.key_after(count) for count in counts} - {self._whole.hi})
        self._partitions = math.ceil(range_rows * 8 * len(rows.columns) / PARTITION_BYTES)
        self._lock = threading.Lock()
        self._open: dict[int, DataFrame] = {}

    def wave(self, wave: KeyRange) -> DataFrame:
        """The rows of a wave that lies in one cached range."""
        return _between(self._cached_range(wave) if self.ends else self._rows, wave)

    def close(self) -> None:
        """Free what is persisted."""
        with self._lock:
            for cached in self._open.values():
                cached.unpersist()
            self._open.clear()

    def _cached_range(self, wave: KeyRange) -> DataFrame:
        number = bisect_right(self.ends, wave.lo)
        with self._lock:
            if number not in self._open:
                bounds = [self._whole.lo, *self.ends, self._whole.hi]
                rows = _between(self._rows, KeyRange(bounds[number], bounds[number + 1])).coalesce(self._partitions)
                self._open[number] = rows.persist(StorageLevel.MEMORY_AND_DISK)
                # A wave of the previous range may still run; for an older one, Spark would compute its rows again.
                for old in [one for one in self._open if one < number - 1]:
                    self._open.pop(old).unpersist()
            return self._open[number]


def _between(rows: DataFrame, span: KeyRange) -> DataFrame:
    key = sf.col("row_key")
    return rows.where((key >= sf.lit(span.lo)) & (key < sf.lit(span.hi)))
