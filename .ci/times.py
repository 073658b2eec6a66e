"""What a run of .ci/run took: ``times.py FOLDER SECONDS SECONDS_OF_ENVIRONMENTS``; tests/times.py fills the folder."""

import json
import sys
from pathlib import Path

LIMIT = 35 * 60
SLOWEST = 10


def minutes(seconds):
    """A time as readers of a log take it in."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def lines(parts, seconds, environments):
    """The whole time, that of each part, and the slowest tests of all parts."""
    yield f"{minutes(seconds)}, of which environments took {minutes(environments)}"
    if seconds > LIMIT:
        yield f"That is above {minutes(LIMIT)}: shorten it, or move tests to make test-all (docs/architecture.md)."
    for part in parts:
        yield f"{minutes(part['seconds']):>12}  {part['name']}"
    tests = [(took, name, part["name"]) for part in parts for name, took in part["tests"].items()]
    for took, name, part in sorted(tests, reverse=True)[:SLOWEST]:
        yield f"{took:>10.1f} s  {name}  ({part.split()[0]})"


def main(folder, seconds, environments):
    """Print the lines."""
    files = sorted(Path(folder).glob("*.json"), key=lambda path: path.stat().st_mtime)
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    print("--- Times ---", *lines(parts, float(seconds), float(environments)), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
