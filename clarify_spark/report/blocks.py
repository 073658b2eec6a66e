"""What a report is made of: sections of blocks whose texts are final, so that every format only lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict = Literal["within_bounds", "outside_bounds", "not_enough_data"]


@dataclass(frozen=True)
class Number:
    """A number as it is shown, and in full as analysis.json has it."""

    text: str
    value: float | int | str


@dataclass(frozen=True)
class Mark:
    """A verdict on bounds."""

    verdict: Verdict

    @property
    def text(self) -> str:
        """A symbol and words, so that it does not depend on colour."""
        return VERDICTS[self.verdict]


VERDICTS: dict[Verdict, str] = {
    "outside_bounds": "▲ outside bounds",
    "not_enough_data": "○ not enough data",
    "within_bounds": "● within bounds",
}
Cell: TypeAlias = str | Number | Mark


@dataclass(frozen=True)
class Paragraph:
    """Running text; ``note`` for side remarks."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Finding:
    """A finding in words, with its verdict where there are bounds."""

    text: str
    mark: Mark | None = None


@dataclass(frozen=True)
class Findings:
    """Findings, the most important first."""

    items: tuple[Finding, ...]


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and their meanings."""

    pairs: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Table:
    """A table; its first column names the row. ``folded``: collapsed until the reader opens it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart as SVG, what it shows in one sentence, and its numbers as a table."""

    caption: str
    alt: str
    svg: str
    table: Table


Block: TypeAlias = "Paragraph | Findings | Bullets | Facts | Table | Figure | Section"


@dataclass(frozen=True)
class Section:
    """A heading and what is below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A whole report; ``verdict`` summarises all bounds."""

    title: str
    verdict: str
    header: Facts
    sections: tuple[Section, ...]


def text_of(cell: Cell) -> str:
    """The cell as it is shown."""
    return cell if isinstance(cell, str) else cell.text


def section(title: str, blocks: Sequence[Block | None]) -> Section | None:
    """The section of the given blocks; None when there are none."""
    found = tuple(block for block in blocks if block is not None)
    return Section(title, found) if found else None
