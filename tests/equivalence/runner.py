"""Runs commands one after the other in one process, on one Spark session with the settings of a local run.

``python runner.py STEPS.json``: a list of {"name", "argv", "terminal"}; what a command writes to its terminal goes to
``terminal``.out and .err, its exit code to .code. ``clarify_spark`` is the one on PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from clarify_spark.cli import main


def session(log: Path) -> SparkSession:
    """A session like that of ``clarify-spark`` on a laptop; its JVM and workers write to ``log``."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    cores = os.cpu_count() or 1
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.sql.caseSensitive": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.appName("clarify-spark").master("local[*]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    with captured(log, log):
        return builder.getOrCreate()


@contextmanager
def captured(out: Path, err: Path) -> Iterator[None]:
    """Redirect file descriptors 1 and 2 to files while the block runs."""
    saved = [os.dup(1), os.dup(2)]
    files = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for path in (out, err)]
    try:
        for descriptor, file in zip((1, 2), files, strict=True):
            os.dup2(file, descriptor)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, file in zip((1, 2), saved, strict=True):
            os.dup2(file, descriptor)
        for file in (*saved, *files):
            os.close(file)


def code_of(argv: list[str]) -> int:
    """How the command ends."""
    try:
        return int(main(argv))
    except SystemExit as ended:  # --help and --version
        return int(ended.code or 0)


def run(steps: list[dict[str, object]]) -> None:
    """Run all steps and report each as it ends."""
    for step in steps:
        terminal = str(step["terminal"])
        argv = [str(word) for word in step["argv"]]  # type: ignore[attr-defined]
        began = time.monotonic()
        with captured(Path(f"{terminal}.out"), Path(f"{terminal}.err")):
            code = code_of(argv)
        Path(f"{terminal}.code").write_text(f"{code}\n")
        sys.stderr.write(f"  {step['name']}: {time.monotonic() - began:.1f} s, exit code {code}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    listed = Path(sys.argv[1])
    started = session(listed.with_suffix(".log"))
    run(json.loads(listed.read_text()))
    started.stop()
