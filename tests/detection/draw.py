"""Draws the faults of `faults.json`: at random, and kept if the tests of the commit they are drawn from catch them.

    python tests/detection/draw.py --checkout FOLDER --data FILE --durations LOG [--seed 18] [--jobs 2]

FOLDER is a clone of that commit with its environment (`make venv`), FILE the measured data of a whole run of its tests
(build/coverage/data of `make coverage`), LOG what that run printed with --durations=0. Every fault that was drawn is
written to `faults.json`, with a test that fails or with the reason why it was discarded.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from coverage_data import TestsOfLines
from faults import FAULTS, Fault, between, planted
from operators import Candidate, candidates
from rooms import room, sources
from trials import Copy, Outcome, check_without_faults, ordered

#: Faults of a room, and of one where tests run many lines.
FEW, MORE, MANY_LINES = 2, 3, 300
#: Seconds for the tests of one fault.
LIMIT = 150
#: Where so few tests run a line, or fewer, their whole files are asked too: a fixture of a session counts for one test.
FEW_TESTS = 20


@dataclass(frozen=True)
class Parent:
    """The commit that faults are drawn from, and what is known of its tests."""

    checkout: Path
    tests: TestsOfLines
    seconds: dict[str, float]
    copies: SimpleQueue[Copy]

    def tried(self, fault: Fault, line: int) -> Fault:
        """The fault with the test that fails because of it, or with the reason why none is known."""
        wanted = ordered(self.tests(fault.file, line), set(), self.seconds)
        files = sorted({test.partition("::")[0] for group in wanted for test in group})
        end, copy = time.monotonic() + LIMIT, self.copies.get()
        try:
            with planted(fault, copy.root):
                for tests in wanted + [files] * (sum(map(len, wanted)) <= FEW_TESTS):
                    outcome = copy.run(tests, max(end - time.monotonic(), 1), ["-x"])
                    if outcome.result != "passed":
                        return _told(fault, outcome)
        finally:
            self.copies.put(copy)
        return replace(fault, discarded=f"the tests that run the line pass ({sum(map(len, wanted))})")


def _told(fault: Fault, outcome: Outcome) -> Fault:
    if outcome.result == "failed":
        return replace(fault, caught_by=outcome.failed[0])
    if outcome.result == "out of time":
        return replace(fault, discarded=f"no test failed within {LIMIT} seconds")
    return replace(fault, discarded=f"pytest did not start: {outcome.told[-300:]}")


def main(argv: Sequence[str] | None = None) -> None:
    """Draw in every room, and write the record."""
    arguments = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="clarify-spark-faults-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(arguments.jobs):
            copies.put(Copy(arguments.checkout, Path(folder) / str(number)))
        tests = TestsOfLines(arguments.data, arguments.measured_at or arguments.checkout)
        parent = Parent(arguments.checkout, tests, _durations(arguments.durations), copies)
        rooms = _rooms(arguments.checkout)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            drawn = list(pool.map(lambda name: _drawn(parent, name, rooms[name], arguments), sorted(rooms)))
        check_without_faults(copies.get(), {fault.caught_by for found in drawn for fault in found if fault.caught_by})
    _write(arguments, rooms, drawn)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--measured-at", metavar="FOLDER", type=Path, help="where the data were measured, if elsewhere")
    parser.add_argument("--durations", metavar="LOG", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kept", metavar="FILE", type=Path, help="outcomes are kept here; a second call goes on there")
    return parser


def _durations(log: Path) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    phases = re.compile(r"^(\d+\.\d+)s (?:setup|call|teardown) +(tests/.+)$", re.MULTILINE)
    for duration, test in phases.findall(log.read_text(encoding="utf-8", errors="replace")):
        seconds[test] += float(duration)
    return dict(seconds)


def _rooms(checkout: Path) -> dict[str, list[Candidate]]:
    """By room, all faults that could be planted."""
    rooms: dict[str, list[Candidate]] = defaultdict(list)
    for file in sources(checkout):
        rooms[room(file)] += candidates(file, (checkout / file).read_text(encoding="utf-8"))
    return {name: found for name, found in rooms.items() if found}


def _drawn(parent: Parent, name: str, pool: list[Candidate], arguments: argparse.Namespace) -> list[Fault]:
    """Faults of a room until enough of them are caught: a kind first, then one of its places, no line twice."""
    chance, left, faults = random.Random(f"{arguments.seed} {name}"), list(pool), []
    wanted = MORE if len({(one.file, one.line) for one in pool}) >= MANY_LINES else FEW
    while left and sum(not fault.discarded for fault in faults) < wanted:
        kind = chance.choice(sorted({one.kind for one in left}))
        chosen = chance.choice([one for one in left if one.kind == kind])
        left = [one for one in left if (one.file, one.line) != (chosen.file, chosen.line)]
        source = (parent.checkout / chosen.file).read_text(encoding="utf-8")
        if not parent.tests(chosen.file, chosen.line) or not _is_python(chosen.planted(source)):
            continue
        fault = between(f"{name} {len(faults) + 1}", chosen.file, kind, source, chosen.planted(source))
        faults.append(_kept(arguments.kept, fault) or parent.tried(fault, chosen.line))
        _keep(arguments.kept, faults[-1])
    return faults


def _is_python(source: str) -> bool:
    """Two asterisks before a dictionary, for one, are no operator."""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _kept(path: Path | None, fault: Fault) -> Fault | None:
    """The outcome that an earlier call has written."""
    if path is None or not path.is_file():
        return None
    known = [Fault(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return next((replace(one, id=fault.id) for one in known if (one.old, one.new) == (fault.old, fault.new)), None)


def _keep(path: Path | None, fault: Fault) -> None:
    sys.stdout.write(
        f"{fault.id}: {fault.kind} in {fault.file}: {fault.caught_by or 'DISCARDED: ' + fault.discarded}\n"
    )
    sys.stdout.flush()
    if path is not None and not _kept(path, fault):
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(fault)) + "\n")


def _write(arguments: argparse.Namespace, rooms: dict[str, list[Candidate]], drawn: list[list[Fault]]) -> None:
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=arguments.checkout, text=True).strip()
    faults = [fault for found in drawn for fault in found]
    record = {
        "commit": commit,
        "seed": arguments.seed,
        "candidates": {name: len(rooms[name]) for name in sorted(rooms)},
        "faults": [fault.row() for fault in faults if not fault.discarded],
        "discarded": [fault.row() for fault in faults if fault.discarded],
    }
    FAULTS.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
