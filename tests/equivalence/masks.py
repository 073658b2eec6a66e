"""Masks for what differs between runs of one commit: times, names made from times, how far a killed run got."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MASK = "‹…›"
NUMBER = r"[\d.,]*\d(?:e[-+]?\d+)?"
#: In terminal lines and in notes.
TOLD = (
    # How far a job is, reported every 15 seconds.
    (re.compile(r"^.* … .*\d+ (?:s|(?:s|min) left)\n", re.M), ""),
    # How long a phase took.
    (re.compile(r"^(.+): \d+\.\d s$", re.M), rf"\1: {MASK} s"),
    # What a dry run measured.
    (re.compile(rf"{NUMBER} (µs|ms|seconds|minutes|hours|days)\b(?= a re| in the | on one|$)", re.M), f"{MASK} time"),
    # The name of a temporary endpoint ends with the time and random digits.
    (re.compile(r"-1\d{9}-[0-9a-f]{8}\b"), f"-{MASK}"),
    # How often a request was sent within --retry-seconds.
    (re.compile(r"(the last of )\d+( tries)"), rf"\1{MASK}\2"),
    # How much was finished when a run ended.
    (re.compile(r"(Resuming: )[\d,]+( of)"), rf"\1{MASK}\2"),
    (re.compile(r"[\d,]+( of [\d,]+ rows are done and kept)"), rf"{MASK}\1"),
)


def told(text: str) -> str:
    """Lines of a terminal."""
    for pattern, instead in TOLD:
        text = pattern.sub(instead, text)
    return text


def details(document: dict[str, Any]) -> dict[str, Any]:
    """analysis_details.json without times and versions; phases are keys, so their names are compared."""
    found = _notes_told(document)
    if "seconds" in found:
        found["seconds"] = dict.fromkeys(found["seconds"], MASK)
    if "finished" in found:
        found["finished"] = MASK
    found["versions"] = dict.fromkeys(found.get("versions", {}), MASK)
    return found


def _notes_told(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document))
    if "notes" in found:
        found["notes"] = [told(note) for note in found["notes"]]
    return found


def report(text: str, folder: Path) -> str:
    """A report's text, next to the analysis_details.json that it was made from."""
    facts = json.loads((folder / "analysis_details.json").read_text(encoding="utf-8"))
    for name in facts.get("seconds", {}):
        text = _after(re.escape(name), NUMBER, text)
    for name, version in facts.get("versions", {}).items():
        text = _after(rf"[^<>|\n]*{re.escape(name)}", re.escape(version), text)
    return told(text.replace(facts.get("finished", MASK), MASK))


def _after(name: str, value: str, text: str) -> str:
    """Mask what is in the cell after the one that is, or ends with, a name."""
    between = r"(?:<[^<>]*>|[\s|])+"
    cells = re.compile(rf"[>|\n]\s*{name}{between}{value}")
    last = re.compile(rf"(?:<data value=\"{NUMBER}\">)?{value}\Z")
    return cells.sub(lambda found: last.sub(MASK, found[0]), text)
