"""What one analysis adds to a report, from the two documents of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.report.blocks import Block, Cell, Finding, Section
from clarify_spark.udfs.dotted_names import resolved

Document = Mapping[str, Any]
Pairs = Iterable[tuple[str, Cell]]


def _as_it_is(analysis: Document, details: Document) -> Document:
    return details


def _no_verdict(_: Document) -> str | None:
    return None


def _nothing(*_: Document) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class ReportPart:
    """What a report shows about an analysis; everything is empty if the run did not request it.

    ``names``: what was computed, by keys of analysis.json. ``joined``: the details with the values in analysis.json.
    ``verdict``: the overall result of the bounds. ``findings``: the most important first; a report starts with a few of
    them, and with all of ``always``. ``analysed``: facts about what was analysed, ``columns``: blocks about the columns
    used. ``sections``: its own. ``quality``: facts about how well the run went. ``help``: blocks on how to read the
    results, ``glossary``: their terms. ``cells``: code of notebook cells that load the results.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    joined: Callable[[Document, Document], Document] = _as_it_is
    verdict: Callable[[Document], str | None] = _no_verdict
    findings: Callable[[Document], Iterable[Finding]] = _nothing
    always: Callable[[Document], Iterable[Finding]] = _nothing
    analysed: Callable[[Document], Pairs] = _nothing
    columns: Callable[[Document], Iterable[Block | None]] = _nothing
    sections: Callable[[Document, Document], Iterable[Section | None]] = _nothing
    quality: Callable[[Document], Pairs] = _nothing
    help: Callable[[Document], Iterable[Block]] = _nothing
    glossary: tuple[tuple[str, str], ...] = ()
    cells: Callable[[Document, Document], Iterable[str]] = _nothing


def parts() -> Iterator[ReportPart]:
    """The parts of all analyses, in the order of the table."""
    return (resolved(row.report) for row in ANALYSES.values() if row.report is not None)


def sources(analysis: Document, details: Document) -> list[str]:
    """The code of the notebook cells that load the results of analyses."""
    return [source for part in parts() for source in part.cells(analysis, details)]
