"""How long small runs take, next to a bare pyspark program that does the like: the real commands, each in a fresh
process with a fresh HOME and folder of temporary files, interleaved with the bare program; with --phases, where their
seconds go. Linux only.

    python benchmarks/bench_start.py --python .venv/bin/python .venv-spark35/bin/python --phases
    python benchmarks/bench_start.py --rows 1000000 --master 'local[2]' --against ../old/.venv/bin/python
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import start_phases
from start_events import first_block, jobs_of, switched_on
from start_runs import (
    BARE,
    CASES,
    HERE,
    FirstBlock,
    Once,
    Program,
    adopt_orphans,
    asked,
    compile_package,
    environment,
    machine,
    measured,
    prepared,
    spark_home,
)

MASTERS = ("local[2]", "local-cluster[2,1,1024]")
#: What follows the name of a case that is run by the other installation.
OTHER = ", --against"
COLUMNS = (
    "Spark",
    "master",
    "program",
    "s (lowest to highest)",
    "× bare",
    "processor, s",
    "× bare",
    "warm, s",
    "first block explained, s after the bare program's end",
)


@dataclass
class Series:
    """The runs of one program; the ``warm`` ones found the HOME of an earlier run."""

    spark: str
    master: str
    name: str
    fresh: list[Once] = field(default_factory=list)
    warm: list[Once] = field(default_factory=list)

    def median(self, what: str, warm: bool = False) -> float | None:
        """The median of an attribute over the runs that have it."""
        found = [getattr(one, what) for one in (self.warm if warm else self.fresh)]
        known = [value for value in found if value is not None]
        return statistics.median(known) if known else None


def measure(options: argparse.Namespace, spark: str, master: str, programs: Sequence[Program]) -> list[Series]:
    """The runs of all programs in turn, the fresh ones first; in each round every program once."""
    found = [Series(spark, master, one.name) for one in programs]
    home = spark_home(programs[0].python, options.folder / "spark-home", master)
    for number in range(options.repeat + options.warm):
        warm = number >= options.repeat
        for place, (program, series) in enumerate(zip(programs, found, strict=True)):
            folder = options.folder / "runs" / str(place)
            if not warm:
                shutil.rmtree(folder, ignore_errors=True)
            once = run_once(program, master, options.folder / "inputs", folder, home)
            (series.warm if warm else series.fresh).append(once)
            print(f"{spark} {master} {program.name}{' (warm)' if warm else ''}: {once}", file=sys.stderr, flush=True)
    return found


def run_once(program: Program, master: str, inputs: Path, folder: Path, home: Path | None) -> Once:
    """One run with a new output folder; on a cluster with Spark's event log, for when blocks were explained."""
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    environ = environment(program.python, folder / "home", home)
    if "cluster" not in master:
        return measured(program.command(inputs, output, master), environ, folder)
    first, zero = FirstBlock(output), time.time()
    environ |= switched_on(folder)
    once = measured(program.command(inputs, output, master), environ, folder, *([first] if program.explains else []))
    return replace(once, first_block=first_block(jobs_of(folder, zero), first.seconds))


def table(found: Sequence[Series]) -> Iterator[str]:
    """Rows of one Spark and master, the bare program first."""
    bare_wall, bare_processor = found[0].median("wall") or 0.0, found[0].median("processor") or 0.0
    for one in found:
        walls = [run.wall for run in one.fresh]
        wall, processor = one.median("wall") or 0.0, one.median("processor") or 0.0
        warm, block = one.median("wall", warm=True), one.median("first_block")
        yield _row(
            one.spark,
            f"`{one.master}`",
            one.name,
            f"{wall:.1f} ({min(walls):.1f} to {max(walls):.1f})",
            f"{wall / bare_wall:.2f}",
            f"{processor:.1f}",
            f"{processor / bare_processor:.2f}",
            "" if warm is None else f"{warm:.1f}",
            "" if block is None else f"{block - bare_wall:+.1f}",
        )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def compared(found: Sequence[Series]) -> Iterator[str]:
    """How each case compares with the same case of the other installation, a line for each."""
    for one, other in pairwise(found):
        if other.name == one.name + OTHER:
            ratios = ", ".join(
                f"{what} × {(one.median(what) or 0.0) / (other.median(what) or 1.0):.2f}"
                for what in ("wall", "processor")
            )
            yield f"{one.spark} {one.master} {one.name}, this installation against the other: {ratios}"


def programs_of(options: argparse.Namespace, python: Path) -> list[Program]:
    """The bare program, the cases, and after each the same case of the other installation."""
    found = [Program(BARE, python, None)]
    for one in (case for case in CASES if case.key in options.case):
        name = f"{one.name}, {options.rows:,} rows" if one.key == "pre" else one.name
        found.append(Program(name, python, one))
        if options.against is not None:
            found.append(Program(name + OTHER, options.against, one))
    return found


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, nargs="+", action="extend", help="Pythons with clarify_spark installed")
    parser.add_argument("--master", nargs="+", default=list(MASTERS))
    parser.add_argument("--case", nargs="+", choices=[one.key for one in CASES])
    parser.add_argument("--rows", type=int, default=1000, help="rows for pre-training metrics and the bare program")
    parser.add_argument("--repeat", type=int, default=5, help="interleaved runs, each in a HOME of its own")
    parser.add_argument("--warm", type=int, default=1, help="further runs in the HOME of the last one")
    parser.add_argument("--against", type=Path, help="the Python of another installation, for the same cases")
    parser.add_argument("--phases", action="store_true", help="then one more run of each, and where its seconds went")
    parser.add_argument("--json", type=Path, help="write every run there")
    parser.add_argument("--folder", type=Path, default=HERE / "data" / "start", help="for inputs and outputs")
    options = parser.parse_args()
    options.python = [one.absolute() for one in options.python or [Path(sys.executable)]]
    options.against = options.against and options.against.absolute()
    options.folder = options.folder.absolute()
    options.case = options.case or (["pre"] if options.rows > 1000 else [one.key for one in CASES])
    return options


@dataclass
class Measured:
    """All runs, and those of --phases."""

    series: list[list[Series]] = field(default_factory=list)
    groups: list[start_phases.Group] = field(default_factory=list)


def measured_all(options: argparse.Namespace) -> Measured:
    """Every program with every Python and master."""
    found = Measured()
    for python in options.python:
        spark = asked(python, "import pyspark; print(pyspark.__version__)")
        prepared(python, options.folder / "inputs", options.rows)
        programs = programs_of(options, python)
        for one in dict.fromkeys(program.python for program in programs):
            compile_package(one)
        for master in options.master:
            if options.repeat:
                found.series.append(measure(options, spark, master, programs))
            if options.phases:
                found.groups.append(start_phases.recorded(options.folder, spark, master, programs))
    return found


def told(options: argparse.Namespace, found: Measured) -> Iterator[str]:
    """The lines to print."""
    yield machine(options.python)
    loads = [run.load for series in found.series for one in series for run in one.fresh]
    if loads:
        yield f"load {min(loads):.1f} to {max(loads):.1f}, medians of {options.repeat} interleaved runs"
        yield from ("", _row(*COLUMNS), f"|{'---|' * len(COLUMNS)}")
        for series in found.series:
            yield from table(series)
        yield ""
        for series in found.series:
            yield from compared(series)
    for group in found.groups:
        yield from ("", *start_phases.shown(group))


def main() -> None:
    """Print tables; write the runs as JSON if asked to."""
    options = parsed()
    adopt_orphans()
    found = measured_all(options)
    print(*told(options, found), sep="\n")
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(found), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
