"""Reads what was measured: how many lines and branches of each file ran, and which tests ran a line."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import coverage
from coverage.parser import PythonParser
from coverage_table import Counted

#: The context of pytest's own process is "outside tests|<test>", that of a command "<test> (call)".
TEST = re.compile(r"^(?:outside tests\|)?(tests/.+?)(?: \((?:setup|call|teardown)\))?$")


def combined(raw: Path, into: Path) -> Path:
    """The union of all data files of a folder, which stay as they are."""
    into.parent.mkdir(parents=True, exist_ok=True)
    into.unlink(missing_ok=True)
    union = coverage.Coverage(data_file=str(into), config_file=False, branch=True)
    union.combine(data_paths=[str(path) for path in sorted(raw.glob("coverage.*"))], strict=True, keep=True)
    union.save()
    return into


def reported(database: Path, contexts: Sequence[str] | None = None) -> dict[str, dict]:
    """By the absolute path of each file, coverage's own report on it (``coverage json``)."""
    measured = coverage.Coverage(data_file=str(database), config_file=False, branch=True)
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(written), contexts=contexts)
        files = json.loads(written.read_bytes())["files"]
    return {str(Path.cwd() / name): report for name, report in files.items()}


def counted(reports: dict[str, dict], root: Path) -> dict[str, Counted]:
    """The numbers of each file, by its path in the repository."""
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    return {
        str(Path(path).relative_to(root)): Counted(*(report["summary"][name] for name in names))
        for path, report in sorted(reports.items())
    }


def missing(reports: dict[str, dict], root: Path) -> dict[str, list[int]]:
    """The lines of each file that did not run, by its path in the repository."""
    return {str(Path(path).relative_to(root)): report["missing_lines"] for path, report in reports.items()}


class TestsOfLines:
    """Which tests ran a line of a checkout, in pytest's process or in a command that they started."""

    def __init__(self, database: Path, root: Path):
        self._database = database
        self._root = root

    def __call__(self, file: str, line: int) -> set[str]:
        """The names of the tests that ran the statement that a line is in."""
        first = self._first_line(file)
        return {test for test, run in self._rows(file) if first(run) == first(line)}

    def _first_line(self, file: str) -> Callable[[int], int]:
        parser = PythonParser(text=(self._root / file).read_text(encoding="utf-8"))
        parser.parse_source()
        return functools.cache(parser.first_line)

    @functools.cache  # noqa: B019 (one for a whole run)
    def _rows(self, file: str) -> set[tuple[str, int]]:
        """Every test that ran something of a file, with each line."""
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as data:
            rows = data.execute(
                "select distinct context.context, tono from arc join context on context.id = arc.context_id"
                " join file on file.id = arc.file_id where file.path = ? and tono > 0",
                (str(self._root / file),),
            )
            return {(match[1], line) for context, line in rows if (match := TEST.match(context))}
