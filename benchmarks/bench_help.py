"""Processor time of commands that only print something, --version and --help, next to a Python that does nothing.

python benchmarks/bench_help.py
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

from clarify_spark.cli.command import COMMANDS

COMMAND = (sys.executable, "-m", "clarify_spark")


def processor_seconds(*command: str) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median of several runs of each, and how often that is a bare Python's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    said = [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)]
    runs = {"python -c pass": (sys.executable, "-c", "pass")} | {" ".join(one): (*COMMAND, *one) for one in said}
    medians = {name: statistics.median(processor_seconds(*run) for _ in range(repeat)) for name, run in runs.items()}
    bare = medians["python -c pass"]
    for name, seconds in medians.items():
        print(f"{name:20} {seconds:6.3f} s {seconds / bare:6.1f} ×")


if __name__ == "__main__":
    main()
