"""Spark's event log of a command: its jobs, and when the first block of rows was explained."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONF = "spark.eventLog.enabled true\nspark.eventLog.compress false\nspark.eventLog.rolling.enabled false\n"
#: Seconds between the end of a job in the event log and the file with its blocks, at least: clocks differ a little.
CLOCK = 0.05


@dataclass(frozen=True)
class Job:
    """A Spark job, in seconds since the command's start: its line in the program, its tasks, when the first of them
    ended, and, if it ran Python, the seconds to start workers (0: they were there, or Spark 3.5 does not tell)."""

    start: float
    end: float
    place: str
    tasks: int
    first_task: float
    worker_start: float | None


def switched_on(folder: Path) -> dict[str, str]:
    """The variables with which Spark writes its event log below ``folder``."""
    for name in ("conf", "events"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    log = f"spark.eventLog.dir {(folder / 'events').as_uri()}\n"
    (folder / "conf" / "spark-defaults.conf").write_text(CONF + log, encoding="utf-8")
    return {"SPARK_CONF_DIR": str(folder / "conf")}


def jobs_of(folder: Path, zero: float) -> list[Job]:
    """The jobs of the newest event log below ``folder``, of a command that started at ``zero``; none without a log."""
    logs = sorted((folder / "events").iterdir(), key=lambda one: one.stat().st_mtime)
    return [job for log in logs[-1:] for job in _jobs(log, zero)]


def first_block(jobs: Sequence[Job], written: float | None) -> float | None:
    """When the first task with explained blocks ended: one of the job before the first file with blocks."""
    python = [job for job in jobs if job.worker_start is not None]
    before = [job for job in python if written is not None and job.end <= written + CLOCK]
    return max(before, key=lambda job: job.end).first_task if before else written


def _jobs(log: Path, zero: float) -> Iterator[Job]:
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    ends = {one["Job ID"]: one["Completion Time"] for one in events if one["Event"] == "SparkListenerJobEnd"}
    tasks = [one for one in events if one["Event"] == "SparkListenerTaskEnd"]
    for one in events:
        if one["Event"] == "SparkListenerJobStart":
            own = [task for task in tasks if task["Stage ID"] in one["Stage IDs"]]
            start = one["Submission Time"]
            end = ends.get(one["Job ID"], start)
            python = [found for task in own for found in [_python(task)] if found is not None]
            yield Job(
                start / 1000 - zero,
                end / 1000 - zero,
                str(one["Properties"].get("callSite.short", "")),
                len(own),
                min([_ended(task) for task in own if _python(task) is not None] or [end]) / 1000 - zero,
                sum(python) if python else None,
            )


def _ended(task: dict[str, Any]) -> float:
    return float(task["Task Info"]["Finish Time"])


def _python(task: dict[str, Any]) -> float | None:
    """Seconds to start the Python worker of a task; None if it ran no Python."""
    metrics = {one.get("Name", ""): one.get("Update", 0) for one in task["Task Info"].get("Accumulables", [])}
    if not any("Python" in name for name in metrics):
        return None
    return float(metrics.get("time to start Python workers", 0)) / 1000
