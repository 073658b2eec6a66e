"""JSON records on an executor: from bytes to columns of text, along with the kinds of the values.

JSON types settle a column's kind exactly, so every value leaves here as text, and each batch reports the OR of the kind
bits per column (``clarify_spark.udfs.kinds``) once, in its first row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa

from clarify_spark.udfs import kinds
from clarify_spark.udfs.jmespaths import JMESPathError, Path, compile_path
from clarify_spark.udfs.short_repr import short_repr

ROWS_PER_BATCH = 10_000
#: The position of a document that cannot be read at all; records count from 0.
WHOLE_DOCUMENT = -1
_BIGGEST = 2**63 - 1
_SCALARS = frozenset((str, int, float, bool, type(None)))

Row = list[Any]


class MalformedError(ValueError):
    """Why one record cannot be read."""


@dataclass(frozen=True)
class RecordSpec:
    """Where the values of a record are (JMESPaths) and how many features there are (negative: not known yet)."""

    features: str
    label: str | None
    predicted_label: str | None
    width: int

    @property
    def labels(self) -> int:
        """How many columns follow the features: label and predicted label."""
        return (self.label is not None) + (self.predicted_label is not None)

    @property
    def columns(self) -> int:
        """The number of columns: features, then label, then predicted label."""
        return self.width + self.labels


@dataclass(frozen=True)
class _Paths:
    features: Path
    others: tuple[Path, ...]


@lru_cache(maxsize=32)
def _paths(features: str, label: str | None, predicted_label: str | None) -> _Paths:
    others = [compile_path(text) for text in (label, predicted_label) if text is not None]
    return _Paths(compile_path(features), tuple(others))


def parse_lines(batches: Iterable[pa.RecordBatch], spec: RecordSpec) -> Iterator[pa.RecordBatch]:
    """Columns of text from JSON Lines: batches of (value: bytes, _file, _block, _mid) in, one row per line out."""
    read = line_reader(spec)
    for batch in batches:
        rows: list[Row | None] = []
        problems: list[str | None] = []
        for line in batch.column(0).to_pylist():
            row, problem = _attempt(read, line)
            rows.append(row)
            problems.append(problem)
        yield _columns(rows, problems, spec, [batch.column(index) for index in (1, 2, 3)])


def parse_documents(batches: Iterable[pa.RecordBatch], spec: RecordSpec) -> Iterator[pa.RecordBatch]:
    """Columns of text from JSON documents: batches of (value: bytes, _file) in, one row per record out."""
    for batch in batches:
        for content, file in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            try:
                records = document_records(content, spec)
            except ValueError as error:
                yield _columns([None], [_broken(error)], spec, _places(file, WHOLE_DOCUMENT, 1))
                continue
            for start in range(0, len(records), ROWS_PER_BATCH):
                rows: list[Row | None] = []
                problems: list[str | None] = []
                for record in records[start : start + ROWS_PER_BATCH]:
                    row, problem = _attempt(lambda values: _checked(values, spec), record)
                    rows.append(row)
                    problems.append(problem)
                yield _columns(rows, problems, spec, _places(file, start, len(rows)))


def document_widths(batches: Iterable[pa.RecordBatch], spec: RecordSpec) -> Iterator[pa.RecordBatch]:
    """The number of features of the first records of each document, from batches of (value: bytes)."""
    for batch in batches:
        for content in batch.column(0).to_pylist():
            try:
                records = document_records(content, spec)[:100]
            except ValueError:
                continue  # reported when the document is read
            widths = [len(record[0]) for record in records if type(record[0]) is list]
            yield pa.RecordBatch.from_arrays([pa.array(widths, pa.int32())], ["width"])


def line_widths(lines: Iterable[bytes], spec: RecordSpec) -> list[int]:
    """The number of features of each line that can be read."""
    read = line_reader(spec)
    rows = (_attempt(read, line)[0] for line in lines)
    return [len(row) - spec.labels for row in rows if row is not None]


def line_reader(spec: RecordSpec) -> Callable[[bytes], Row | None]:
    """The function from a line to its values, None for a blank line; raises ValueError on a malformed record."""
    paths = _paths(spec.features, spec.label, spec.predicted_label)

    def read(line: bytes) -> Row | None:
        if not line or line.isspace():
            return None
        record = json.loads(line.decode("utf-8"))
        return _checked((paths.features(record), *[path(record) for path in paths.others]), spec)

    return read


def document_records(content: bytes, spec: RecordSpec) -> list[tuple[Any, ...]]:
    """The (features, label, predicted label) of each record; raises ValueError on a malformed document."""
    paths = _paths(spec.features, spec.label, spec.predicted_label)
    document = _load(content.decode("utf-8-sig"))
    found = [path(document) for path in (paths.features, *paths.others)]
    names = [f"features {spec.features!r}"]
    names += [f"label {spec.label!r}"] if spec.label is not None else []
    names += [f"predicted_label {spec.predicted_label!r}"] if spec.predicted_label is not None else []
    for name, values in zip(names, found, strict=True):
        if not isinstance(values, list):
            what = "finds nothing" if values is None else f"gives {short_repr(values)}; expected a list"
            raise MalformedError(f"{_missing_features(name)}the JMESPath {name} {what}")
        if len(values) != len(found[0]):
            raise MalformedError(
                f"the JMESPath {names[0]} finds {len(found[0])} records and {name} finds {len(values)}"
            )
    return list(zip(*found, strict=True))


def _missing_features(name: str) -> str:
    return "Data must contain features. " if name.startswith("features") else ""


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise MalformedError("JSON is nested too deeply") from error


def _attempt(read: Callable[[Any], Row | None], record: Any) -> tuple[Row | None, str | None]:
    """A record's values and None, or None and what is wrong with it; the empty text denotes a blank line."""
    try:
        row = read(record)
    except (ValueError, RecursionError, JMESPathError) as error:
        return None, _complaint(error, record)
    return row, ("" if row is None else None)


def _complaint(error: Exception, record: Any) -> str:
    text = record.decode("utf-8", "replace") if isinstance(record, bytes) else record
    return f"{_reason(error)}: {short_repr(text)}"


def _broken(error: Exception) -> str:
    return f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, MalformedError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg}, character {error.pos + 1})"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "JSON is nested too deeply"
    return f"the JMESPath fails ({error})" if isinstance(error, JMESPathError) else f"not JSON ({error})"


def _checked(values: Sequence[Any], spec: RecordSpec) -> Row:
    features, *others = values
    if type(features) is not list:
        if features is None:
            raise MalformedError(
                f"Data must contain features. The JMESPath {spec.features!r} finds nothing in the record"
            )
        raise MalformedError(
            f"the JMESPath {spec.features!r} gives {short_repr(features)}; expected a list of features"
        )
    if spec.width >= 0 and len(features) != spec.width:
        raise MalformedError(f"{len(features)} features, {spec.width} expected")
    return features + others


def _columns(
    rows: list[Row | None], problems: list[str | None], spec: RecordSpec, places: Sequence[pa.Array]
) -> pa.RecordBatch:
    """The output batch: a column of text per value, the problem, the kind bits of the batch, file, block and id."""
    _refuse_nested(rows, problems)
    good = [row for row in rows if row is not None]
    blank: Row = [None] * spec.columns
    columns = list(zip(*good, strict=True)) if good else [()] * spec.columns
    bits = ",".join(str(kind_bits(column)) for column in columns) if good else None
    if len(good) < len(rows):
        columns = list(zip(*(blank if row is None else row for row in rows), strict=True)) or [()] * spec.columns
    arrays = [_text_array(column) for column in columns]
    marks = [bits] + [None] * (len(rows) - 1) if rows else []
    arrays += [pa.array(problems, pa.string()), pa.array(marks, pa.string()), *places]
    names = [*(f"c{index}" for index in range(spec.columns)), "_problem", "_bits", "_file", "_block", "_mid"]
    return pa.RecordBatch.from_arrays(arrays, names)


def _places(file: int, start: int, count: int) -> list[pa.Array]:
    return [
        pa.array([file] * count, pa.int32()),
        pa.array([0] * count, pa.int64()),
        pa.array(range(start, start + count), pa.int64()),
    ]


def _refuse_nested(rows: list[Row | None], problems: list[str | None]) -> None:
    """Turn rows that have a list or an object for a value into malformed ones."""
    kinds_found: set[type] = set()
    for row in rows:
        if row is not None:
            kinds_found.update(map(type, row))
    if kinds_found <= _SCALARS:
        return
    for index, row in enumerate(rows):
        nested = [value for value in row or () if type(value) not in _SCALARS]
        if nested:
            rows[index] = None
            problems[index] = f"a single value is needed where the record has {short_repr(nested[0])}"


def kind_bits(column: Sequence[Any]) -> int:
    """The OR of the kind bits of a column's values."""
    found = set(map(type, column))
    bits = 0
    if type(None) in found:
        bits |= kinds.MISSING
    if str in found:
        bits |= kinds.TEXT
    if bool in found:
        bits |= kinds.BOOLEAN
    if float in found:
        floats = [value for value in column if type(value) is float]
        missing = sum(value != value for value in floats)
        bits |= (kinds.MISSING if missing else 0) | (kinds.FLOAT if missing < len(floats) else 0)
    if int in found:
        whole = column if found == {int} else [value for value in column if type(value) is int]
        fits = min(whole) >= -_BIGGEST - 1 and max(whole) <= _BIGGEST
        bits |= kinds.INTEGER if fits else kinds.BIG | kinds.INTEGER
    return bits


def _text_array(column: Sequence[Any]) -> pa.Array:
    found = set(map(type, column))
    texts: Iterable[str | None]
    if found <= {str, type(None)}:
        texts = column
    elif found == {int}:
        texts = map(str, column)
    else:
        texts = map(_text, column)
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can represent and UTF-8 cannot
        return pa.array([None if text is None else _repaired(text) for text in map(_text, column)], pa.string())


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    return None if value != value else repr(value)


def _repaired(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
