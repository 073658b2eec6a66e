"""Where the seconds of a command go, from outside: what its Python processes do (start_recorder), Spark's event log,
the lines of its progress, and the files that it writes."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from start_events import Job, first_block, jobs_of, switched_on
from start_runs import HERE, FirstBlock, Program, environment, measured, spark_home

#: The line that ends a phase.
PHASE = re.compile(r"^(\S[^:]*): (\d+\.\d) s$", re.MULTILINE)
#: What a span of the main thread is spent on, in the order of columns.
USES = ("imports", "Spark jobs", "other calls to the JVM", "Python", "waiting")


@dataclass(frozen=True)
class Span:
    """What the main thread of a process did from one moment to another, in seconds since the command's start."""

    start: float
    end: float
    step: str
    package: str
    function: str
    kind: str
    other_thread: str


@dataclass(frozen=True)
class Process:
    """A Python process of the command."""

    command: list[str]
    forked: bool
    spans: list[Span]

    @property
    def is_worker(self) -> bool:
        """Whether it runs functions on rows: a fork of Spark's daemon."""
        return self.forked and "pyspark.daemon" in self.command


@dataclass
class Recorded:
    """One recorded run; ``phases`` are those that the command tells, as (name, start, end)."""

    name: str
    wall: float
    left: float
    load: float
    first_block: float | None
    processes: list[Process] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    phases: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def driver(self) -> list[Span]:
        """What the command's own process did."""
        return next(one.spans for one in self.processes if not one.forked and "pyspark.daemon" not in one.command)


@dataclass(frozen=True)
class Group:
    """The recorded runs of one Spark and master."""

    spark: str
    master: str
    runs: list[Recorded]


# --- recording ------------------------------------------------------------------------------------------------------


class Phases:
    """Notes when the command ends a phase, from the log that it writes."""

    def __init__(self, log: Path) -> None:
        """None has ended yet."""
        self._log = log
        self._seen = 0
        self.found: list[tuple[str, float, float]] = []

    def __call__(self, seconds: float) -> None:
        """Look, that many seconds after the command's start."""
        size = self._log.stat().st_size
        if size == self._seen:
            return
        with self._log.open("rb") as log:
            log.seek(self._seen)
            lines = log.read().rpartition(b"\n")[0]
        self._seen += len(lines)
        ended = PHASE.findall(lines.decode(errors="replace"))
        self.found += [(name, seconds - float(taken), seconds) for name, taken in ended]


def recorded(folder: Path, spark: str, master: str, programs: Sequence[Program]) -> Group:
    """One run of each program, in a fresh HOME."""
    return Group(spark, master, [_recorded(folder, master, one) for one in programs])


def _recorded(folder: Path, master: str, program: Program) -> Recorded:
    place = folder / "runs" / "recorded"
    shutil.rmtree(place, ignore_errors=True)
    (place / "records").mkdir(parents=True)
    environ = environment(program.python, place / "home", spark_home(program.python, folder / "spark-home", master))
    environ |= {"PYTHONPATH": str(HERE / "start_recorder"), "START_RECORDS": str(place / "records")}
    environ |= switched_on(place)
    first, phases = FirstBlock(place / "output"), Phases(place / "log.txt")
    zero = time.time()
    once = measured(program.command(folder / "inputs", place / "output", master), environ, place, first, phases)
    processes = [_process(one, zero, once.wall) for one in sorted((place / "records").iterdir(), key=_started)]
    jobs = jobs_of(place, zero)
    block = first_block(jobs, first.seconds) if program.explains else None
    return Recorded(program.name, once.wall, once.left, once.load, block, processes, jobs, phases.found)


def _started(records: Path) -> float:
    return float(records.stem.partition("-")[2])


def _process(records: Path, zero: float, wall: float) -> Process:
    """A process from its lines; what it did last, it did until its end or the command's."""
    (_, command, forked), *lines = [json.loads(line) for line in records.read_text().splitlines()]
    starts = [line[0] - zero for line in lines]
    ends = [*starts[1:], max(wall, starts[-1])] if starts else []
    spans = [Span(start, end, *line[1:]) for start, end, line in zip(starts, ends, lines, strict=True)]
    return Process(command, forked, spans)


# --- showing --------------------------------------------------------------------------------------------------------


def shown(group: Group) -> Iterator[str]:
    """All tables of a Spark and master: phases of all programs side by side, then each program in detail."""
    yield f"### Spark {group.spark}, `{group.master}`"
    yield ""
    yield from _matrix(group)
    for one in group.runs:
        yield from ("", f"#### {one.name}, Spark {group.spark}, `{group.master}`", "")
        yield from _phases(one)
        yield from ("", *_events(one), "")
        yield from _job_table(one)
        yield ""
        yield from _worker_table(one)


def _matrix(group: Group) -> Iterator[str]:
    spent = [_seconds_by_phase(one) for one in group.runs]
    names = _in_order([list(one) for one in spent])
    yield f"| phase, s | {' | '.join(one.name for one in group.runs)} |"
    yield f"|---|{'---|' * len(group.runs)}"
    for name in names:
        cells = [f"{sum(one[name].values()):.1f}" if name in one else "" for one in spent]
        yield f"| {name} | {' | '.join(cells)} |"
    for use in USES:
        cells = [f"{sum(phase[use] for phase in one.values()):.1f}" for one in spent]
        yield f"| *of all this: {use}* | {' | '.join(cells)} |"
    yield f"| *all* | {' | '.join(f'{one.wall:.1f}' for one in group.runs)} |"


def _in_order(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names, each where the longest list has it, or after the name that precedes it in its own."""
    found = list(max(lists, key=len))
    for names in lists:
        for place, name in enumerate(names):
            if name not in found:
                found.insert(found.index(names[place - 1]) + 1 if place else 0, name)
    return found


def _phase_of(run: Recorded, span: Span) -> str:
    """The step on the stack, else the shortest phase around the span's middle, else imports or everything else."""
    middle = (span.start + span.end) / 2
    around = [(end - start, name) for name, start, end in run.phases if start <= middle <= end]
    if span.step:
        return span.step
    return min(around)[1] if around else "Python imports" if span.package else "everything else"


def _spent(run: Recorded, span: Span) -> dict[str, float]:
    """The seconds of a span by use."""
    seconds = span.end - span.start
    if span.package:
        return {"imports": seconds}
    if span.step == "JVM launch":  # pyspark looks every 0.1 s whether the JVM is there
        return {"waiting": seconds}
    if span.kind == "python":
        return {"Python": seconds}
    during = sum(max(0.0, min(span.end, end) - max(span.start, start)) for start, end in _merged(run.jobs))
    rest = "other calls to the JVM" if span.kind == "jvm" else "waiting"
    return {"Spark jobs": during, rest: seconds - during}


def _merged(jobs: Sequence[Job]) -> list[tuple[float, float]]:
    """The times in which at least one job ran."""
    found: list[tuple[float, float]] = []
    for job in sorted(jobs, key=lambda one: one.start):
        if found and job.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], job.end))
        else:
            found.append((job.start, job.end))
    return found


def _split(run: Recorded) -> list[Span]:
    """The main thread's spans, cut where phases begin and end; the first is Python's own start."""
    driver = run.driver
    cuts = sorted({moment for _, start, end in run.phases for moment in (start, end)})
    found = [Span(0.0, driver[0].start, "Python's start", "", "", "python", "")]
    for span in driver:
        ends = [cut for cut in cuts if span.start < cut < span.end] + [span.end]
        for start, end in zip([span.start, *ends], ends, strict=False):
            found.append(Span(start, end, span.step, span.package, span.function, span.kind, span.other_thread))
    return found


def _seconds_by_phase(run: Recorded) -> dict[str, dict[str, float]]:
    """Seconds by phase and use, phases in order of their beginning."""
    found: dict[str, dict[str, float]] = {}
    for span in _split(run):
        phase = found.setdefault(_phase_of(run, span), dict.fromkeys(USES, 0.0))
        for use, seconds in _spent(run, span).items():
            phase[use] += seconds
    return found


def _phases(run: Recorded) -> Iterator[str]:
    """A row for each phase, with the functions and packages that took longest."""
    starts: dict[str, float] = {}
    places: dict[str, dict[str, float]] = {}
    for span in _split(run):
        name = _phase_of(run, span)
        starts.setdefault(name, span.start)
        place = f"import {span.package}" if span.package else f"`{span.function}`" if span.function else ""
        if place:
            seconds = places.setdefault(name, {})
            seconds[place] = seconds.get(place, 0.0) + span.end - span.start
    yield f"| phase | from, s | s | {' | '.join(USES)} | mostly |"
    yield f"|---|---|---|{'---|' * len(USES)}---|"
    for name, spent in _seconds_by_phase(run).items():
        most = sorted(places.get(name, {}).items(), key=lambda one: -one[1])[:6]
        told = ", ".join(f"{place} {seconds:.1f}" for place, seconds in most if seconds >= 0.1)
        cells = [f"{seconds:.1f}" if seconds >= 0.05 else "" for seconds in spent.values()]
        yield f"| {name} | {starts[name]:.1f} | {sum(spent.values()):.1f} | {' | '.join(cells)} | {told} |"


def _events(run: Recorded) -> Iterator[str]:
    """When work on rows began and ended, and what other threads did."""
    if run.jobs:
        first, last = min(job.start for job in run.jobs), max(job.end for job in run.jobs)
        yield f"First Spark job at {first:.1f} s; the last of {len(run.jobs)} ended at {last:.1f} s."
    if run.first_block is not None:
        yield f"First block explained at {run.first_block:.1f} s."
    for step in dict.fromkeys(span.other_thread for span in run.driver if span.other_thread):
        spans = [span for span in run.driver if span.other_thread == step]
        yield f"In another thread: {step} from {spans[0].start:.1f} s to {spans[-1].end:.1f} s."
    yield f"The command ended at {run.wall:.1f} s, its last process {run.left:.1f} s later; load {run.load:.1f}."


def _job_table(run: Recorded) -> Iterator[str]:
    yield "| job at, s | s | phase | for | tasks | Python (s to start workers) |"
    yield "|---|---|---|---|---|---|"
    for job in run.jobs:
        span = next((one for one in _split(run) if one.start <= job.start < one.end), None)
        phase, function = (_phase_of(run, span), span.function) if span is not None else ("", "")
        where = job.place.rpartition("/")[2] if ".py:" in job.place else job.place
        python = "" if job.worker_start is None else f"{job.worker_start:.1f}" if job.worker_start else "yes"
        cells = [
            f"{job.start:.2f}",
            f"{job.end - job.start:.2f}",
            phase,
            f"`{function}` ({where})",
            str(job.tasks),
            python,
        ]
        yield f"| {' | '.join(cells)} |"


def _worker_table(run: Recorded) -> Iterator[str]:
    """A row for each Python process on executors."""
    yield "| Python on executors | from, s | imports, s | model load, s | other work, s | waiting, s | imported |"
    yield "|---|---|---|---|---|---|---|"
    for one in run.processes:
        if "pyspark.daemon" not in one.command or not one.spans:
            continue
        spent = dict.fromkeys(("imports", "model load", "python", "waiting"), 0.0)
        packages: dict[str, float] = {}
        for span in one.spans:
            use = span.step or ("imports" if span.package else "waiting" if span.kind == "waiting" else "python")
            spent[use] = spent.get(use, 0.0) + span.end - span.start
            if span.package:
                packages[span.package] = packages.get(span.package, 0.0) + span.end - span.start
        most = sorted(packages.items(), key=lambda pair: -pair[1])[:6]
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in most if seconds >= 0.1)
        cells = [f"{spent[use]:.1f}" for use in ("imports", "model load", "python", "waiting")]
        name = "worker" if one.is_worker else "daemon"
        yield f"| {name} | {one.spans[0].start:.1f} | {' | '.join(cells)} | {told} |"
