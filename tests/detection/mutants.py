"""Plants each fault of `faults.json` in a copy of this checkout: the tests that run on every change must catch it.

    python tests/detection/mutants.py [--only PATTERN] [--jobs 2] [--limit SECONDS]

What runs on every change is what `pytest --change=` collects. Of these tests, first the one runs that caught the fault
when it was drawn; then those that run the line, by build/coverage/data of `make coverage`, or without such data those
of the first one's file. The exit code is 1 if a fault is not caught, if its text is no longer in the source (it must be
ported then), or if a test that caught a fault fails without one too.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from coverage_data import TestsOfLines
from faults import Fault, GoneError, planted, read
from trials import Copy, Outcome, check_without_faults, ordered

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "build" / "coverage" / "data"


@dataclass(frozen=True)
class Tests:
    """Those that run on every change, those of them that need a JVM, and which of them run a line."""

    selected: set[str]
    jvm: set[str]
    of_lines: TestsOfLines | None

    def asked(self, fault: Fault) -> Iterator[list[str]]:
        """Groups of tests to ask for a fault, one after the other."""
        if fault.caught_by in self.selected:
            yield [fault.caught_by]
        if self.of_lines:
            running = self.of_lines(fault.file, fault.line_in(REPOSITORY)) & self.selected
            yield from ordered(running, self.jvm, {})
        else:
            file = fault.caught_by.partition("::")[0]
            yield from ordered((test for test in self.selected if test.startswith(f"{file}::")), self.jvm, {})


def main(argv: Sequence[str] | None = None) -> int:
    """Plant every fault and tell what became of it; returns the exit code."""
    arguments = _parser().parse_args(argv)
    faults = [fault for fault in read() if fnmatch.fnmatch(fault.id, arguments.only)]
    if gone := list(_gone(faults)):
        raise SystemExit("\n".join(gone))
    with tempfile.TemporaryDirectory(prefix="clarify-spark-faults-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(arguments.jobs):
            copies.put(Copy(REPOSITORY, Path(folder) / str(number)))
        tests = _tests(Copy(REPOSITORY, Path(folder) / "collected"))
        with ThreadPoolExecutor(arguments.jobs) as pool:
            caught_by = list(pool.map(lambda fault: _caught_by(fault, tests, copies, arguments.limit), faults))
        check_without_faults(copies.get(), {test for test in caught_by if test})
    survived = [fault.id for fault, test in zip(faults, caught_by, strict=True) if not test]
    _say(
        f"{len(faults) - len(survived)} of {len(faults)} faults are caught. NOT CAUGHT: {', '.join(survived) or 'none'}"
    )
    return int(bool(survived))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="*", help="faults of such ids ('clarify_spark/bias *')")
    parser.add_argument("--jobs", type=int, default=2, help="tests at the same time")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=600, help="for the tests of one fault")
    return parser


def _gone(faults: Sequence[Fault]) -> Iterator[str]:
    for fault in faults:
        try:
            fault.planted_in(REPOSITORY)
        except GoneError as gone:
            yield str(gone)


def _tests(copy: Copy) -> Tests:
    of_lines = TestsOfLines(DATA, REPOSITORY) if DATA.is_file() else None
    return Tests(copy.collected("--change="), copy.collected("-m", "spark"), of_lines)


def _caught_by(fault: Fault, tests: Tests, copies: SimpleQueue[Copy], limit: float) -> str | None:
    """The first test that fails with the fault."""
    copy = copies.get()
    start, why, outcome = time.monotonic(), "no test fails", Outcome("passed")
    try:
        with planted(fault, copy.root):
            for group in tests.asked(fault):
                outcome = copy.run(group, max(start + limit - time.monotonic(), 1), ["-x"])
                if outcome.result != "passed":
                    why = f"{outcome.result}: {outcome.told}"
                    break
    finally:
        copies.put(copy)
    where = f"{fault.id}: {fault.kind} in {fault.file}:{fault.line_in(REPOSITORY)}"
    test = outcome.failed[0] if outcome.failed else None
    _say(f"{'caught' if test else 'NOT CAUGHT'} after {time.monotonic() - start:.0f} s  {where}  {test or why}")
    return test


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
