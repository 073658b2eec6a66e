"""For a comparison in which words may change and nothing else: pairs of old and new texts, and what else differs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

#: Old and new texts.
Changed = set[tuple[str, str]]
#: A text without spaces that is not a word of a sentence: a name, a code, a hash.
CODE = re.compile(r"[\w./:@%+\-\[\]]*")
NOISE = (
    (re.compile(r"(?:file:)?/[\w./\-]{4,}"), "‹path›"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "‹hash›"),
    (re.compile(r"(?<![\w.])[-+]?\d[\d,.]*(?:e[-+]?\d+)?(?![\w])"), "‹n›"),
)


def changed_values(base: Any, head: Any, changed: Changed, path: str = "") -> Iterator[str]:
    """Differences of JSON values except texts, which go to ``changed``."""
    if isinstance(base, dict) and isinstance(head, dict):
        if list(base) != list(head):
            yield f"{path}: keys {list(base)} => {list(head)}"
        for key in base:
            if key in head:
                yield from changed_values(base[key], head[key], changed, f"{path}.{key}")
    elif isinstance(base, list) and isinstance(head, list):
        if len(base) != len(head):
            yield f"{path}: {len(base)} items => {len(head)}"
        for place, (old, new) in enumerate(zip(base, head, strict=False)):
            yield from changed_values(old, new, changed, f"{path}.{place}")
    elif type(base) is not type(head) or base != head:
        if isinstance(base, str) and isinstance(head, str) and not _codes(base, head):
            note(base, head, changed)
        else:
            yield f"{path}: {base!r} => {head!r}"


def _codes(*texts: str) -> bool:
    return all(CODE.fullmatch(text) for text in texts)


def changed_lines(base: str, head: str, changed: Changed) -> list[str]:
    """No differences: in terminal lines and reports every change is one of words, and goes to ``changed``."""
    old, new = ([line for line in text.splitlines() if line.strip()] for text in (base, head))
    for kind, first, end, its_first, its_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if kind != "equal":
            _note_block(old[first:end], new[its_first:its_end], changed)
    return []


def _note_block(base: list[str], head: list[str], changed: Changed) -> None:
    if len(base) == len(head):
        for pair in zip(base, head, strict=True):
            note(*pair, changed)
    else:
        note(" ¶ ".join(base), " ¶ ".join(head), changed)


def note(base: str, head: str, changed: Changed) -> None:
    """Remember a change without paths, hashes and numbers, which would make many changes of one."""
    old, new = (_quiet(text) for text in (base, head))
    if old != new:
        changed.add((old, new))


def _quiet(text: str) -> str:
    for pattern, instead in NOISE:
        text = pattern.sub(instead, text)
    return " ".join(text.split())
