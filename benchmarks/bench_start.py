"""How long small runs take, next to a bare pyspark program that does the like: the real commands, each in a fresh
process with a fresh HOME and folder of temporary files, interleaved with the bare program. Linux only.

    python benchmarks/bench_start.py                                          # the table of benchmarks/README.md
    python benchmarks/bench_start.py --python .venv/bin/python .venv-spark35/bin/python --repeat 5
    python benchmarks/bench_start.py --rows 1000000 --master 'local[2]' --against ../old/.venv/bin/python
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
MASTERS = ("local[2]", "local-cluster[2,1,1024]")
BARE = "bare program"
#: Variables of this shell that would change what is measured.
OF_THE_SHELL = re.compile(r"(PY)?SPARK_|PYTHON|XDG_|MPL|JDK_JAVA_OPTIONS|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|VIRTUAL_ENV")
#: A finished block of explanations in the output folder.
BLOCKS = ("explanations_shap/_journal/range-*", "explanations_shap/*.csv")
#: Seconds that processes may go on after the command has ended.
LEFT = 60.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Case:
    """A command of an installation: arguments of ``clarify-spark``, with {inputs}, {output} and {master}."""

    key: str
    name: str
    arguments: tuple[str, ...]
    explains: bool = False


ANALYZE = ("analyze", "--output", "{output}", "--master", "{master}", "--config")
CASES = (
    Case("pre", "pre-training metrics", (*ANALYZE, "{inputs}/pre_training.json")),
    Case("model", "model and SHAP, 200 rows", (*ANALYZE, "{inputs}/model.json", "--allow-pickle"), explains=True),
    Case("demo", "demo", ("demo", "--output", "{output}", "--master", "{master}"), explains=True),
)


@dataclass(frozen=True)
class Once:
    """One run: seconds to the end of the command and to its first explained block, processor seconds of all its
    processes, seconds until the last of these had ended, and the load before."""

    wall: float
    processor: float
    left: float
    first_block: float | None
    load: float


@dataclass
class Series:
    """The runs of one program, of which ``warm`` ones found the HOME of an earlier run."""

    spark: str
    master: str
    name: str
    fresh: list[Once] = field(default_factory=list)
    warm: list[Once] = field(default_factory=list)

    def median(self, what: str, warm: bool = False) -> float | None:
        """The median of an attribute of the runs that have it."""
        found = [getattr(one, what) for one in (self.warm if warm else self.fresh)]
        known = [value for value in found if value is not None]
        return statistics.median(known) if known else None


@dataclass(frozen=True)
class Program:
    """Something to run: the bare program (no case), or a case by the Python of an installation."""

    name: str
    python: Path
    case: Case | None

    def command(self, inputs: Path, output: Path, master: str) -> list[str]:
        """Its command line."""
        if self.case is None:
            return [str(self.python), str(HERE / "bare_program.py"), master, str(inputs / "data.csv")]
        places = {"inputs": inputs, "output": output, "master": master}
        return [str(self.python.parent / "clarify-spark"), *(one.format(**places) for one in self.case.arguments)]


def environment(python: Path, home: Path, spark_home: Path | None) -> dict[str, str]:
    """That of a shell in which the installation is activated, with HOME and temporary files in ``home``."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not OF_THE_SHELL.match(name)}
    path = f"{python.parent}{os.pathsep}{kept.get('PATH', '')}"
    more = {} if spark_home is None else {"SPARK_HOME": str(spark_home)}
    return {**kept, "PATH": path, "HOME": str(home), "TMPDIR": str(home / "tmp"), **more}


def measured(command: Sequence[str], environ: dict[str, str], folder: Path, output: Path | None) -> Once:
    """One run of the command, which looks for explained blocks in ``output`` if that is given."""
    load = os.getloadavg()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    first = None
    start = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        running = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while True:
            try:
                code = running.wait(timeout=0.02)
                break
            except subprocess.TimeoutExpired:
                if output is not None and first is None and any(any(output.glob(one)) for one in BLOCKS):
                    first = time.monotonic() - start
    wall = time.monotonic() - start
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}: {(folder / 'log.txt').read_text()[-2000:]}")
    wait_for_all(time.monotonic() + LEFT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Once(wall, processor, time.monotonic() - start - wall, first, load)


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans: the JVM ends after the Python that started it, and
    the processor time of a process is only known to the one that waits for it."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit(f"prctl: {os.strerror(ctypes.get_errno())}")


def wait_for_all(deadline: float) -> None:
    """Wait for every child, orphans included."""
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        except ChildProcessError:
            return
    raise SystemExit(f"Processes of the command were still running {LEFT:.0f} s after its end.")


def measure(
    options: argparse.Namespace, spark: str, master: str, programs: Sequence[Program], inputs: Path
) -> list[Series]:
    """The runs of all programs in turn, fresh ones first; in each round every program once."""
    found = {one.name: Series(spark, master, one.name) for one in programs}
    home = spark_home(programs[0].python, options.folder / "spark-home") if "cluster" in master else None
    for number in range(options.repeat + options.warm):
        warm = number >= options.repeat
        for place, one in enumerate(programs):
            folder = options.folder / "runs" / str(place)
            if not warm:
                shutil.rmtree(folder, ignore_errors=True)
            output = folder / f"output-{number}"
            environ = environment(one.python, folder / "home", home)
            explains = output if one.case is not None and one.case.explains else None
            once = measured(one.command(inputs, output, master), environ, folder, explains)
            (found[one.name].warm if warm else found[one.name].fresh).append(once)
            print(f"{master} {one.name}{' (warm)' if warm else ''}: {asdict(once)}", file=sys.stderr, flush=True)
    return list(found.values())


def spark_home(python: Path, folder: Path) -> Path:
    """Spark's own folder by links: workers of a local cluster write next to its jars."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in Path(asked(python, "import pyspark; print(pyspark.__path__[0])")).iterdir():
        if part.name != "work":
            (folder / part.name).symlink_to(part)
    return folder


def asked(python: Path, program: str) -> str:
    """What a program prints."""
    return subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def prepared(python: Path, folder: Path, rows: int) -> Path:
    """The inputs for that Python."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([python, HERE / "start_inputs.py", folder, str(rows)], check=True)
    return folder


def compile_package(python: Path) -> None:
    """Compile the modules, as pip does when it installs a package."""
    package = asked(python, "import importlib.util as u; print(u.find_spec('clarify_spark').origin)")
    folder = Path(package).parent
    subprocess.run([python, "-m", "compileall", "-q", folder, folder / "udfs"], check=True)


def machine(pythons: Sequence[Path]) -> list[str]:
    """Lines about the machine and the versions."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr.splitlines()[0]
    versions = "import sys, pyspark, pandas; print(pyspark.__version__, sys.version.split()[0], pandas.__version__)"
    found = [asked(python, versions).split() for python in pythons]
    told = "; ".join(f"Spark {spark} on Python {python} with pandas {pandas}" for spark, python, pandas in found)
    return [f"{date.today()}, {os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), {java}; {told}"]


def table(found: Sequence[Series], bare: Series) -> Iterator[str]:
    """Rows of one Spark and master."""
    for one in found:
        walls = [run.wall for run in one.fresh]
        wall, processor = one.median("wall") or 0.0, one.median("processor") or 0.0
        warm, block = one.median("wall", warm=True), one.median("first_block")
        bare_wall, bare_processor = bare.median("wall") or 1.0, bare.median("processor") or 1.0
        cells = [
            one.spark,
            f"`{one.master}`",
            one.name,
            f"{wall:.1f} ({min(walls):.1f} to {max(walls):.1f})",
            f"{wall / bare_wall:.2f}",
            f"{processor:.1f}",
            f"{processor / bare_processor:.2f}",
            "" if warm is None else f"{warm:.1f}",
            "" if block is None else f"{block - bare_wall:+.1f}",
        ]
        yield f"| {' | '.join(cells)} |"


HEADER = (
    "| Spark | master | program | s (lowest to highest) | × bare | processor, s | × bare | warm, s "
    "| first block explained, s after the bare program's end |\n|---|---|---|---|---|---|---|---|---|"
)


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
    parser.add_argument("--json", type=Path, help="write every run there")
    parser.add_argument("--folder", type=Path, default=HERE / "data" / "start", help="for inputs and outputs")
    options = parser.parse_args()
    options.python = [one.absolute() for one in options.python or [Path(sys.executable)]]
    options.folder = options.folder.absolute()
    options.case = options.case or (["pre"] if options.rows > 1000 else [one.key for one in CASES])
    return options


def programs_of(options: argparse.Namespace, python: Path) -> list[Program]:
    """The bare program, the cases, and the same cases of the other installation."""
    cases = [one for one in CASES if one.key in options.case]
    found = [Program(BARE, python, None)]
    for one in cases:
        name = f"{one.name}, {options.rows:,} rows" if one.key == "pre" else one.name
        found.append(Program(name, python, one))
        if options.against is not None:
            found.append(Program(f"{name}, --against", options.against.absolute(), one))
    return found


def main() -> None:
    """Print a table."""
    options = parsed()
    adopt_orphans()
    found: list[Series] = []
    lines = [HEADER]
    for python in options.python:
        spark = asked(python, "import pyspark; print(pyspark.__version__)")
        inputs = prepared(python, options.folder / "inputs", options.rows)
        programs = programs_of(options, python)
        for one in dict.fromkeys(program.python for program in programs):
            compile_package(one)
        for master in options.master:
            series = measure(options, spark, master, programs, inputs)
            found += series
            lines += table(series, series[0])
    loads = [run.load for one in found for run in one.fresh]
    print(*machine(options.python), f"load {min(loads):.1f} to {max(loads):.1f}; medians of {options.repeat}", "")
    print(*lines, sep="\n")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
