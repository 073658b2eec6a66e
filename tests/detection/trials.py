"""Runs tests on a copy of a checkout, in which faults are planted."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
#: Examples of hypothesis are drawn by a seed, and a test may take five minutes: a fault may be a loop without an end.
OPTIONS = ("-q", "--hypothesis-seed=18", "-o", "timeout=300")
#: Variables of the run of tests that this is perhaps part of would be theirs too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS")}
#: pytest's exit codes: some tests failed, some could not be imported.
FAILED = (1, 2)


@dataclass(frozen=True)
class Outcome:
    """How tests ended, or that they could not start; which failed; and the end of what pytest printed."""

    result: Literal["passed", "failed", "out of time", "not started"]
    failed: tuple[str, ...] = ()
    told: str = ""


class Copy:
    """A copy of a checkout, with an environment that has the libraries of the checkout's and the code of the copy."""

    def __init__(self, checkout: Path, folder: Path):
        checkout, self.root = checkout.resolve(), folder.resolve()
        shutil.copytree(checkout, self.root, symlinks=True, ignore=LEFT_OUT)
        self._python = self.root / ".venv" / "bin" / "python"
        words = ["-m", "venv", "--without-pip", self.root / ".venv"]
        subprocess.run([checkout / ".venv" / "bin" / "python", *words], check=True)
        places = {str(checkout).encode(): str(self.root).encode()}
        (packages,) = (checkout / ".venv" / "lib").glob("python*/site-packages")
        _link(packages, self.root / packages.relative_to(checkout), places)
        _link(checkout / ".venv" / "bin", self.root / ".venv" / "bin", places)
        self._check()

    def _check(self) -> None:
        """End if anything else than the copy would be tested, which would have no fault planted in it."""
        code = "import clarify_spark as a, clarify_spark.udfs.errors as b; print(a.__file__, b.__file__, sep='\\n')"
        ran = self._ran("-c", code)
        elsewhere = [path for path in ran.splitlines() if not Path(path).is_relative_to(self.root)]
        if elsewhere:
            raise SystemExit(
                f"Tests in {self.root} would import {' and '.join(elsewhere)} instead of the planted fault."
            )

    def _ran(self, *words: str) -> str:
        command = [self._python, *words]
        done = subprocess.run(command, cwd=self.root, env=ENVIRONMENT, check=True, capture_output=True, text=True)
        return done.stdout

    def run(self, tests: Iterable[str], seconds: float, options: Sequence[str] = ()) -> Outcome:
        """The outcome of some tests within a time; with the option ``-x``, up to the first that fails."""
        with tempfile.TemporaryDirectory(prefix="clarify-spark-") as folder:
            told, listed, cache = Path(folder) / "told", Path(folder) / "tests", Path(folder) / "cache"
            listed.write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")
            words = [*OPTIONS, "-o", f"cache_dir={cache}", *options, f"@{listed}"]
            code = self._exit_code([self._python, "-m", "pytest", *words], told, seconds)
            text = told.read_text(encoding="utf-8", errors="replace")[-3000:]
            failed = cache / "v" / "cache" / "lastfailed"
            names = tuple(json.loads(failed.read_text(encoding="utf-8"))) if failed.is_file() else ()
        if code == -signal.SIGKILL:
            raise SystemExit(f"Something else has killed pytest: run this again.\n{text}")
        if code in FAILED:
            return Outcome("failed", names or ("a test",), text)
        return Outcome("passed" if code == 0 else "out of time" if code is None else "not started", (), text)

    def collected(self, *options: str) -> set[str]:
        """The names of the tests that pytest would run with these options."""
        told = self._ran("-m", "pytest", "--collect-only", "-q", *options)
        found = {line for line in told.splitlines() if line.startswith("tests/") and "::" in line}
        if not found:
            raise SystemExit(f"pytest {' '.join(options)} collects no test:\n{told[-3000:]}")
        return found

    def _exit_code(self, command: list, told: Path, seconds: float) -> int | None:
        with told.open("w") as stream:
            process = subprocess.Popen(
                command, cwd=self.root, env=ENVIRONMENT, start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=stream, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                # Spark and servers too, which would otherwise outlive a test that the fault broke.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self._end_daemons()

    def _end_daemons(self) -> None:
        """Kill what has left the group of its test, as a cluster does: every command line that names the copy."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if f"{self.root}/".encode() in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)


def check_without_faults(copy: Copy, tests: Iterable[str]) -> None:
    """End if one of the tests fails without a fault too: then it says nothing about a fault."""
    wanted = sorted(tests)
    if not wanted:  # for which pytest would run all that there are
        return
    outcome = copy.run(wanted, 3600)
    if outcome.result != "passed":
        raise SystemExit(f"Without a fault: {outcome.result}: {', '.join(outcome.failed)}\n{outcome.told}")


def _link(theirs: Path, ours: Path, places: Mapping[bytes, bytes]) -> None:
    """Links to the files of a folder; those that name the checkout, as scripts of an environment do, are rewritten."""
    for path in theirs.iterdir():
        place = ours / path.name
        if place.exists() or path.name == "__pycache__":
            continue
        content = path.read_bytes() if path.is_file() and path.stat().st_size < 100_000 else b""
        rewritten = functools.reduce(lambda text, pair: text.replace(*pair), places.items(), content)
        if rewritten == content:
            place.symlink_to(path)
        else:
            place.write_bytes(rewritten)
            place.chmod(path.stat().st_mode)


def ordered(tests: Iterable[str], jvm: set[str], seconds: Mapping[str, float]) -> list[list[str]]:
    """The tests in the order in which they are asked for a fault: those without a JVM first, one case of each function;
    then their other cases and those with a JVM, the quickest first.
    """
    cases: dict[str, list[str]] = defaultdict(list)
    for test in sorted(tests, key=lambda test: (seconds.get(test, 0.0), test)):
        cases[test.partition("[")[0]].append(test)
    firsts = [found[0] for found in cases.values() if found[0] not in jvm]
    others = sorted(set(tests) - set(firsts), key=lambda test: (test in jvm, seconds.get(test, 0.0), test))
    return [group for group in (firsts, others) if group]
