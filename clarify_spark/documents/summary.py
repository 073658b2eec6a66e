"""What a person reads when a run is over: the few numbers that matter."""

from __future__ import annotations

from collections.abc import Iterable

from clarify_spark.documents.section import DocumentSection
from clarify_spark.udfs.short_repr import LONGEST, short_repr

#: At most so many features of at most so many outputs are shown; the files have all.
MOST_FEATURES, MOST_OUTPUTS = 10, 5


def lines(sections: Iterable[DocumentSection]) -> list[str]:
    """The lines of all analyses, an empty one between two."""
    found = list[str]()
    for section in sections:
        found += [*([""] if found and section.lines else []), *section.lines]
    return found


def printable(text: str) -> str:
    """The text, quoted where it holds line ends or other control characters, and shortened to fit."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return short if short.isprintable() else short_repr(short)
