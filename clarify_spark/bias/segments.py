"""The segments of a ``segment_config``: which rows each selects, as values or as intervals of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from clarify_spark.bias.predicates import NUMERIC, convert
from clarify_spark.bias.sections import CountTable
from clarify_spark.columns import Kind, Scalar
from clarify_spark.errors import ConfigError, Problem

#: The segment of all rows that are in no other.
DEFAULT = "__default__"
#: Segments of one segmentation: those of a row travel as the bits of one integer.
MAX_SEGMENTS = 62
_NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf|infinity)"
_INTERVAL = re.compile(rf"\s*([\[(])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([\])])\s*", re.IGNORECASE)


class SegmentConfig(Protocol):
    """The part of a segmentation's config that is read here."""

    @property
    def segments(self) -> Sequence[Sequence[str | int]]: ...

    @property
    def config_name(self) -> str | None: ...

    @property
    def display_aliases(self) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``; each end is included or not."""

    low: float
    high: float
    low_included: bool
    high_included: bool


@dataclass(frozen=True)
class Segment:
    """Rows whose value is any of ``values`` (typed like the column) or in any of ``spans``."""

    name: str
    values: tuple[Scalar, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Segmentation:
    """A named split of the data by one column. Segments may overlap; ``rest`` names that of all other rows."""

    name: str
    column: str
    segments: tuple[Segment, ...]
    rest: str

    @property
    def names(self) -> tuple[str, ...]:
        """The segments' names, the rest last."""
        return (*(segment.name for segment in self.segments), self.rest)


@dataclass(frozen=True)
class SegmentCounts:
    """What the bias metrics of one segment need: its rows, and the counts of every entry of every facet role."""

    rows: int
    facets: CountTable


def segmentation(config: SegmentConfig, column: str, kind: Kind, path: str) -> Segmentation:
    """The segments of a column of that kind; ``path``: where the config has them. Raises ConfigError."""
    if len(config.segments) > MAX_SEGMENTS:
        message = f"{len(config.segments)} segments; allowed are {MAX_SEGMENTS} of one column"
        raise ConfigError([Problem(f"{path}.segments", message)])
    aliases = tuple(config.display_aliases or ())
    problems: list[Problem] = []
    found = []
    for k, members in enumerate(config.segments):
        name = aliases[k] if k < len(aliases) else ", ".join(str(member) for member in members)
        found.append(_segment(name, members, column, kind, f"{path}.segments[{k}]", problems))
    if problems:
        raise ConfigError(problems)
    rest = aliases[len(found)] if len(aliases) > len(found) else DEFAULT
    return Segmentation(config.config_name or column, column, tuple(found), rest)


def _segment(
    name: str, members: Sequence[str | int], column: str, kind: Kind, path: str, problems: list[Problem]
) -> Segment:
    values: list[Scalar] = []
    spans: list[Span] = []
    for i, member in enumerate(members):
        span = _span(member) if kind in NUMERIC else None
        value = convert(kind, member) if span is None else None
        if span is not None:
            spans.append(span)
        elif value is not None:
            values.append(value)
        else:
            wanted = 'a number or an interval such as "[1, 4]" or "(-inf, 0)"' if kind in NUMERIC else "a value"
            message = f"found {member!r}; allowed for column {column!r} ({kind}) is {wanted}"
            problems.append(Problem(f"{path}[{i}]", message))
    return Segment(name, tuple(dict.fromkeys(values)), tuple(spans))


def _span(member: str | int) -> Span | None:
    """The interval that a text spells, None when it spells none or an empty one."""
    match = _INTERVAL.fullmatch(member) if isinstance(member, str) else None
    if match is None:
        return None
    low, high = float(match[2]), float(match[3])
    span = Span(low, high, match[1] == "[", match[4] == "]")
    empty = low > high or (low == high and not (span.low_included and span.high_included))
    return None if empty or math.isnan(low) else span
