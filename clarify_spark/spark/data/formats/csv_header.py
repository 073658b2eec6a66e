"""Is the first record of a CSV file a header? Decided from a few lines on the driver, and always reported."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clarify_spark.errors import DataError
from clarify_spark.spark.data.formats.column_names import require_unique
from clarify_spark.spark.data.formats.suggestions import short_repr
from clarify_spark.udfs import kinds

_NUMBER = re.compile(f"{kinds.NUMBER}|{kinds.INFINITY}")
MISMATCH = "Headers in config do not match with the number of columns in the dataset."


@dataclass(frozen=True)
class Header:
    """The columns' names, whether every file starts with them, and the sentence for the log."""

    names: tuple[str, ...]
    in_files: bool
    note: str


def parse_csv(text: str) -> list[list[str]]:
    """The records of some CSV text without blank lines, as far as they can be read."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(text.splitlines(keepends=True)):
            if record and (len(record) > 1 or record[0].strip()):
                records.append(record)
    except csv.Error:  # a field beyond the csv module's limit: what came before is enough
        return records
    return records


def find_header(
    records: Sequence[Sequence[str]], headers: Sequence[str] | None, wanted: Collection[str], uri: str
) -> Header:
    """The header of a data set whose first file starts with ``records``; the config uses the names ``wanted``."""
    first = [cell.strip() for cell in records[0]]
    return _detected(first, records, wanted, uri) if headers is None else _given(first, records, headers, uri)


def header_warnings(records: Sequence[Sequence[str]]) -> str:
    """What looks wrong about the first records, to follow the note on the header; empty when nothing does."""
    found = ""
    if all(len(record) == 1 for record in records):
        for name, mark in (("semicolons", ";"), ("tabs", "\t"), ("vertical bars", "|")):
            if all(mark in record[0] for record in records):
                found += f" There are {name} and no commas: if they separate columns, write the file with commas."
    if any("\ufffd" in cell for cell in records[0]):
        found += " Its first record has bytes that are not UTF-8: convert the file to UTF-8."
    return found


def _given(first: list[str], records: Sequence[Sequence[str]], headers: Sequence[str], uri: str) -> Header:
    require_unique(headers, "headers")
    width, _ = Counter(len(record) for record in records).most_common(1)[0]
    if width != len(headers):
        raise DataError(
            f"{MISMATCH} headers names {len(headers)} columns, the records of {uri} have {width}; "
            f"it starts with {short_repr(','.join(records[0]))}."
        )
    if first == [name.strip() for name in headers]:
        return Header(
            tuple(headers), True, f"{uri}: the first record equals the config's headers and is read as the header row."
        )
    if _textual_over_numbers(first, records[1:]):
        theirs, ours = next((a, b) for a, b in zip(first, headers, strict=True) if a != b.strip())
        raise DataError(
            f"{uri}: the first record looks like a header row but differs from headers: "
            f"it says {short_repr(theirs)} where headers says {short_repr(ours)}. "
            "Make them equal, or leave headers out."
        )
    return Header(tuple(headers), False, f"{uri}: no header row; column names are the config's headers.")


def _detected(first: list[str], records: Sequence[Sequence[str]], wanted: Collection[str], uri: str) -> Header:
    if wanted and set(wanted) <= set(first):
        reason = "it has the column names that the config uses"
    elif _textual_over_numbers(first, records[1:]):
        reason = "it is text above columns of numbers"
    else:
        names = tuple(f"column_{index}" for index in range(len(first)))
        return Header(
            names,
            False,
            f"{uri}: no headers in the config and no header row found; columns are called column_0, column_1, …",
        )
    names = tuple(name or f"Unnamed: {index}" for index, name in enumerate(first))
    require_unique(names, f"{uri}: header row")
    return Header(names, True, f"{uri}: the first record is read as the header row ({reason}).")


def _textual_over_numbers(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """True when no field of the first record is a number or empty and some column below has nothing but numbers."""
    named = [cell for index, cell in enumerate(first) if cell or index > 0]
    if any(cell in kinds.MISSING_TEXTS or _NUMBER.match(cell) for cell in named):
        return False
    return any(_all_numbers([record[index] for record in others if index < len(record)]) for index in range(len(first)))


def _all_numbers(cells: Sequence[str]) -> bool:
    present = [cell for cell in cells if cell not in kinds.MISSING_TEXTS]
    return bool(present) and all(_NUMBER.match(cell) for cell in present)
