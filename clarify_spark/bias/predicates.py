"""Which rows a config's values or threshold select: Clarify's type rule, its intervals, its conversions of values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clarify_spark.columns import ColumnProfile, Kind, Scalar

ColumnType = Literal["categorical", "continuous"]

#: From this share of distinct values among the non-null ones on, a column of integers is continuous.
UNIQUENESS_THRESHOLD = 0.05
#: The integers that a column of integers can hold.
INT64 = range(-(2**63), 2**63)
NUMERIC: frozenset[Kind] = frozenset({"integer", "float", "boolean"})


@dataclass(frozen=True)
class Predicate:
    """The rows of ``column`` that an entry selects.

    A row belongs when it equals any of ``values`` (typed like the column), or when low < x ≤ high for the ``interval``
    (low, high), text columns read as integers. With ``values`` () and no interval no row belongs. ``text`` is what
    Clarify writes for it.
    """

    column: str
    values: tuple[Scalar, ...] | None
    interval: tuple[float, float] | None
    text: str


def column_type(profile: ColumnProfile, values: Sequence[Scalar], override: str | None) -> ColumnType:
    """Whether a role column is categorical or continuous: the config's declaration, else Clarify's rule."""
    if override == "categorical" or (override is None and len(values) > 1):
        return "categorical"
    if override == "continuous" or profile.kind == "float":
        return "continuous"
    if profile.kind == "integer" or (profile.kind == "string" and profile.all_integers and not profile.nulls):
        return "continuous" if uniqueness(profile) >= UNIQUENESS_THRESHOLD else "categorical"
    return "categorical"


def uniqueness(profile: ColumnProfile) -> float:
    """The share of distinct values among the non-null ones; 0 without any."""
    present = profile.rows - profile.nulls
    return (profile.distinct or 0) / present if present else 0.0


def is_numeric(profile: ColumnProfile) -> bool:
    """Whether the column's values can be ordered on an axis: numbers, or text that spells integers."""
    return profile.kind in NUMERIC or (profile.kind == "string" and profile.all_integers is True)


def threshold_of(value: Scalar) -> int | float | None:
    """The number that a configured threshold denotes, None if it denotes none; text becomes a float, as in Clarify."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return None if math.isnan(number) else number
    return value if isinstance(value, float) else _whole_or_float(int(value))


def _whole_or_float(value: int) -> int | float:
    """The value, as a float (an infinite one at worst) where no 64-bit integer holds it."""
    if value in INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def above(column: str, threshold: int | float, maximum: int | float | None) -> Predicate:
    """The rows above a threshold, up to the column's maximum.

    As in Clarify, nothing is selected when the threshold equals the maximum's absolute value, and a threshold above the
    maximum gives the interval (maximum, threshold], which holds no row.
    """
    if maximum is None or abs(maximum) == threshold:
        return Predicate(column, (), None, "")
    low, high = sorted((threshold, maximum))
    if isinstance(low, float) or isinstance(high, float):
        low, high = float(low), float(high)
    return Predicate(column, None, (low, high), f"({low}, {high}]")


def equal_to(column: str, kind: Kind, values: Sequence[Scalar]) -> Predicate:
    """The rows that equal any of the configured values."""
    matched = tuple(dict.fromkeys(typed for _, typed in comparable(kind, values) if typed is not None))
    return Predicate(column, matched, None, ",".join(str(value) for value in values))


def entry_of(column: str, value: Scalar | None) -> Predicate:
    """The rows of one distinct value of a facet without configured values; missing (None) equals no row."""
    if value is None:
        return Predicate(column, (), None, "nan")
    return Predicate(column, (value,), None, str(value))


def comparable(kind: Kind, values: Sequence[Scalar]) -> tuple[tuple[Scalar, Scalar | None], ...]:
    """(configured value, the column's value it denotes) of every value used; None: it can equal no value.

    Values of the column's own kind are used; only if there are none, all are converted: ``"0"`` for a column of
    integers, ``1`` for text or booleans. True is 1, and False is 0, in columns of numbers.
    """
    own = tuple(value for value in values if _is_own_sort(kind, value))
    return tuple((value, convert(kind, value)) for value in own or values)


def convert(kind: Kind, value: Scalar) -> Scalar | None:
    """The value of a column's kind that a configured value denotes, None when there is none."""
    if kind == "boolean":
        return _boolean(value)
    if kind in NUMERIC:
        return _number(kind, value)
    return str(value)


def _is_own_sort(kind: Kind, value: Scalar) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    return (kind not in NUMERIC) == isinstance(value, str)


def _boolean(value: Scalar) -> bool | None:
    return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(str(value).lower())


def _number(kind: Kind, value: Scalar) -> int | float | None:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            found = _boolean(value) if threshold_of(value) is None else threshold_of(value)
            if found is None:
                return None
            value = found
    number = value if isinstance(value, float) else _whole_or_float(int(value))
    if kind == "float":
        return float(number)
    return int(number) if math.isfinite(number) and int(number) in INT64 and number == int(number) else None
