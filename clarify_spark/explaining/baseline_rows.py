"""Baseline rows as a config or a file gives them: found in their JSON shapes, typed like the columns of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.columns import Kind
from clarify_spark.config.places import short_json
from clarify_spark.udfs.jmespaths import JMESPathError, Path, compile_path
from clarify_spark.udfs.kinds import BOOLEAN_TEXTS
from clarify_spark.udfs.predictors.features import typed

#: At most this many of a kind are listed in a message.
MOST_NAMED = 30
MOST_MESSAGES = 10
Row = list[Any]


class UnfitError(ValueError):
    """Rows that cannot be a baseline of the data; ``messages`` state why, one for each problem."""

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        super().__init__("\n".join(messages))


@dataclass(frozen=True)
class Features:
    """The features of a model in order with the kinds of their columns; ``others``: name and role of all other columns.

    ``path`` is the JMESPath of the features in JSON Lines (one list per line) and JSON (``whole``: a list of lists).
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    others: tuple[tuple[str, str], ...] = ()
    path: str | None = None
    whole: bool = False


@dataclass(frozen=True)
class BaselineRows:
    """Values of rows in the order of the features, and the names of accompanying columns that are not features."""

    values: list[Row]
    dropped: tuple[str, ...] = ()


def listed(names: Sequence[str]) -> str:
    """The names for a message, a long list truncated."""
    more = f", … ({len(names)} in all)" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


# --- shapes ---------------------------------------------------------------------------------------------------------


def rows_of(document: Any, features: Features) -> BaselineRows:
    """The rows in a JSON value: lists of values, the structure of the data set, or objects by names of features."""
    document = [document] if isinstance(document, dict) and not features.whole else document
    if isinstance(document, list) and not document:
        raise UnfitError("found no row; allowed: at least one row")
    if _all(list, document):
        return BaselineRows(document)
    found = _by_path(document, features)
    if found is not None:
        return BaselineRows(found)
    if _all(dict, document) and any(name in features.names for row in document for name in row):
        return _by_name(document, features)
    raise UnfitError(f"found {short_json(document)}; allowed: {_allowed(features)}")


def _all(kind: type, document: Any) -> bool:
    return isinstance(document, list) and all(isinstance(row, kind) for row in document)


def _by_path(document: Any, features: Features) -> list[Row] | None:
    """What the JMESPath of the features selects, None if it does not select a list for each row."""
    if features.path is None:
        return None
    path = compile_path(features.path)
    found = _search(path, document) if features.whole else [_search(path, record) for record in document]
    if not isinstance(found, list) or not any(isinstance(row, list) for row in found):
        return None
    said = f"the JMESPath features {features.path!r} finds"
    if features.whole and isinstance(document, list) and len(found) != len(document):
        raise UnfitError(f"{said} {len(found)} of {len(document)} rows")
    for number, row in enumerate(found, start=1):
        if not isinstance(row, list):
            raise UnfitError(f"row {number}: {said} {short_json(row)}; allowed: a list of values")
    return found


def _search(path: Path, value: Any) -> Any:
    try:
        return path(value)
    except JMESPathError:
        return None


def _by_name(rows: list[dict[str, Any]], features: Features) -> BaselineRows:
    problems = []
    for number, row in enumerate(rows, start=1):
        missing = [name for name in features.names if name not in row]
        if missing:
            problems.append(f"row {number} has no value for {listed(missing)}; allowed: a value or null per feature")
    if problems:
        raise UnfitError(*problems[:MOST_MESSAGES])
    dropped = dict.fromkeys(name for row in rows for name in row if name not in features.names)
    return BaselineRows([[row[name] for name in features.names] for row in rows], tuple(dropped))


def _allowed(features: Features) -> str:
    if features.path is None:
        return f"a list of rows, each a list of values for {listed(features.names)}"
    if features.whole:
        return f"the structure of the data set: the JMESPath features {features.path!r} must find a list of lists"
    return f"a list of objects, in each of which the JMESPath features {features.path!r} finds the list of values"


# --- values ---------------------------------------------------------------------------------------------------------


def frame_of(rows: BaselineRows, features: Features) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with the dtypes that the model gets for data of the features' kinds, and what a user should know."""
    _require_width(rows.values, features)
    columns: dict[str, list[Any]] = {}
    kinds: list[Kind] = []
    notes = list(_dropped_note(rows.dropped))
    problems: list[tuple[int, int, str]] = []
    for place, (name, kind) in enumerate(zip(features.names, features.kinds, strict=True)):
        given = [row[place] for row in rows.values]
        found = [_coerced(value, kind) for value in given]
        for number, value in enumerate(found):
            if value is _UNFIT:
                said = (
                    f"row {number + 1}, column {name!r}: found {short_json(given[number])}; allowed: {_EXPECTED[kind]}"
                )
                problems.append((number, place, said))
        kinds.append("float" if kind == "integer" and any(type(value) is float for value in found) else kind)
        columns[name] = found
        notes.extend(_remarks(name, kind, given, found))
    if problems:
        raise UnfitError(*_first([message for _, _, message in sorted(problems)]))
    objects = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    return typed(objects, features.names, kinds), tuple(notes)


def _first(messages: list[str]) -> list[str]:
    more = len(messages) - MOST_MESSAGES
    return messages if more <= 0 else [*messages[:MOST_MESSAGES], f"and {more:,} more values that do not fit"]


def _require_width(rows: list[Row], features: Features) -> None:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(features.names):
            raise UnfitError(
                f"row {number}: found {len(row)} values; allowed: {len(features.names)}, one for each feature in "
                f"this order: {listed(features.names)}{_hint(len(row), features)}"
            )


def _hint(width: int, features: Features) -> str:
    """Which columns a row of that many values seems to hold besides the features."""
    label = [(name, role) for name, role in features.others if role == "the label"]
    for besides in (features.others, label):
        if besides and width == len(features.names) + len(besides):
            named = ", ".join(f"{name!r} ({role})" for name, role in besides[:MOST_NAMED])
            return f". A baseline has only the model's features: leave out {named}"
    return ""


def _dropped_note(dropped: Sequence[str]) -> tuple[str, ...]:
    if not dropped:
        return ()
    return (f"Baseline: left out columns that are not features: {listed(dropped)}.",)


def _remarks(name: str, kind: Kind, given: Sequence[Any], found: Sequence[Any]) -> list[str]:
    """How values that are not quite of the column's kind were read."""
    if kind in ("string", "other"):
        spelt = [value for value in given if isinstance(value, int | float) and value == value]
        if spelt:
            return [f"Baseline: column {name!r} holds text, so {short_json(spelt[0])} is read as {str(spelt[0])!r}."]
    if kind == "integer":
        odd = [value for value in found if type(value) is float]
        fractions = [value for value in odd if value == value]
        if odd:
            what = short_json(fractions[0]) if fractions else "a missing value"
            return [f"Baseline: column {name!r} holds integers; {what} among them makes it float for the model."]
    return []


#: What is expected instead of a value that does not fit its column.
_UNFIT = object()
_EXPECTED: dict[Kind, str] = {
    "integer": "a number as in the data, or null for a missing value",
    "float": "a number as in the data, or null for a missing value",
    "boolean": '"True", "False", 1, 0, or null for a missing value',
    "string": "a single value, or null for a missing one",
    "other": "a single value, or null for a missing one",
}


def _coerced(value: Any, kind: Kind) -> Any:
    """The value as one of a column of this kind, NaN for a missing one, _UNFIT when it can be none."""
    if value is None or (type(value) is float and value != value):
        return np.nan
    return _READ[kind](value)


def _integer(value: Any) -> Any:
    """An integer, or the float that only a float column can hold."""
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else _UNFIT
    if type(value) is float:
        return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**63 else value
    return _UNFIT


def _float(value: Any) -> Any:
    try:
        return float(value) if type(value) in (int, float) else _UNFIT
    except OverflowError:
        return _UNFIT


def _boolean(value: Any) -> Any:
    if type(value) is bool:
        return value
    if type(value) is str:
        return value[0] in "Tt" if value in BOOLEAN_TEXTS else _UNFIT
    return bool(value) if type(value) in (int, float) and value in (0, 1) else _UNFIT


def _text(value: Any) -> Any:
    return str(value) if type(value) in (str, int, float, bool) else _UNFIT


_READ: dict[Kind, Callable[[Any], Any]] = {
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "string": _text,
    "other": _text,
}
