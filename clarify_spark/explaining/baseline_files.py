"""Baseline rows in files: records by the names of their features, or by position when there are no names."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from clarify_spark.columns import Kind
from clarify_spark.config.places import short_json
from clarify_spark.explaining.baseline_rows import BaselineRows, Features, Row, UnfitError, listed, rows_of
from clarify_spark.udfs.kinds import INFINITY, MISSING_TEXTS, NUMBER, WHOLE

#: More rows, or more bytes, are not a baseline but a data set given by mistake.
MOST_ROWS = 10_000
MOST_BYTES = 256 * 2**20
_FLOAT = re.compile(f"{NUMBER}|{INFINITY}")
_WHOLE = re.compile(WHOLE)


def rows_of_table(names: Sequence[str], records: Sequence[Sequence[Any]], features: Features) -> BaselineRows:
    """The features of records whose columns have names, in the features' order."""
    missing = [name for name in features.names if name not in names]
    if missing:
        raise UnfitError(f"there is no column {listed(missing)}; the columns are {listed(names)}")
    twice = [name for name in features.names if list(names).count(name) > 1]
    if twice:
        raise UnfitError(f"more than one column is called {listed(twice)}; rename or leave out the others")
    places = [list(names).index(name) for name in features.names]
    dropped = tuple(name for name in names if name not in features.names)
    return BaselineRows([[record[place] for place in places] for record in records], dropped)


# --- CSV ------------------------------------------------------------------------------------------------------------


def rows_of_csv(texts: Sequence[str], features: Features) -> BaselineRows:
    """The records of CSV files, with or without a header row; texts are read according to the kind of their column."""
    parts = [_csv_rows(_records(text), features) for text in texts]
    return _joined([BaselineRows([_row(cells, features) for cells in part.values], part.dropped) for part in parts])


def _records(text: str) -> list[list[str]]:
    try:
        records = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise UnfitError(f"this is not valid CSV ({error})") from error
    return [record for record in records if len(record) > 1 or (record and record[0].strip())]


def _csv_rows(records: list[list[str]], features: Features) -> BaselineRows:
    if not records:
        return BaselineRows([])
    first = [cell.strip() for cell in records[0]]
    if not _is_header(first, features):
        _refuse_header(first, features)
        return BaselineRows([list(record) for record in records])
    for number, record in enumerate(records[1:], start=1):
        if len(record) != len(first):
            raise UnfitError(f"row {number}: found {len(record)} values; allowed: {len(first)}, as the header row has")
    return rows_of_table(first, records[1:], features)


def _is_header(first: Sequence[str], features: Features) -> bool:
    """Whether more than half of the cells are names of columns of the data, or all features are among them."""
    known = {*features.names, *(name for name, _ in features.others)}
    named = sum(cell in known for cell in first)
    return 2 * named > len(first) or set(features.names) <= set(first)


def _refuse_header(first: Sequence[str], features: Features) -> None:
    """Raise UnfitError when a record has only text in the numeric columns: it is a header row."""
    numbers = [cell for cell, kind in zip(first, features.kinds, strict=False) if kind in ("integer", "float")]
    if numbers and all(isinstance(_value(cell, "float"), str) for cell in numbers):
        raise UnfitError(
            f"the first record looks like a header row with different names: {short_json(','.join(first))}; allowed: "
            f"{listed(features.names)}, or no header row and these values in this order"
        )


def _row(cells: Sequence[str], features: Features) -> Row:
    if len(cells) != len(features.kinds):
        return list(cells)  # reported with the names of the features
    return [_value(cell, kind) for cell, kind in zip(cells, features.kinds, strict=True)]


def _value(text: str, kind: Kind) -> Any:
    """What the text of a cell means in a column of this kind; the text itself when it cannot be read so."""
    if text in MISSING_TEXTS:
        return None
    if kind in ("string", "other"):
        return text
    if _WHOLE.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text.strip()


# --- JSON -----------------------------------------------------------------------------------------------------------


def rows_of_json_lines(texts: Sequence[str], features: Features) -> BaselineRows:
    """The records of JSON Lines files."""
    records: list[Any] = []
    for text in texts:
        lines = (line for line in text.split("\n") if line.strip())
        records.extend(_parsed(line, f"line {number}: ") for number, line in enumerate(lines, start=1))
    return rows_of(records, features) if records else BaselineRows([])


def rows_of_json_documents(texts: Sequence[str], features: Features) -> BaselineRows:
    """The records of JSON documents that have the structure of the data set."""
    return _joined([rows_of(_parsed(text, ""), features) for text in texts if text.strip()])


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitError(f"{where}this is not valid JSON ({error}): {short_json(text)}") from error


def _joined(parts: Sequence[BaselineRows]) -> BaselineRows:
    dropped = dict.fromkeys(name for part in parts for name in part.dropped)
    return BaselineRows([row for part in parts for row in part.values], tuple(dropped))
