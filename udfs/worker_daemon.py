"""Spark's daemon of Python workers (``spark.python.daemon.module``), with libraries loaded before it forks them.

A fork has what its parent has loaded, so workers start in milliseconds instead of importing pandas each.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LIBRARIES = "CLARIFY_SPARK_WORKER_LIBRARIES"
_THREADS = Path("/proc/self/task")


def preloaded(libraries: Iterable[str]) -> bool:
    """Import the libraries; whether this process still has one thread, as one must have to fork safely."""
    # Arrow's jemalloc, which is not its default allocator, would start a thread that returns unused memory.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    with _stdout_to_stderr():
        for library in libraries:
            with suppress(ImportError):
                importlib.import_module(library)
    return len(list(_THREADS.iterdir())) == 1


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Keep what libraries print off standard output, where Spark expects the daemon's port."""
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


def unchanged(batches: Iterator[Any]) -> Iterator[Any]:
    """The batches as they are: the first work of a session, for which Spark starts this daemon."""
    return batches


def main() -> None:
    """Run the daemon; Spark's own where threads cannot be counted, a library starts one, or a library fails to load."""
    libraries = [*sys.argv[1:2], *filter(None, os.environ.get(LIBRARIES, "").split(","))]
    ready = False
    try:
        ready = _THREADS.is_dir() and preloaded(libraries)
    finally:
        if not ready:  # whatever a library raised, who needs it will say so
            os.execv(sys.executable, [sys.executable, "-m", "pyspark.daemon", *sys.argv[1:]])
    from pyspark.daemon import manager

    manager()


if __name__ == "__main__":
    main()
