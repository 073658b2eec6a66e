"""What a user sees while Spark works: the phase, its tasks or rows done, and the time elapsed and remaining."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from clarify_spark.redaction import without_secrets
from clarify_spark.spark.cancellation import GONE
from clarify_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REFRESH_SECONDS = 0.5
#: Without a terminal, progress is reported this often.
LOG_SECONDS = 15.0
#: Tasks that wait this long while none runs are reported.
WAITING_SECONDS = 60.0
WAITING = (
    "No task of this run has run for {seconds:.0f} s: the cluster is busy with others, or there is no executor. "
    "Executors that ask for more memory or cores (spark.executor.memory, spark.executor.cores) than any worker has "
    "never start; see Spark's log and the cluster's own pages. The run keeps waiting."
)
#: The line of a phase from the seconds elapsed, the tasks done and all tasks.
Line = Callable[[float, int, int], str]


class Progress:
    """Shows one line per phase on ``stream``; on a terminal the line is updated.

    ``seconds`` records how long each phase took, ``notes`` the other messages.
    """

    def __init__(self, spark: SparkSession, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._tasks = _ConnectTasks(spark) if is_connect(spark) else _ClassicTasks(spark)
        self._told_waiting = False
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block and, on a terminal, redraw its line twice a second."""

        def line(seconds: float, finished: int, total: int) -> str:
            tasks = f", {finished}/{total} tasks" if total else ""
            return f"{name} … {seconds:.0f} s{tasks}"

        with self._timed(name, line, logged=False):
            yield

    @contextmanager
    def rows(self, name: str, total: int, done: int) -> Iterator[RowCount]:
        """Time the block and report its rows done, even without a terminal."""
        count = RowCount(name, total, done)
        with self._timed(name, count.line, logged=True):
            yield count

    def note(self, text: str) -> None:
        """Report something that matters even if the run fails later."""
        self.notes.append(without_secrets(text))
        clear = "\r\x1b[K" if self._stream.isatty() else ""
        self._stream.write(f"{clear}note: {self.notes[-1]}\n")
        self._stream.flush()

    @contextmanager
    def _timed(self, name: str, line: Line, logged: bool) -> Iterator[None]:
        """Run the block with its line updated on a terminal, else written every LOG_SECONDS if ``logged``."""
        start = time.monotonic()
        done = threading.Event()
        alive = self._stream.isatty()

        def report() -> None:
            ran = start
            while not done.wait(REFRESH_SECONDS if alive else LOG_SECONDS):
                try:
                    tasks = self._tasks.now()
                except GONE:  # the block will notice, too
                    return
                now = time.monotonic()
                ran = ran if tasks.wait else now
                if now - ran >= WAITING_SECONDS and not self._told_waiting:
                    self._told_waiting = True
                    self.note(WAITING.format(seconds=now - ran))
                if alive or logged:
                    said = line(now - start, tasks.done, tasks.total)
                    self._stream.write(f"\r\x1b[K{said}" if alive else f"{said}\n")
                    self._stream.flush()

        reporter = threading.Thread(target=report, daemon=True)
        reporter.start()
        try:
            yield
        finally:
            done.set()
            reporter.join()
            if alive:
                self._stream.write("\r\x1b[K")
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
        self._stream.write(f"{name}: {time.monotonic() - start:.1f} s\n")
        self._stream.flush()


class RowCount:
    """How many rows of a job are done, how many are in progress, and what they cost; thread-safe."""

    def __init__(self, name: str, total: int, done: int) -> None:
        self._name = name
        self._total = total
        self._before = done
        self._new = self._records = self._flying = 0
        self._lock = threading.Lock()

    def add(self, rows: int, records: int) -> None:
        """Count that many more rows as done, with that many model records."""
        with self._lock:
            self._new += rows
            self._records += records

    @contextmanager
    def flight(self, rows: int) -> Iterator[None]:
        """Count that many rows as in progress while the block runs."""
        with self._lock:
            self._flying += rows
        try:
            yield
        finally:
            with self._lock:
                self._flying -= rows

    def line(self, seconds: float, finished: int, total: int) -> str:
        """Rows done (including the finished tasks of those in progress), rows per second, model records, time left."""
        with self._lock:
            new, records, flying = self._new, self._records, self._flying
        rows = new + (flying * finished / total if total else 0.0)
        speed = rows / seconds if seconds else 0.0
        done = self._before + rows
        said = f"{self._name} … {done:,.0f} of {self._total:,} rows ({done / max(1, self._total):.0%})"
        if speed <= 0:
            return f"{said}, {seconds:.0f} s"
        left = max(0.0, self._total - done) / speed
        asked = f", {records:,} model records" if records else ""
        return f"{said}, {_shown(speed)} rows/s{asked}, {_duration(left)} left"


def _shown(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _duration(seconds: float) -> str:
    """A readable duration: 45 s, 12 min, 3 h 20 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True)
class _Tasks:
    """Tasks of Spark's current work: how many are done, how many there are, how many run."""

    done: int
    total: int
    running: int

    @property
    def wait(self) -> bool:
        """Whether there are tasks and none of them runs."""
        return self.total > self.done and not self.running


class _ClassicTasks:
    """Tasks of the active stages, from the status tracker."""

    def __init__(self, spark: SparkSession) -> None:
        self._tracker = spark.sparkContext.statusTracker()

    def now(self) -> _Tasks:
        """Those of the stages that run now."""
        stages = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage is not None]
        return _Tasks(
            sum(stage.numCompletedTasks for stage in known),
            sum(stage.numTasks for stage in known),
            sum(stage.numActiveTasks for stage in known),
        )


class _ConnectTasks:
    """Tasks of the running queries, as the Connect server reports them."""

    def __init__(self, spark: Any) -> None:
        self._queries: dict[str | None, _Tasks] = {}
        spark.registerProgressHandler(self._take)

    def _take(self, stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        if done:
            self._queries.pop(operation_id, None)
        else:
            tasks = [(stage.num_completed_tasks, stage.num_tasks) for stage in stages]
            self._queries[operation_id] = _Tasks(
                sum(task[0] for task in tasks), sum(task[1] for task in tasks), inflight_tasks
            )

    def now(self) -> _Tasks:
        """Those of the queries that run now."""
        queries = list(self._queries.values())
        return _Tasks(
            sum(query.done for query in queries),
            sum(query.total for query in queries),
            sum(query.running for query in queries),
        )
