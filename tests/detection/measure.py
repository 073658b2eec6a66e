"""Measures which lines and branches the tests of a change run (`.ci/run`), and compares with before.

    python tests/detection/measure.py [--checkout FOLDER] [--raw FOLDER] [--write]

The union of all parts of `.ci/run` counts, of pytest's own processes and of the commands that they start. Without --raw
all of them are run, with the measurement started in every Python of the environments `.venv*` (which must be there).
Written are build/coverage/data (what each test ran, for `make mutants`) and build/coverage/summary.txt, by rooms (the
folders of our code). The exit code is 1 if the tests failed, or if a smaller share of all lines or of all branches runs
than coverage-before.json has; --write writes this file anew.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from coverage_data import combined, counted, missing, reported
from coverage_table import Counted, lower, more_missing, table, verdict

REPOSITORY = Path(__file__).resolve().parents[2]
MEASURING = Path(__file__).with_name("measuring")
BEFORE = Path(__file__).with_name("coverage-before.json")
PTH = "zz_detection.pth"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, tell and compare; returns the exit code."""
    arguments = _parser().parse_args(argv)
    folder = REPOSITORY / "build" / "coverage"
    failed = 0 if arguments.raw else run(arguments.checkout, folder / "raw")
    data = combined(arguments.raw or folder / "raw", folder / "data")
    reports = reported(data)
    now = counted(reports, arguments.checkout)
    if arguments.write:
        write(arguments.checkout, now)
    before = read()
    lines = [
        *table(before, now),
        *more_missing(before, now, missing(reports, arguments.checkout)),
        verdict(before, now),
    ]
    text = "".join(f"{line}\n" for line in lines)
    (folder / "summary.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return failed or int(lower(before, now))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", metavar="FOLDER", type=Path, default=REPOSITORY, help="default: this one")
    parser.add_argument("--raw", metavar="FOLDER", type=Path, help="data that an earlier run has left")
    parser.add_argument("--write", action="store_true", help="these are the numbers to compare with from now on")
    return parser


def run(checkout: Path, raw: Path) -> int:
    """The exit code of `.ci/run`; every process of it leaves what it measured in the folder."""
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    environment = {
        **os.environ,
        "DETECTION_DATA": str(raw),
        "DETECTION_ROOT": str(checkout),
        "DETECTION_LIBRARY": next(path for path in sys.path if path.endswith("site-packages")),
        "PYTEST_PLUGINS": "detection_contexts",
        "BASE": "",  # what every change runs, not what one of them runs besides
    }
    with started_everywhere(checkout) as environments:
        code = subprocess.run([checkout / ".ci" / "run"], cwd=checkout, env=environment, check=False).returncode
        later = set(_packages(checkout)) - set(environments)
    if later:
        raise SystemExit(f"Made during the run, and not measured: {', '.join(map(str, later))}. Measure again.")
    return code


@contextlib.contextmanager
def started_everywhere(checkout: Path) -> Iterator[list[Path]]:
    """The folders of packages of the environments, in which every Python measures itself for that long."""
    folders = _packages(checkout)
    for folder in folders:
        (folder / PTH).write_text(f"{MEASURING}\nimport start_measurement\n", encoding="utf-8")
    try:
        yield folders
    finally:
        for folder in folders:
            (folder / PTH).unlink()


def _packages(checkout: Path) -> list[Path]:
    found = checkout.glob(".venv*/lib/python*/site-packages")
    return sorted(folder for folder in found if (folder / "pyspark").is_dir() or (folder / "pandas").is_dir())


def read() -> dict[str, Counted]:
    """The numbers of each file at the commit that is compared with."""
    files = json.loads(BEFORE.read_text(encoding="utf-8"))["files"]
    return {name: Counted(*row) for name, row in files.items()}


def write(checkout: Path, numbers: dict[str, Counted]) -> None:
    """Make these numbers those to compare with."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()
    head = {"commit": commit, "date": str(date.today()), "python": platform.python_version()}
    head["columns"] = "lines, lines that run, branches, branches that run"
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one.row())}" for name, one in sorted(numbers.items()))
    text = json.dumps(head, indent=1)[:-2] + ',\n "files": {\n' + rows + "\n }\n}\n"
    BEFORE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
