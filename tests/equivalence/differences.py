"""What differs between the folders that a case has left on two sides, in lines for a person."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import masks
from cases import Case
from words import Changed, changed_lines, changed_values

#: Models are zip files that hold the time.
NOT_READ = ("*.skops",)
MOST_LINES, LONGEST = 24, 300


@dataclass(frozen=True)
class Rules:
    """Whether texts may differ, and the paths of keys that only HEAD may have."""

    words: bool = False
    added: tuple[str, ...] = ()


def differences_of(case: Case, base: Path, head: Path, rules: Rules, changed: Changed) -> list[str]:
    """Of all files of a case; with ``words`` rules texts go to ``changed`` instead."""
    names = [_names(folder) for folder in (base, head)]
    lines = [f"- {name}: only in BASE" for name in sorted(names[0] - names[1])]
    lines += [f"+ {name}: only in HEAD" for name in sorted(names[1] - names[0])]
    for name in sorted(names[0] & names[1]):
        lines += _of_file(base / name, head / name, name, rules, changed)
    return lines


def _names(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {f"{path.relative_to(folder)}" for path in paths}


def _of_file(base: Path, head: Path, name: str, rules: Rules, changed: Changed) -> list[str]:
    if base.read_bytes() == head.read_bytes() or any(base.match(pattern) for pattern in NOT_READ):
        return []
    reads = READ | READ_FOR_WORDS if rules.words else READ
    read = next((read for pattern, read in reads.items() if base.match(pattern)), None)
    if read is None:
        return [f"{name}: other bytes", *_diff(_lines(base), _lines(head))]
    old, new = read(base), read(head)
    if base.name == "analysis_details.json":
        new = without_added(old, new, rules.added)
    if rules.words:
        texts = isinstance(old, str) and isinstance(new, str)
        found = changed_lines(old, new, changed) if texts else changed_values(old, new, changed)
        return [f"{name}: {line}" for line in found]
    lines = list(_diff(_shown(old), _shown(new)))
    return [name, *lines] if lines else []


def _lines(path: Path) -> list[str]:
    """A file's text, if it is one."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return [f"{path.stat().st_size} bytes"]


def _shown(value: Any) -> list[str]:
    return (value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)).splitlines()


def _diff(base: list[str], head: list[str]) -> Iterator[str]:
    lines = list(difflib.unified_diff(base, head, "BASE", "HEAD", n=1, lineterm=""))[2:]
    yield from (line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"… {len(lines) - MOST_LINES} more lines"


# Files


def _terminal(path: Path) -> str:
    return masks.told(path.read_text(encoding="utf-8"))


def _said(path: Path) -> Any:
    """What was written to a terminal: a JSON document, or lines."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return _terminal(path)


def _document(path: Path) -> Any:
    """A JSON file, and whether it is laid out in the usual way."""
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    document = masks.details(document) if path.name == "analysis_details.json" else document
    return {"document": document, "usual_layout": json.dumps(json.loads(text), indent=2, ensure_ascii=False) in text}


def _html(path: Path) -> str:
    text = masks.report(path.read_text(encoding="utf-8"), path.parent)
    return re.sub(r"(<[^<>]*>)", r"\n\1\n", text)


def _notebook(path: Path) -> str:
    """All lines of its cells without the backslashes of Markdown, and everything else as JSON."""
    document = json.loads(path.read_text(encoding="utf-8"))
    sources = ["".join(cell.pop("source")) for cell in document["cells"]]
    plain = re.sub(r"\\(?=[^A-Za-z0-9\s])", "", "\n".join(sources))
    return f"{masks.report(plain, path.parent)}\n{json.dumps(document, indent=1)}"


def _pdf(path: Path) -> str:
    """Its text, as far as something here can read it."""
    try:
        from pypdf import PdfReader
    except ModuleNotFoundError:
        return ""
    text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    return masks.report(text.replace("\u200b", ""), path.parent)


READ: dict[str, Callable[[Path], Any]] = {
    "*.out": _terminal,
    "*.err": _terminal,
    "analysis_details.json": _document,
    "report.html": _html,
    "report.ipynb": _notebook,
    "report.pdf": _pdf,
}
READ_FOR_WORDS: dict[str, Callable[[Path], Any]] = {"*.out": _said, "*.json": _document} | {
    "analysis_details.json": _document
}


# Keys that may be there


def without_added(base: Any, head: Any, added: tuple[str, ...], path: tuple[str, ...] = ("",)) -> Any:
    """HEAD's value without keys of those paths that BASE does not have; ``*`` is any key or position."""
    if isinstance(base, dict) and isinstance(head, dict):
        kept = {key: value for key, value in head.items() if key in base or not _matches((*path, key), added)}
        return {key: without_added(base.get(key), value, added, (*path, key)) for key, value in kept.items()}
    if isinstance(base, list) and isinstance(head, list) and len(base) == len(head):
        pairs = enumerate(zip(base, head, strict=True))
        return [without_added(old, new, added, (*path, str(place))) for place, (old, new) in pairs]
    return head


def _matches(path: tuple[str, ...], added: tuple[str, ...]) -> bool:
    """Whether a path, whose first two words are of the file and not of the document, is one of those."""
    found = path[2:]
    wanted = (one.split(".") for one in added)
    return any(
        len(one) == len(found) and all(word in ("*", key) for word, key in zip(one, found, strict=True))
        for one in wanted
    )
