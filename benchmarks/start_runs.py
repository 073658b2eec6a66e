"""The programs that bench_start.py measures, and how one of them is run: Linux only."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
BARE = "bare program"
#: Variables of this shell that would change what is measured.
OF_THE_SHELL = re.compile(r"(PY)?SPARK_|PYTHON|XDG_|MPL|JDK_JAVA_OPTIONS|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|VIRTUAL_ENV")
#: A finished block of explanations in the output folder.
BLOCKS = ("explanations_shap/_journal/range-*", "explanations_shap/out.csv*")
#: Seconds between two looks at a running command.
LOOK = 0.01
#: Seconds that processes may go on after the command has ended.
LEFT = 60.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Case:
    """A command: arguments of ``clarify-spark``, with {inputs}, {output} and {master}; whether it explains rows."""

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
class Program:
    """Something to run: the bare program (no case), or a case by the Python of an installation."""

    name: str
    python: Path
    case: Case | None

    @property
    def explains(self) -> bool:
        """Whether it explains rows."""
        return self.case is not None and self.case.explains

    def command(self, inputs: Path, output: Path, master: str) -> list[str]:
        """Its command line."""
        if self.case is None:
            return [str(self.python), str(HERE / "bare_program.py"), master, str(inputs / "data.csv")]
        places = {"inputs": inputs, "output": output, "master": master}
        return [str(self.python.parent / "clarify-spark"), *(one.format(**places) for one in self.case.arguments)]


@dataclass(frozen=True)
class Once:
    """One run: seconds to the end of the command, processor seconds of all its processes, seconds from the command's
    end until the last of these had ended, the load before, and seconds to the first explained block."""

    wall: float
    processor: float
    left: float
    load: float
    first_block: float | None = None


class FirstBlock:
    """Looks for the first explained block in an output folder."""

    def __init__(self, output: Path) -> None:
        """None is there yet."""
        self._output = output
        self.seconds: float | None = None

    def __call__(self, seconds: float) -> None:
        """Look, that many seconds after the command's start."""
        if self.seconds is None and any(any(self._output.glob(one)) for one in BLOCKS):
            self.seconds = seconds


def environment(python: Path, home: Path, spark_home: Path | None) -> dict[str, str]:
    """That of a shell in which the installation is activated, with HOME and temporary files in ``home``."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not OF_THE_SHELL.match(name)}
    path = f"{python.parent}{os.pathsep}{kept.get('PATH', '')}"
    more = {} if spark_home is None else {"SPARK_HOME": str(spark_home)}
    return {**kept, "PATH": path, "HOME": str(home), "TMPDIR": str(home / "tmp"), **more}


def measured(command: Sequence[str], environ: Mapping[str, str], folder: Path, *looks: Callable[[float], None]) -> Once:
    """One run of the command, whose output goes to log.txt in ``folder``; ``looks`` are called while it runs."""
    load = os.getloadavg()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        running = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while (code := running.poll()) is None:
            time.sleep(LOOK)
            for look in looks:
                look(time.monotonic() - start)
    wall = time.monotonic() - start
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}: {(folder / 'log.txt').read_text()[-2000:]}")
    wait_for_all(time.monotonic() + LEFT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Once(wall, processor, time.monotonic() - start - wall, load)


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
                time.sleep(LOOK)
        except ChildProcessError:
            return
    raise SystemExit(f"Processes of the command were still running {LEFT:.0f} s after its end.")


def asked(python: Path, program: str) -> str:
    """What a program prints."""
    return subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def spark_home(python: Path, folder: Path, master: str) -> Path | None:
    """For a local cluster, whose workers write next to Spark's jars: Spark's own folder by links."""
    if "cluster" not in master:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for part in Path(asked(python, "import pyspark; print(pyspark.__path__[0])")).iterdir():
        if part.name != "work":
            (folder / part.name).symlink_to(part)
    return folder


def prepared(python: Path, folder: Path, rows: int) -> Path:
    """The inputs for that Python."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([python, HERE / "start_inputs.py", folder, str(rows)], check=True)
    return folder


def compile_package(python: Path) -> None:
    """Compile the modules of clarify_spark, as pip does when it installs a package."""
    package = asked(python, "import importlib.util as u; print(u.find_spec('clarify_spark').origin)")
    folder = Path(package).parent
    subprocess.run([python, "-m", "compileall", "-q", folder, folder / "udfs"], check=True)


def machine(pythons: Sequence[Path]) -> str:
    """Date, machine and versions."""
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True).stderr.splitlines()[0]
    versions = "import sys, pyspark, pandas; print(pyspark.__version__, sys.version.split()[0], pandas.__version__)"
    found = [asked(python, versions).split() for python in pythons]
    told = ", ".join(f"Spark {spark} (Python {python}, pandas {pandas})" for spark, python, pandas in found)
    return f"{date.today()}, {os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), {java}, {told}"
