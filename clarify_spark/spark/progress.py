"""What a person sees while Spark works: the phase, its tasks or rows done, the seconds gone and those to come."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from clarify_spark.redaction import without_secrets
from clarify_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REFRESH_SECONDS = 0.5
#: Where no terminal is, rows done are told this often.
LOG_SECONDS = 15.0
#: The line of a phase from the seconds gone, the tasks done and the tasks in all.
Line = Callable[[float, int, int], str]


class Progress:
    """Shows one line per phase on ``stream``; on a terminal the line is alive.

    ``seconds`` keeps how long each phase took, ``notes`` what was said besides.
    """

    def __init__(self, spark: SparkSession, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._tasks = _ConnectTasks(spark) if is_connect(spark) else _ClassicTasks(spark)
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block and, on a terminal, redraw its line twice a second."""

        def line(seconds: float, finished: int, total: int) -> str:
            tasks = f", {finished}/{total} tasks" if total else ""
            return f"{name} … {seconds:.0f} s{tasks}"

        with self._timed(name, line, None):
            yield

    @contextmanager
    def rows(self, name: str, total: int, done: int) -> Iterator[RowCount]:
        """Time the block and tell how far its count of rows has come, also where no terminal is."""
        count = RowCount(name, total, done)
        with self._timed(name, count.line, LOG_SECONDS):
            yield count

    def note(self, text: str) -> None:
        """Say something that must be known even if the run fails later."""
        self.notes.append(without_secrets(text))
        self._stream.write(f"note: {self.notes[-1]}\n")
        self._stream.flush()

    @contextmanager
    def _timed(self, name: str, line: Line, log_seconds: float | None) -> Iterator[None]:
        """Run the block with its line alive on a terminal, else written every ``log_seconds`` (None: never)."""
        start = time.monotonic()
        done = threading.Event()
        alive = self._stream.isatty()
        every = REFRESH_SECONDS if alive else log_seconds

        def tell() -> None:
            while not done.wait(every):
                said = line(time.monotonic() - start, *self._tasks.now())
                self._stream.write(f"\r\x1b[K{said}" if alive else f"{said}\n")
                self._stream.flush()

        teller = threading.Thread(target=tell, daemon=True)
        if every is not None:
            teller.start()
        try:
            yield
        finally:
            done.set()
            if teller.ident is not None:
                teller.join()
            if alive:
                self._stream.write("\r\x1b[K")
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
        self._stream.write(f"{name}: {time.monotonic() - start:.1f} s\n")
        self._stream.flush()


class RowCount:
    """How many rows of a job are done, how many are on their way, and what they cost; threads may count at once."""

    def __init__(self, name: str, total: int, done: int) -> None:
        self._name = name
        self._total = total
        self._before = done
        self._new = self._records = self._flying = 0
        self._lock = threading.Lock()

    def add(self, rows: int, records: int) -> None:
        """So many more rows are done, for which the model was asked so many records."""
        with self._lock:
            self._new += rows
            self._records += records

    @contextmanager
    def flight(self, rows: int) -> Iterator[None]:
        """So many rows are on their way while the block runs."""
        with self._lock:
            self._flying += rows
        try:
            yield
        finally:
            with self._lock:
                self._flying -= rows

    def line(self, seconds: float, finished: int, total: int) -> str:
        """Rows done (of those on their way, what finished tasks tell), rows per second, model records, time left."""
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
    """Seconds as people say them: 45 s, 12 min, 3 h 20 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class _ClassicTasks:
    """Tasks of the active stages, asked of the status tracker."""

    def __init__(self, spark: SparkSession) -> None:
        self._tracker = spark.sparkContext.statusTracker()

    def now(self) -> tuple[int, int]:
        """(tasks done, tasks in all) of the stages that run now."""
        stages = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage is not None]
        return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)


class _ConnectTasks:
    """Tasks of the running queries, as the Connect server reports them."""

    def __init__(self, spark: Any) -> None:
        self._running: dict[str | None, tuple[int, int]] = {}
        spark.registerProgressHandler(self._take)

    def _take(self, stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        if done:
            self._running.pop(operation_id, None)
        else:
            tasks = [(stage.num_completed_tasks, stage.num_tasks) for stage in stages]
            self._running[operation_id] = (sum(task[0] for task in tasks), sum(task[1] for task in tasks))

    def now(self) -> tuple[int, int]:
        """(tasks done, tasks in all) of the queries that run now."""
        running = list(self._running.values())
        return sum(tasks[0] for tasks in running), sum(tasks[1] for tasks in running)
