"""What executors return about the rows of a block: plain arrays sent as Arrow IPC, never as pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clarify_spark.udfs.traffic import Traffic

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Explained:
    """SHAP values of one block: n rows, D outputs of the model, K explained features.

    ``prediction`` v(N) and ``base`` v(∅) (n, D) and ``values`` (n, D, K) are in units of the link; ``errors`` (n, D, K)
    are standard errors, None when not requested; ``residual`` (n, D) = prediction - base - sum of values. ``records``
    is the number of records sent to the model in ``calls`` calls, ``duplicates`` how many were not sent because
    they repeat others; ``traffic`` is the network traffic for it. ``row_keys`` (n,) count from 0, and ``join`` is
    None, until a batch gives them.
    """

    row_keys: NDArray[np.int64]
    join: tuple[str | None, ...] | None
    prediction: Floats
    base: Floats
    values: Floats
    errors: Floats | None
    residual: Floats
    records: int
    calls: int
    duplicates: int
    traffic: Traffic | None = None


@dataclass(frozen=True, eq=False)
class Probe:
    """The results of the first model calls of a job: B background rows, r pilot rows, P pairs of coalitions, D outputs.

    ``background`` (B, D) are raw outputs; ``differences`` (r, P, D) and ``totals`` (r, D) are in units of the link,
    without rows when all coalitions are enumerated; ``pair_sizes`` (r, B) counts the explained features in which a
    pilot row and a background row differ. ``seconds`` is the time of the ``calls`` model calls for ``records`` records.
    """

    outputs: int
    background: Floats
    differences: Floats
    totals: Floats
    pair_sizes: NDArray[np.int64]
    seconds: float
    records: int
    calls: int
    traffic: Traffic | None = None


@dataclass(frozen=True, eq=False)
class CurveSums:
    """Partial dependence of some rows: P points of all grids one after the other, D outputs of the model.

    ``sums`` (P, D) of the outputs over the ``rows``; ``deviations`` (P, D): sums of their squared deviations from the
    mean; ``individual`` (P, m, D): the outputs of the rows ``individual_keys`` (m,). The others as in Explained.
    """

    rows: int
    sums: Floats
    deviations: Floats
    individual_keys: NDArray[np.int64]
    individual: Floats
    records: int
    calls: int
    traffic: Traffic | None = None


def to_bytes(result: Explained | Probe | CurveSums) -> bytes:
    """The result as an Arrow IPC stream: one row, each array a list column with its shape in the schema."""
    fields, columns = [], []
    numbers: dict[str, Any] = {}
    for name, value in vars(result).items():
        if isinstance(value, int | float):
            numbers[name] = value
        elif isinstance(value, Traffic):
            numbers[name] = vars(value)
        elif value is not None:
            column, shape = _column(value)
            fields.append(pa.field(name, column.type, metadata={"shape": json.dumps(shape)}))
            columns.append(column)
    schema = pa.schema(fields, metadata={"numbers": json.dumps(numbers)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return bytes(sink.getvalue())


def from_bytes(data: bytes) -> Explained:
    """The Explained that ``to_bytes`` wrote."""
    return Explained(**{"join": None, "errors": None, **_unpacked(data)})


def curves_from_bytes(data: bytes) -> CurveSums:
    """The CurveSums that ``to_bytes`` wrote."""
    return CurveSums(**_unpacked(data))


def probe_from_bytes(data: bytes) -> Probe:
    """The Probe that ``to_bytes`` wrote."""
    return Probe(**_unpacked(data))


def _column(value: Any) -> tuple[Any, list[int]]:
    """A list column of one row that holds all cells, and their original shape."""
    texts = isinstance(value, tuple)
    cells = pa.array(value, pa.large_string()) if texts else pa.array(np.ascontiguousarray(value).ravel())
    shape = [len(value)] if texts else list(value.shape)
    return pa.LargeListArray.from_arrays(pa.array([0, len(cells)], pa.int64()), cells), shape


def _unpacked(data: bytes) -> dict[str, Any]:
    with pa.ipc.open_stream(data) as reader:
        table = reader.read_all()
    found: dict[str, Any] = json.loads(table.schema.metadata[b"numbers"])
    if "traffic" in found:
        found["traffic"] = Traffic(**found["traffic"])
    for field in table.schema:
        cells = table.column(field.name).chunk(0).flatten()
        shape = json.loads(field.metadata[b"shape"])
        texts = pa.types.is_large_string(cells.type)
        # Cells of a table are views of the received bytes: a copy is writable and outlives them.
        found[field.name] = tuple(cells.to_pylist()) if texts else cells.to_numpy().reshape(shape).copy()
    return found
