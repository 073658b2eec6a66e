"""What a person at a terminal sees while Spark works: the phase, its tasks done, the seconds gone."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from clarify_spark.redaction import without_secrets
from clarify_spark.spark.session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REFRESH_SECONDS = 0.5


class Progress:
    """Shows one line per phase on ``stream``; on a terminal the line is alive. ``seconds`` keeps how long each took."""

    def __init__(self, spark: SparkSession, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._tasks = _ConnectTasks(spark) if is_connect(spark) else _ClassicTasks(spark)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block and, on a terminal, redraw its line twice a second."""
        start = time.monotonic()
        done = threading.Event()
        alive = self._stream.isatty()
        drawer = threading.Thread(target=self._redraw, args=(name, start, done), daemon=True)
        if alive:
            drawer.start()
        try:
            yield
        finally:
            done.set()
            if alive:
                drawer.join()
                self._stream.write("\r\x1b[K")
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
        self._stream.write(f"{name}: {time.monotonic() - start:.1f} s\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """Say something that must be known even if the run fails later."""
        self._stream.write(without_secrets(f"note: {text}\n"))
        self._stream.flush()

    def _redraw(self, name: str, start: float, done: threading.Event) -> None:
        while not done.wait(REFRESH_SECONDS):
            finished, total = self._tasks.now()
            tasks = f", {finished}/{total} tasks" if total else ""
            self._stream.write(f"\r\x1b[K{name} … {time.monotonic() - start:.0f} s{tasks}")
            self._stream.flush()


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
    """Tasks of the running query, as the Connect server reports them."""

    def __init__(self, spark: Any) -> None:
        self._latest = (0, 0)
        spark.registerProgressHandler(self._take)

    def _take(self, stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        self._latest = (
            (0, 0)
            if done
            else (
                sum(stage.num_completed_tasks for stage in stages),
                sum(stage.num_tasks for stage in stages),
            )
        )

    def now(self) -> tuple[int, int]:
        """(tasks done, tasks in all) of the query that runs now."""
        return self._latest
