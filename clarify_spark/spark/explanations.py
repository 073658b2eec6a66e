"""Explanations on executors: fixed blocks of rows, computed in waves, kept in the journal, given in row order.

A wave is one Spark job over a range of row keys. Two are in flight, so that no core waits for the last task of a wave.
Executors hand back one row per block; nothing that is computed depends on waves, tasks or partitions.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pyspark import StorageLevel
from pyspark.sql import functions as sf

from clarify_spark.errors import DataError
from clarify_spark.spark.batches import user_errors
from clarify_spark.spark.datasets import Dataset
from clarify_spark.spark.jobs import Jobs
from clarify_spark.spark.journal import Block, Journal, Range
from clarify_spark.spark.keys import columns_of
from clarify_spark.spark.progress import Progress, RowCount
from clarify_spark.spark.waves import CELL_KEYS, MOST_TASKS, Keys, Layout, Pace, Remaining, Speed
from clarify_spark.udfs.explained import Explained, Probe, from_bytes, probe_from_bytes
from clarify_spark.udfs.kernel_shap import ShapPlan, ShapSettings, explain_batches, probe_batches
from clarify_spark.udfs.row_keys import FILE_BITS

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Pace", "explain", "probe"]
JOIN_ID = "join_text"
IN_FLIGHT = 2
#: Finished waves that wait in memory for their turn; further ones are read back from the journal.
WAITING = 2
_BLOCK_SCHEMA = "block bigint, rows bigint, result binary"


def probe(dataset: Dataset, settings: ShapSettings, pilot_rows: int, progress: Progress) -> Probe:
    """What the model says about the baseline and about the pilot: the rows whose keys have the smallest hashes."""
    features = _features(dataset, settings)
    order = sf.xxhash64(sf.col("row_key"), sf.lit(settings.seed).cast("bigint"))
    pilot = dataset.keyed.select("row_key", *features).orderBy(order, "row_key").limit(pilot_rows)
    ask = partial(probe_batches, settings=settings, features=features)
    with progress.phase("Probing the model"), user_errors():
        answers = pilot.coalesce(1).sortWithinPartitions("row_key").mapInArrow(ask, "result binary").collect()
    return probe_from_bytes(bytes(answers[0]["result"]))


def explain(
    dataset: Dataset, plan: ShapPlan, journal: Journal, progress: Progress, pace: Pace | None = None
) -> Generator[Explained, None, None]:
    """Every block in the order of row keys; those that the journal has are not computed again."""
    with user_errors(), _persisted(dataset, plan) as rows:
        layout = _layout(rows, plan.block_rows)
        journal.drop_unaligned(plan.block_rows)
        done = journal.rows(journal.ranges)
        if done:
            progress.note(f"Resuming: {done:,} of {layout.total:,} rows are already done.")
        with progress.rows("Explaining", layout.total, done) as count:
            speed = Speed(pace or Pace(), _cores(rows.sparkSession), layout, _row_bytes(plan))
            crew = _Crew(_Work(rows, plan, layout, journal), speed, count)
            try:
                crew.start()
                yield from crew.results()
            finally:
                crew.stop()
        _require_all(journal, layout)


def _require_all(journal: Journal, layout: Layout) -> None:
    explained = journal.rows(journal.ranges)
    if explained != layout.total and not journal.forced:
        raise DataError(
            f"{layout.total:,} rows were counted but {explained:,} explained: "
            "the data changed during the run or since it was interrupted"
        )


def _features(dataset: Dataset, settings: ShapSettings) -> list[str]:
    return [dataset.column(name).id for name in settings.spec.feature_names]


@contextmanager
def _persisted(dataset: Dataset, plan: ShapPlan) -> Iterator[DataFrame]:
    """What executors need of each row, cached for the block: row key, features, and the id as text if there is one."""
    columns: list[Expression | str] = ["row_key", *_features(dataset, plan.settings)]
    if dataset.join is not None:
        columns.append(sf.col(dataset.column(dataset.join).id).cast("string").alias(JOIN_ID))
    rows = dataset.keyed.select(*columns).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield rows
    finally:
        rows.unpersist()


def _layout(rows: DataFrame, block_rows: int) -> Layout:
    keys = max(CELL_KEYS, block_rows)
    cells = rows.groupBy(sf.expr(f"row_key div {keys}").alias("cell")).agg(
        sf.count(sf.lit(1)).alias("rows"), sf.max("row_key").alias("last")
    )
    columns = {name: np.array(values, np.int64) for name, values in columns_of(cells).items()}
    if not len(columns["cell"]):
        raise DataError("The data set has no rows to explain.")
    order = np.argsort(columns["cell"])
    return Layout(block_rows, columns["cell"][order] * keys, columns["rows"][order], columns["last"][order])


def _cores(spark: SparkSession) -> int:
    """How many tasks Spark can run at once, as it cuts a range of its own."""
    return spark.range(2**20).select(sf.spark_partition_id()).distinct().count()


def _row_bytes(plan: ShapPlan) -> int:
    """About how many bytes of results a row has."""
    players = len(plan.settings.players)
    numbers = plan.outputs * (players * (2 if plan.settings.standard_errors else 1) + 3) + 1
    return 8 * numbers + 32


@dataclass(frozen=True, eq=False)
class _Work:
    """What a wave needs: the rows, the plan, where rows are, and where results go."""

    rows: DataFrame
    plan: ShapPlan
    layout: Layout
    journal: Journal

    def blocks(self, wave: Range, tasks: int) -> list[Block]:
        """The blocks of a wave in order, computed by one Spark job."""
        key = sf.col("row_key")
        some = self.rows.where((key >= sf.lit(wave.lo)) & (key < sf.lit(wave.hi)))
        spread = some.repartition(tasks, self._partition(wave, tasks)).sortWithinPartitions("row_key")
        features = [name for name in self.rows.columns if name not in ("row_key", JOIN_ID)]
        join = JOIN_ID if JOIN_ID in self.rows.columns else None
        call = partial(explain_batches, plan=self.plan, features=features, join=join)
        found = [Block(row[0], row[1], bytes(row[2])) for row in spread.mapInArrow(call, _BLOCK_SCHEMA).collect()]
        return sorted(found, key=lambda block: block.number)

    def _partition(self, wave: Range, tasks: int) -> Expression:
        """A number for each row that Spark hashes to the task of its block: the wave's blocks take tasks in turn."""
        first, bases = self.layout.file_bases(wave)
        file = f"cast(shiftright(row_key, {FILE_BITS}) - {first} + 1 as int)"
        base = f"element_at({_array(bases)}, {file})" if len(bases) > 1 else f"{bases[0]}L"
        task = f"cast(pmod({base} + row_key div {self.plan.block_rows}, {tasks}) as int)"
        return sf.expr(f"element_at({_array(partition_keys(_hashes(self.rows.sparkSession), tasks))}, {task} + 1)")


class _Crew:
    """Threads that run waves, and the results in the order of row keys."""

    def __init__(self, work: _Work, speed: Speed, count: RowCount) -> None:
        self._work = work
        self._speed = speed
        self._count = count
        self._changed = threading.Condition()
        self._ready = set(work.journal.ranges)
        self._waiting: dict[Range, list[Explained]] = {}
        self._flying: set[Range] = set()
        self._remaining = Remaining(work.layout, work.journal.ranges)
        self._jobs = Jobs(work.rows.sparkSession, "explanations")
        self._pool = ThreadPoolExecutor(IN_FLIGHT, "wave")
        self._threads: list[Future[None]] = []
        self._stopped = False

    def start(self) -> None:
        """Begin with the first waves."""
        _hashes(self._work.rows.sparkSession)  # asked while Spark is idle
        for _ in range(IN_FLIGHT):
            self._threads.append(self._pool.submit(self._run_waves))
            self._threads[-1].add_done_callback(self._tell)

    def stop(self) -> None:
        """Cancel what runs, and wait for the threads: what they have finished is in the journal then."""
        self._stopped = True
        self._pool.shutdown(wait=False)
        while not all(thread.done() for thread in self._threads):
            self._jobs.cancel()  # again and again: a thread may be about to start its job
            wait(self._threads, timeout=0.3)

    def results(self) -> Iterator[Explained]:
        """The blocks of all ranges, each as soon as those before it are there."""
        while (wave := self._next_ready()) is not None:
            with self._changed:
                results = self._waiting.pop(wave, None)
            if results is None:
                results = [from_bytes(block.result) for block in self._work.journal.blocks(wave)]
            yield from results

    def _next_ready(self) -> Range | None:
        """The first range that was not given out, once it is finished; None when all were."""
        with self._changed:
            while True:
                self._raise_failure()
                ahead = [*self._flying, *([self._remaining.first] if self._remaining.first else [])]
                first = min(self._ready, default=None)
                if first is not None and all(first < other for other in ahead):
                    self._ready.discard(first)
                    return first
                if first is None and not ahead:
                    return None
                self._changed.wait()

    def _raise_failure(self) -> None:
        for thread in self._threads:
            if thread.done():
                thread.result()

    def _tell(self, _: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run_waves(self) -> None:
        self._jobs.join()
        while (wave := self._take()) is not None:
            layout = self._work.layout
            rows = layout.rows_before(wave.hi) - layout.rows_before(wave.lo)
            with self._count.flight(round(rows)):
                blocks = self._work.blocks(wave, self._speed.tasks(rows, layout.blocks(wave)))
            self._finish(wave, blocks)

    def _take(self) -> Range | None:
        with self._changed:
            if self._stopped or self._remaining.first is None:
                return None
            wave = self._remaining.take(self._speed.wave_rows())
            self._flying.add(wave)
            return wave

    def _finish(self, wave: Range, blocks: list[Block]) -> None:
        results = [from_bytes(block.result) for block in blocks]
        self._work.journal.commit(wave, blocks)
        rows = sum(block.rows for block in blocks)
        with self._changed:
            self._speed.finished(rows)
            self._count.add(rows, sum(result.records for result in results))
            self._flying.discard(wave)
            self._ready.add(wave)
            if len(self._waiting) < WAITING:
                self._waiting[wave] = results
            self._changed.notify_all()


def _array(numbers: Keys) -> str:
    return f"array({', '.join(f'{number}L' for number in numbers.tolist())})"


def partition_keys(hashes: Keys, partitions: int) -> Keys:
    """For each partition an integer that ``repartition`` sends there; ``hashes`` are Spark's of 0, 1, 2, …"""
    found = {int(place): number for number, place in reversed(list(enumerate(hashes % partitions)))}
    return np.array([found.get(place, place) for place in range(partitions)], np.int64)


_known_hashes: list[Keys] = []


def _hashes(spark: SparkSession) -> Keys:
    """Spark's hashes of the integers from 0 on, enough to find one for each of MOST_TASKS partitions."""
    if not _known_hashes:
        numbers = spark.range(0, 16 * MOST_TASKS, 1, 1).select(sf.hash(sf.col("id").cast("bigint")))
        _known_hashes.append(np.array([row[0] for row in numbers.collect()], np.int64))
    return _known_hashes[0]
