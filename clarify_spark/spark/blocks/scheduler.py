"""Blocks of rows on executors: fixed blocks, computed in waves, kept as checkpoints, returned in row order.

A wave is one Spark job over a range of row keys. Two are in flight, so that no core waits for the last task of a wave.
Executors return one row per block; no result depends on waves, tasks or partitions.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import groupby
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.errors import ClarifyError, DataError, ModelError
from clarify_spark.spark.blocks.cached_ranges import WAVES_PER_RANGE, CachedRanges
from clarify_spark.spark.blocks.checkpoints import Block, Checkpoints, KeyRange
from clarify_spark.spark.blocks.waves import CELL_KEYS, MOST_TASKS, Keys, Layout, PendingRanges, WaveSettings, WaveSizer
from clarify_spark.spark.cancellation import Jobs
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.failures import LostWorkerError, user_error, user_errors
from clarify_spark.spark.progress import Progress, RowCount
from clarify_spark.udfs.block_results import SCHEMA
from clarify_spark.udfs.row_keys import FILE_BITS, SOURCE_KEY, block_description

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame, SparkSession

IN_FLIGHT = 2
#: Finished waves that wait in memory for their turn; further ones are read back from the checkpoints.
WAITING = 2
#: Tasks of a wave that may finally fail because their workers die before the run ends.
MOST_LOSSES = 3
#: How long a wave may continue after another has failed, so that what it finishes is kept.
FINISH_SECONDS = 60.0


class HasRecords(Protocol):
    """The result of a block, with the number of records sent to the model."""

    @property
    def records(self) -> int:
        """Model records."""


Notify = Callable[[str], None]
Result = TypeVar("Result", bound=HasRecords)


@dataclass(frozen=True, eq=False)
class Work(Generic[Result]):
    """What is to be done to rows (``row_key`` and other columns), block by block.

    ``call`` is for ``mapInArrow``: from batches sorted by row key, with blocks of ``block_rows`` keys whole, to the
    rows of ``block_results``; ``read`` turns bytes into a result, about ``row_bytes`` per row. A task
    works on ``at_once`` blocks concurrently. ``file_rows``: the rows of each file where they have all keys from their
    file's first on; None to count them.
    """

    rows: DataFrame
    block_rows: int
    call: Callable[[Iterator[Any]], Iterator[Any]]
    read: Callable[[bytes], Result]
    row_bytes: int
    checkpoints: Checkpoints
    at_once: int = 1
    file_rows: tuple[int, ...] | None = None

    def layout(self) -> Layout:
        """Where the rows are."""
        if self.file_rows is not None and any(self.file_rows):
            return Layout.of_files(self.block_rows, self.file_rows)
        keys = max(CELL_KEYS, self.block_rows)
        cells = self.rows.groupBy(sf.expr(f"row_key div {keys}").alias("cell")).agg(
            sf.count(sf.lit(1)).alias("rows"), sf.max("row_key").alias("last")
        )
        columns = {name: np.array(values, np.int64) for name, values in collected_columns(cells).items()}
        if not len(columns["cell"]):
            raise DataError("The data set has no rows.")
        order = np.argsort(columns["cell"])
        return Layout(self.block_rows, columns["cell"][order] * keys, columns["rows"][order], columns["last"][order])

    def blocks(self, rest: DataFrame, wave: KeyRange, layout: Layout, tasks: int, notify: Notify) -> list[Block]:
        """The blocks of a wave, whose rows are ``rest``, in order, computed by one Spark job.

        After an error the finished ones are kept.

        Spark gives up on a task whose worker keeps dying. Its blocks are then computed one by one, which takes
        less memory at a time and shows which of them is the cause.
        """
        place = _partition(layout, wave, tasks)
        alone: list[Block] = []
        lost: list[int] = []
        try:
            while True:
                try:
                    alone += self._computed(rest.repartition(tasks, place))
                    return sorted(alone, key=lambda block: block.number)
                except LostWorkerError as error:
                    if error.task is None or len(lost) == MOST_LOSSES:
                        raise
                    lost.append(error.task)
                notify(
                    "A Python worker died, and Spark gave up on its task: the blocks are computed again, one by one."
                )
                of_lost = sf.expr(f"{_task(layout, wave, tasks)} = {lost[-1]}")
                alone += self._one_by_one(rest.where(of_lost))
                rest = rest.where(~of_lost)
        except ClarifyError:
            self._keep(sorted(alone, key=lambda block: block.number))
            raise

    def _one_by_one(self, rows: DataFrame) -> list[Block]:
        """The blocks of some rows, each in its own Spark job; an error names the block whose worker dies."""
        number = sf.expr(f"row_key div {self.block_rows}")
        key = SOURCE_KEY if SOURCE_KEY in rows.columns else "row_key"
        spans = collected_columns(
            rows.groupBy(number.alias("block")).agg(sf.min(key).alias("lo"), sf.max(key).alias("hi"))
        )
        found: list[Block] = []
        for block, lo, hi in sorted(zip(*(map(int, spans[name]) for name in ("block", "lo", "hi")), strict=True)):
            try:
                found += self._computed(rows.where(number == block).coalesce(1))
            except LostWorkerError as error:
                self._keep(found)
                raise ModelError(f"{block_description(block, lo, hi)}, tried alone: {error}") from error
        return found

    def _computed(self, spread: DataFrame) -> list[Block]:
        """The blocks of rows in partitions that hold whole ones, by one Spark job."""
        with user_errors():
            collected = spread.sortWithinPartitions("row_key").mapInArrow(self.call, SCHEMA).collect()
        rows = sorted(collected, key=lambda row: int(row["block"]))
        found = [Block(row["block"], row["rows"], bytes(row["result"])) for row in rows if row["error"] is None]
        errors = [user_error(row["error_kind"], row["error"]) for row in rows if row["error"] is not None]
        if errors:
            self._keep(found)
            raise errors[0]
        return found

    def _keep(self, blocks: list[Block]) -> None:
        """Commit blocks of an incomplete wave, those with consecutive numbers together."""
        for _, run in groupby(enumerate(blocks), key=lambda place: place[1].number - place[0]):
            some = [block for _, block in run]
            lo, hi = some[0].number * self.block_rows, (some[-1].number + 1) * self.block_rows
            self.checkpoints.commit(KeyRange(lo, hi), some)


def results(
    work: Work[Result], progress: Progress, name: str, pace: WaveSettings | None = None
) -> Generator[Result, None, None]:
    """The result of every block in the order of row keys; those in the checkpoints are not computed again."""
    layout = work.layout()
    work.checkpoints.drop_unaligned(work.block_rows)
    done = work.checkpoints.rows(work.checkpoints.ranges)
    if done:
        progress.note(f"Resuming: {done:,} of {layout.total:,} rows are already done ({name}).")
    with progress.rows(name, layout.total, done) as count:
        speed = WaveSizer(pace or WaveSettings(), cores(work.rows.sparkSession), layout, work.row_bytes, work.at_once)
        scheduler = _Scheduler(work, layout, speed, count, progress.note)
        try:
            scheduler.start()
            yield from scheduler.results()
        except ClarifyError:
            scheduler.finish()
            raise
        finally:
            scheduler.stop()
            kept = work.checkpoints.rows(work.checkpoints.ranges)
            if 0 < kept < layout.total:
                progress.note(
                    f"{kept:,} of {layout.total:,} rows are done and kept; the same command resumes from there."
                )
    _require_all(work.checkpoints, layout)


def _require_all(checkpoints: Checkpoints, layout: Layout) -> None:
    finished = checkpoints.rows(checkpoints.ranges)
    if finished != layout.total and not checkpoints.forced:
        raise DataError(
            f"{layout.total:,} rows were counted but {finished:,} were returned: "
            "the data changed during the run or since it was interrupted"
        )


def _task(layout: Layout, wave: KeyRange, tasks: int) -> str:
    """The task of each row, which is that of its block: the wave's blocks are assigned to tasks in turn."""
    first, bases = layout.file_bases(wave)
    file = f"cast(shiftright(row_key, {FILE_BITS}) - {first} + 1 as int)"
    base = f"element_at({_array(bases)}, {file})" if len(bases) > 1 else f"{bases[0]}L"
    return f"cast(pmod({base} + row_key div {layout.block_rows}, {tasks}) as int)"


def _partition(layout: Layout, wave: KeyRange, tasks: int) -> Expression:
    """A number for each row that Spark hashes to the partition of its task's number."""
    keys = partition_keys(_HASHES, tasks)
    return sf.expr(f"element_at({_array(keys)}, {_task(layout, wave, tasks)} + 1)")


def cores(spark: SparkSession) -> int:
    """How many tasks Spark can run at once: by its master on one machine, else as it splits its own range."""
    master = spark.conf.get("spark.master", "") or ""
    if (local := re.fullmatch(r"local\[(\d+|\*)(,\s*\d+)?\]", master)) is not None:
        return (os.cpu_count() or 1) if local[1] == "*" else int(local[1])
    return spark.range(2**20).select(sf.spark_partition_id()).distinct().count()


class _Scheduler(Generic[Result]):
    """Threads that run waves, and the results in the order of row keys."""

    def __init__(self, work: Work[Result], layout: Layout, speed: WaveSizer, count: RowCount, notify: Notify) -> None:
        self._work = work
        self._layout = layout
        self._speed = speed
        self._count = count
        self._notify = notify
        self._changed = threading.Condition()
        self._ready = list(work.checkpoints.ranges)  # a heap: sorted already
        self._waiting: dict[KeyRange, list[Result]] = {}
        self._flying: set[KeyRange] = set()
        self._cached_ranges = CachedRanges(work.rows, layout, WAVES_PER_RANGE * speed.most_rows)
        self._remaining = PendingRanges(layout, work.checkpoints.ranges, self._cached_ranges.ends)
        self._jobs = Jobs(work.rows.sparkSession, "clarify-spark")
        self._pool = ThreadPoolExecutor(IN_FLIGHT, "wave")
        self._threads: list[Future[None]] = []
        self._stopped = False

    def start(self) -> None:
        """Begin with the first waves."""
        for _ in range(IN_FLIGHT):
            self._threads.append(self._pool.submit(self._run_waves))
            self._threads[-1].add_done_callback(self._wake)

    def finish(self) -> None:
        """Begin no further wave, and let the one running next to the failed one finish, which is soon."""
        self._stopped = True
        wait(self._threads, timeout=FINISH_SECONDS)

    def stop(self) -> None:
        """Cancel what runs, and wait for the threads: what they have finished is then in the checkpoints."""
        self._stopped = True
        self._pool.shutdown(wait=False)
        while not all(thread.done() for thread in self._threads):
            self._jobs.cancel()  # repeatedly: a thread may be about to start its job
            wait(self._threads, timeout=0.3)
        self._pool.shutdown()
        self._cached_ranges.close()

    def results(self) -> Iterator[Result]:
        """The blocks of all ranges, each as soon as those before it are available."""
        while (wave := self._next_ready()) is not None:
            with self._changed:
                results = self._waiting.pop(wave, None)
            if results is None:
                results = [self._work.read(block.result) for block in self._work.checkpoints.blocks(wave)]
            yield from results

    def _next_ready(self) -> KeyRange | None:
        """The first range not yet returned, once it is finished; None when all were."""
        with self._changed:
            while True:
                self._raise_failure()
                ahead = [*self._flying, *([self._remaining.first] if self._remaining.first else [])]
                first = self._ready[0] if self._ready else None
                if first is not None and all(first < other for other in ahead):
                    return heappop(self._ready)
                if first is None and not ahead:
                    return None
                self._changed.wait()

    def _raise_failure(self) -> None:
        for thread in self._threads:
            if thread.done():
                thread.result()

    def _wake(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run_waves(self) -> None:
        self._jobs.join()
        while (wave := self._take()) is not None:
            layout = self._layout
            rows = layout.rows_before(wave.hi) - layout.rows_before(wave.lo)
            with self._count.flight(round(rows)):
                tasks = self._speed.tasks(rows, layout.blocks(wave))
                blocks = self._work.blocks(self._cached_ranges.wave(wave), wave, layout, tasks, self._notify)
            self._finish(wave, blocks)

    def _take(self) -> KeyRange | None:
        with self._changed:
            if self._stopped or self._remaining.first is None:
                return None
            wave = self._remaining.take(self._speed.wave_rows())
            self._flying.add(wave)
            return wave

    def _finish(self, wave: KeyRange, blocks: list[Block]) -> None:
        results = [self._work.read(block.result) for block in blocks]
        self._work.checkpoints.commit(wave, blocks)
        rows = sum(block.rows for block in blocks)
        with self._changed:
            self._speed.finished(rows)
            self._count.add(rows, sum(result.records for result in results))
            self._flying.discard(wave)
            heappush(self._ready, wave)
            if len(self._waiting) < WAITING:
                self._waiting[wave] = results
            self._changed.notify_all()


def _array(numbers: Keys) -> str:
    return f"array({', '.join(f'{number}L' for number in numbers.tolist())})"


def partition_keys(hashes: Keys, partitions: int) -> Keys:
    """For each partition an integer that ``repartition`` sends there; ``hashes`` are Spark's of 0, 1, 2, …"""
    found = {int(place): number for number, place in reversed(list(enumerate(hashes % partitions)))}
    return np.array([found.get(place, place) for place in range(partitions)], np.int64)


def integer_hashes(count: int) -> Keys:
    """Spark's hashes of the bigints 0, 1, 2, … (Murmur3 x86 of 32 bits with seed 42, on the two halves of each)."""
    low, high = np.arange(count, dtype=np.uint32), np.zeros(count, np.uint32)
    mixed = np.full(count, 42, np.uint32)
    for half in (low, high):
        mixed ^= _rotated(half * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
        mixed = _rotated(mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    mixed ^= np.uint32(8)  # bytes
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    return (mixed ^ (mixed >> np.uint32(16))).view(np.int32).astype(np.int64)


def _rotated(bits: NDArray[np.uint32], by: int) -> NDArray[np.uint32]:
    return (bits << np.uint32(by)) | (bits >> np.uint32(32 - by))


#: Enough to find one for each of MOST_TASKS partitions.
_HASHES = integer_hashes(16 * MOST_TASKS)
