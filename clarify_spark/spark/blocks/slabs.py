"""Rows of a large job in slabs of many waves, so that a wave scans only those of its slab.

A wave filters rows by their keys, which takes a task for each partition of them. Over all persisted rows the number of
tasks would grow with the square of the rows; each slab is filtered from them once, and persisted in few partitions.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from typing import TYPE_CHECKING

from pyspark import StorageLevel
from pyspark.sql import functions as sf

from clarify_spark.spark.blocks.checkpoints import Range

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from clarify_spark.spark.blocks.waves import Layout

#: Waves of the largest size in a slab: the more, the longer each wave scans; the fewer, the more full scans.
SLAB_WAVES = 64
#: Bytes of a slab's partition, counted as eight for each value.
PARTITION_BYTES = 64 * 2**20


class Slabs:
    """``rows`` with a ``row_key``, in slabs of ``slab_rows`` rows; thread-safe."""

    def __init__(self, rows: DataFrame, layout: Layout, slab_rows: int) -> None:
        """Nothing is computed yet."""
        self._rows = rows
        self._whole = layout.whole
        counts = range(slab_rows, layout.total, slab_rows)
        #: The keys at which slabs end, except for the last.
        self.ends = sorted({layout.key_after(count) for count in counts} - {self._whole.hi})
        self._partitions = math.ceil(slab_rows * 8 * len(rows.columns) / PARTITION_BYTES)
        self._lock = threading.Lock()
        self._open: dict[int, DataFrame] = {}

    def wave(self, wave: Range) -> DataFrame:
        """The rows of a wave that lies in one slab."""
        return _between(self._slab(wave) if self.ends else self._rows, wave)

    def close(self) -> None:
        """Free what is persisted."""
        with self._lock:
            for slab in self._open.values():
                slab.unpersist()
            self._open.clear()

    def _slab(self, wave: Range) -> DataFrame:
        number = bisect_right(self.ends, wave.lo)
        with self._lock:
            if number not in self._open:
                bounds = [self._whole.lo, *self.ends, self._whole.hi]
                rows = _between(self._rows, Range(bounds[number], bounds[number + 1])).coalesce(self._partitions)
                self._open[number] = rows.persist(StorageLevel.MEMORY_AND_DISK)
                # A wave of the previous slab may still run; for an older one, Spark would compute its rows again.
                for old in [one for one in self._open if one < number - 1]:
                    self._open.pop(old).unpersist()
            return self._open[number]


def _between(rows: DataFrame, span: Range) -> DataFrame:
    key = sf.col("row_key")
    return rows.where((key >= sf.lit(span.lo)) & (key < sf.lit(span.hi)))
