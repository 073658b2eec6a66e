"""The planted faults of `faults.json`, found by their text, so that they can be planted where a line has moved to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

FAULTS = Path(__file__).with_name("faults.json")


class GoneError(Exception):
    """The text of a fault is no longer in its file, or is there more than once."""


@dataclass(frozen=True)
class Fault:
    """One change of the source; and a test that fails with it, or why it was discarded."""

    id: str
    file: str
    kind: str
    old: str
    new: str
    caught_by: str = ""
    discarded: str = ""

    def row(self) -> dict[str, str]:
        """The fault in the file, without what is empty."""
        return {name: text for name, text in asdict(self).items() if text}

    def planted(self, source: str) -> str:
        """The file's text with the fault."""
        if source.count(self.old) != 1:
            found = "no longer" if self.old not in source else "more than once"
            raise GoneError(
                f"{self.id}: the text of this fault is {found} in {self.file}; port it to the code that does the same "
                f"now (edit file, old and new in tests/detection/faults.json, and keep what is wrong):\n{self.old}"
            )
        return source.replace(self.old, self.new)

    def planted_in(self, checkout: Path) -> str:
        """The text with the fault of the file of a checkout."""
        path = checkout / self.file
        return self.planted(path.read_text(encoding="utf-8") if path.is_file() else "")

    def line_in(self, checkout: Path) -> int:
        """The first line of a checkout that the fault changes."""
        changed = self.planted_in(checkout).splitlines()
        lines = (checkout / self.file).read_text(encoding="utf-8").splitlines()
        return next(number for number, pair in enumerate(zip(lines, changed, strict=False), 1) if pair[0] != pair[1])


def read() -> list[Fault]:
    """All faults that the tests catch at the commit they were drawn from."""
    return [Fault(**row) for row in json.loads(FAULTS.read_text(encoding="utf-8"))["faults"]]


def between(fault_id: str, file: str, kind: str, source: str, changed: str) -> Fault:
    """The fault that turns one text into another: its whole lines, and as many around them as make them unique."""
    old, new = source.splitlines(keepends=True), changed.splitlines(keepends=True)
    first = next(i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1])
    last = next(i for i, pair in enumerate(zip(reversed(old), reversed(new), strict=False)) if pair[0] != pair[1])
    last = min(last, len(old) - first - 1, len(new) - first - 1)
    while source.count(text := "".join(old[first : len(old) - last])) > 1:
        first, last = max(first - 1, 0), max(last - 1, 0)
    return Fault(fault_id, file, kind, text, "".join(new[first : len(new) - last]))


@contextmanager
def planted(fault: Fault, checkout: Path) -> Iterator[None]:
    """A checkout with the fault, and without it afterwards; Python compiles the file anew both times."""
    path = checkout / fault.file
    before = path.read_text(encoding="utf-8")
    _write(path, fault.planted(before))
    try:
        yield
    finally:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
