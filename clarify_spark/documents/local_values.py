"""Local values as files: out.csv and baseline.csv as Clarify writes them, and local.parquet with all that is known."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from clarify_spark.udfs.explained import Explained

#: Rows of a part file, at least; fewer where one would hold more than MOST_VALUES values.
PART_ROWS = 16_384
MOST_VALUES = 2**22

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LocalNames:
    """Column names: those of the D outputs, of the K explained features, of the join column if any."""

    labels: tuple[str, ...]
    features: tuple[str, ...]
    join: str | None = None


def part_rows(names: LocalNames) -> int:
    """Rows of a part file, at least; a function of the number of columns alone."""
    return max(1, min(PART_ROWS, MOST_VALUES // (len(names.labels) * len(names.features))))


def parts(explained: Iterable[Explained], rows_per_part: int) -> Iterator[list[Explained]]:
    """Consecutive blocks: as many as it takes to reach ``rows_per_part`` rows; the last part has what is left."""
    taken: list[Explained] = []
    rows = 0
    for block in explained:
        taken.append(block)
        rows += len(block.row_keys)
        if rows >= rows_per_part:
            yield taken
            taken, rows = [], 0
    if taken:
        yield taken


def part_name(number: int, rows: int, rows_per_part: int, suffix: str) -> str:
    """``part-00000.csv`` and so on, wide enough for names in the order of all parts that ``rows`` rows can make."""
    most = -(-rows // rows_per_part)
    return f"part-{number:0{max(5, len(str(most - 1)))}d}.{suffix}"


# --- out.csv --------------------------------------------------------------------------------------------------------


def csv_header(names: LocalNames) -> bytes:
    """The header line: ``<feature>_<label>``, all features of the first label first; the join column last."""
    columns = [f"{feature}_{label}" for label in names.labels for feature in names.features]
    return _line([*columns, *([] if names.join is None else [names.join])])


def csv_rows(blocks: Sequence[Explained], names: LocalNames) -> bytes:
    """The lines of the blocks' rows without a header; floats in the fewest digits that read back as the same float."""
    values = np.concatenate([block.values.reshape(len(block.values), -1) for block in blocks])
    columns = [pa.array(column) for column in np.ascontiguousarray(values.T)]
    table = pa.Table.from_arrays(columns, names=[str(number) for number in range(len(columns))])
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink, pa.csv.WriteOptions(include_header=False))
    found = sink.getvalue().to_pybytes()
    return found if names.join is None else _joined(found, blocks)


def csv_part(blocks: Sequence[Explained], names: LocalNames) -> bytes:
    """A part file of out.csv: header and rows."""
    return csv_header(names) + csv_rows(blocks, names)


def _joined(lines: bytes, blocks: Sequence[Explained]) -> bytes:
    """The lines, each with the join column's value at its end."""
    texts = [text for block in blocks for text in block.join or (None,) * len(block.row_keys)]
    pairs = zip(lines.decode("ascii").splitlines(), texts, strict=True)
    return "".join([f"{line},{_cell(text)}\n" for line, text in pairs]).encode("utf-8")


_SPECIAL = re.compile(r'[",\r\n]|^\s|\s$|^$')


def _cell(text: str | None) -> str:
    """The text as a CSV cell: quoted where necessary, including an empty text, to differ from no text."""
    if text is None:
        return ""
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if _SPECIAL.search(text) else text


def _line(cells: Sequence[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().encode("utf-8")


def baseline_csv(rows: pd.DataFrame) -> bytes:
    """The baseline rows (B, M) below a line with the names of the features; nothing where a value is missing."""
    return rows.to_csv(index=False, lineterminator="\n").encode("utf-8")


# --- local.parquet --------------------------------------------------------------------------------------------------


def parquet_part(blocks: Sequence[Explained], names: LocalNames) -> bytes:
    """A part file of local.parquet: per row its key, its join value and, for every output, prediction, base, values in
    the order of the schema's ``features``, standard errors (null when not requested) and residual.
    """
    columns: dict[str, pa.Array] = {"row_key": pa.array(np.concatenate([block.row_keys for block in blocks]))}
    if names.join is not None:
        texts = [text for block in blocks for text in block.join or (None,) * len(block.row_keys)]
        columns["join"] = pa.array(texts, pa.string())
    for output, label in enumerate(names.labels):
        columns |= _output_columns(blocks, output, label)
    metadata = {"features": json.dumps(names.features, ensure_ascii=False)}
    if names.join is not None:
        metadata["join"] = names.join
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    # Values hardly repeat: a dictionary of them costs time and space.
    pa.parquet.write_table(table, sink, use_dictionary=False)
    return bytes(sink.getvalue())


def _output_columns(blocks: Sequence[Explained], output: int, label: str) -> dict[str, pa.Array]:
    return {
        f"prediction_{label}": pa.array(np.concatenate([block.prediction[:, output] for block in blocks])),
        f"base_{label}": pa.array(np.concatenate([block.base[:, output] for block in blocks])),
        f"values_{label}": _lists([block.values[:, output] for block in blocks]),
        f"standard_errors_{label}": _errors(blocks, output),
        f"residual_{label}": pa.array(np.concatenate([block.residual[:, output] for block in blocks])),
    }


def _errors(blocks: Sequence[Explained], output: int) -> pa.Array:
    found = [block.errors[:, output] for block in blocks if block.errors is not None]
    if len(found) < len(blocks):
        return pa.nulls(sum(len(block.row_keys) for block in blocks), pa.list_(pa.float64()))
    return _lists(found)


def _lists(rows: Sequence[Floats]) -> pa.Array:
    """A column of lists, one per row of the arrays (n, K)."""
    values = np.concatenate(rows)
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values.ravel()))
