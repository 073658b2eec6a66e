"""How the rows of a job are split into waves of whole blocks: arithmetic on row keys that never changes a result."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clarify_spark.spark.blocks.checkpoints import KeyRange, without
from clarify_spark.udfs.row_keys import FILE_BITS

#: Keys that are counted together; blocks are no larger.
CELL_KEYS = 2**12
#: Seconds of work in a wave, and in the first waves of a job, whose speed is a guess.
WAVE_SECONDS, FIRST_SECONDS, FIRST_WAVES = 25.0, 5.0, 2
#: Seconds of work in a task: short relative to a wave, so that cores end together; long relative to a task's cost.
TASK_SECONDS = 2.0
#: Results of a wave pass through the driver's memory.
WAVE_BYTES = 64 * 2**20
MOST_TASKS, MOST_FILES = 1024, 4096
Keys = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """Which row keys hold rows: cells (c,) in order, each with its first key, its number of rows, its last row's key.

    ``block_rows`` is a power of two, so that files and cells begin with a block. Rows are assumed to be spread evenly
    between the first and the last key of a cell; in most cells every key has a row.
    """

    block_rows: int
    starts: Keys
    rows: Keys
    lasts: Keys

    @classmethod
    def of_files(cls, block_rows: int, file_rows: Sequence[int]) -> Layout:
        """The layout of files whose rows have all keys from the first of their file on."""
        keys = max(CELL_KEYS, block_rows)
        starts = [np.arange(0, rows, keys) + (file << FILE_BITS) for file, rows in enumerate(file_rows)]
        counts = [np.minimum(rows - np.arange(0, rows, keys), keys) for rows in file_rows]
        first, rows = (np.concatenate(parts).astype(np.int64) for parts in (starts, counts))
        return cls(block_rows, first, rows, first + rows - 1)

    @cached_property
    def _rows_to(self) -> Keys:
        """How many rows precede each cell, and the total: (c + 1,)."""
        return np.concatenate(([0], np.cumsum(self.rows)))

    @property
    def total(self) -> int:
        """All rows."""
        return int(self._rows_to[-1])

    @property
    def whole(self) -> KeyRange:
        """The range of all blocks that have rows."""
        return KeyRange(self._aligned(int(self.starts[0])), self._aligned(int(self.lasts[-1]) + self.block_rows))

    def rows_before(self, key: int) -> float:
        """How many rows have smaller keys; exact where a cell ends."""
        place = int(np.searchsorted(self.starts, key, side="left"))
        before = float(self._rows_to[place])
        if place:
            start, last, rows = (int(of[place - 1]) for of in (self.starts, self.lasts, self.rows))
            before -= rows * max(0.0, last + 1 - key) / (last + 1 - start)
        return before

    def key_after(self, rows: float) -> int:
        """The first key of a block preceded by at least that many rows, the end if there are fewer."""
        place = int(np.searchsorted(self._rows_to[1:], rows, side="left"))
        if place >= len(self.rows):
            return self.whole.hi
        within = (rows - float(self._rows_to[place])) / float(self.rows[place])
        start, last = int(self.starts[place]), int(self.lasts[place])
        return self._aligned(start + math.ceil(within * (last + 1 - start)) + self.block_rows - 1)

    def open_ranges(self, finished: Iterable[KeyRange]) -> list[KeyRange]:
        """The ranges between finished ones that hold rows, in order."""
        left = without([self.whole], finished)
        return [one for one in left if self.rows_before(one.hi) > self.rows_before(one.lo)]

    def file_bases(self, of: KeyRange) -> tuple[int, Keys]:
        """(first file, one number per file from it on): that number plus a row's block counts the range's blocks."""
        first, last = of.lo >> FILE_BITS, (of.hi - 1) >> FILE_BITS
        files = np.arange(first, last + 1, dtype=np.int64)
        begins = np.maximum(files << FILE_BITS, of.lo)
        inside = (self.starts < of.hi) & (self.lasts >= of.lo)
        ends = begins - 1
        np.maximum.at(ends, (self.starts[inside] >> FILE_BITS) - first, np.minimum(self.lasts[inside], of.hi - 1))
        blocks = np.where(ends >= begins, ends // self.block_rows - begins // self.block_rows + 1, 0)
        return first, np.cumsum(blocks) - blocks - begins // self.block_rows

    def blocks(self, of: KeyRange) -> int:
        """How many blocks with rows a range has."""
        inside = (self.starts < of.hi) & (self.lasts >= of.lo)
        if not inside.any():
            return 0
        first, bases = self.file_bases(of)
        last = int(min(self.lasts[inside][-1], of.hi - 1))
        return int(bases[(last >> FILE_BITS) - first]) + last // self.block_rows + 1

    def _aligned(self, key: int) -> int:
        return key // self.block_rows * self.block_rows


@dataclass(frozen=True)
class WaveSettings:
    """How large waves are: by time, from the seconds that one core takes for a row; or ``wave_rows`` when given."""

    seconds_per_row: float | None = None
    wave_rows: int | None = None


class WaveSizer:
    """Rows for the next wave and tasks for a wave, from what was measured so far in this job.

    ``at_once`` is how many blocks a task works on at once: it should have that many. ``most_rows``: the most for a wave
    without a fixed number of rows.
    """

    def __init__(self, pace: WaveSettings, cores: int, layout: Layout, row_bytes: int, at_once: int = 1) -> None:
        self._pace = pace
        self._cores = cores
        self._at_once = at_once
        self._block_rows = layout.block_rows
        self.most_rows = max(layout.block_rows, WAVE_BYTES // row_bytes)
        self._marks = deque([(time.monotonic(), 0)], maxlen=8)
        self._waves = 0

    def finished(self, rows: int) -> None:
        """Count that many more rows as done."""
        self._marks.append((time.monotonic(), self._marks[-1][1] + rows))

    def wave_rows(self) -> int:
        """How many rows the next wave should have."""
        first = self._waves < FIRST_WAVES
        seconds = FIRST_SECONDS if first else WAVE_SECONDS
        self._waves += 1
        if self._pace.wave_rows is not None:
            return self._pace.wave_rows
        speed = self._rows_per_second()
        wanted = 0 if speed is None else int(min(speed * seconds, self.most_rows))
        # No part of a wave is kept before its end: while the speed is a guess, one block per core is enough.
        least = self._cores * (1 if first else self._at_once) * self._block_rows
        return min(self.most_rows, max(wanted, least))

    def tasks(self, rows: float, blocks: int) -> int:
        """How many tasks should share that many blocks."""
        seconds = self._pace.seconds_per_row
        speed = self._rows_per_second()
        if seconds is None:
            seconds = self._cores / speed if speed else 0.0
        wanted = max(4 * self._cores, math.ceil(min(rows * seconds / TASK_SECONDS, MOST_TASKS)))
        busy = max(min(self._cores, blocks), blocks // self._at_once)
        return max(1, min(busy, wanted, MOST_TASKS))

    def _rows_per_second(self) -> float | None:
        (began, before), (ended, after) = self._marks[0], self._marks[-1]
        if after > before and ended > began:
            return (after - before) / (ended - began)
        return self._cores / self._pace.seconds_per_row if self._pace.seconds_per_row else None


class PendingRanges:
    """What is still to be explained, assigned wave by wave in the order of row keys; no wave crosses an end."""

    def __init__(self, layout: Layout, finished: Sequence[KeyRange], ends: Sequence[int] = ()) -> None:
        self._layout = layout
        self._ends = ends
        self._open = deque(layout.open_ranges(finished))

    @property
    def first(self) -> KeyRange | None:
        """The first range that no wave has taken, None when there is none."""
        return self._open[0] if self._open else None

    def take(self, rows: int) -> KeyRange:
        """The next wave: whole blocks of about that many rows, up to a finished range, an end or a number of files."""
        stretch = self._open.popleft()
        after = self._layout.key_after(self._layout.rows_before(stretch.lo) + rows)
        files_end = ((stretch.lo >> FILE_BITS) + MOST_FILES) << FILE_BITS
        least = stretch.lo // self._layout.block_rows * self._layout.block_rows + self._layout.block_rows
        place = bisect_right(self._ends, stretch.lo)
        end = self._ends[place] if place < len(self._ends) else stretch.hi
        cut = min(stretch.hi, end, max(least, min(after, files_end)))
        if self._layout.rows_before(stretch.hi) > self._layout.rows_before(cut):
            self._open.appendleft(KeyRange(cut, stretch.hi))
        return KeyRange(stretch.lo, cut)
