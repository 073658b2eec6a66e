"""The flip test on executors: the nearest neighbours of facet d's rows among the rows of facet a."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Rows of consecutive row keys that are classified together: neighbour searches may differ in the last bit, and so in
#: the order of tied neighbours, with the size of a batch.
BLOCK_BITS = 14
#: Rows per block that are searched for ties.
EXAMINED = 1_000
#: Fitted searches kept in one Python worker; queries come sorted by entry, so few are in use at a time.
KEPT = 4

NO_SCIKIT_LEARN = "FlipTest needs scikit-learn on the executors (pip install scikit-learn)"

#: entry, rows (or their weights) that the model calls positive and whose neighbours are negative, the reverse, tied
#: rows, rows examined for ties.
RESULT = pa.schema(
    [
        ("entry", pa.int32()),
        ("to_negative", pa.int64()),
        ("to_positive", pa.int64()),
        ("tied", pa.int64()),
        ("examined", pa.int64()),
        ("error", pa.string()),
    ]
)
#: The same for Spark, which needs its schema before the workers start.
RESULT_DDL = "entry int, to_negative bigint, to_positive bigint, tied bigint, examined bigint, error string"


@dataclass(frozen=True)
class Reference:
    """The rows of all facets a: ``features`` (R, F) and whether the model's prediction is ``positive`` (R,)."""

    features: NDArray[np.float64]
    positive: NDArray[np.bool_]


@dataclass(frozen=True)
class EntryPlan:
    """One facet entry: its facet a (``rows`` of the reference), the feature columns compared and their common type."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    dtype: str


@dataclass(frozen=True)
class FlipPlan:
    """Everything an executor needs: the reference rows once, and each entry's share of them."""

    reference: Reference
    entries: Mapping[int, EntryPlan]

    def key(self) -> str:
        """The same for equal plans, so that a worker fits each entry's search once."""
        digest = hashlib.sha256(self.reference.features.tobytes())
        digest.update(self.reference.positive.tobytes())
        for entry, plan in sorted(self.entries.items()):
            digest.update(f"{entry} {plan.dtype}".encode() + plan.rows.tobytes() + plan.columns.tobytes())
        return digest.hexdigest()


def neighbours_of(rows: int) -> int:
    """k, as Clarify chooses it: 5 when facet a has more than 9 rows, else 1."""
    return 5 if rows > 9 else 1


def classify(batches: Iterator[pa.RecordBatch], plan: FlipPlan) -> Iterator[pa.RecordBatch]:
    """One row of RESULT per entry and block of rows.

    The batches hold ``entry``, ``row_key``, ``positive`` (the model's prediction), ``x`` (F features) and, where rows
    have weights, ``weight`` in whole units; sorted by entry and row key, a block never split between two
    iterators.
    """
    key = plan.key()
    with single_thread():
        for entry, rows in blocks(batches):
            yield _result(entry, rows, plan, key)


@dataclass(frozen=True)
class FacetRows:
    """Rows of facet d: the model's predictions ``positive`` (N,), ``weight`` (N,) in units and ``features`` (N, F)."""

    positive: NDArray[np.bool_]
    weight: NDArray[np.int64]
    features: NDArray[np.float64]


def blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, FacetRows]]:
    """Each block's entry and rows, assembled from however many batches it arrived in."""
    parts: list[FacetRows] = []
    current: tuple[int, int] | None = None
    for batch in batches:
        for place, rows in _runs(batch):
            if place != current and current is not None:
                yield current[0], _joined(parts)
                parts = []
            current = place
            parts.append(rows)
    if current is not None:
        yield current[0], _joined(parts)


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[tuple[int, int], FacetRows]]:
    """The batch cut where the entry or the block changes."""
    if batch.num_rows == 0:
        return
    entry = batch.column("entry").to_numpy()
    block = batch.column("row_key").to_numpy() >> BLOCK_BITS
    positive = batch.column("positive").to_numpy(zero_copy_only=False).astype(bool)
    features = matrix(batch)
    weighted = "weight" in batch.schema.names
    weight = batch.column("weight").to_numpy() if weighted else np.ones(batch.num_rows, np.int64)
    starts = [0, *(np.flatnonzero((np.diff(entry) != 0) | (np.diff(block) != 0)) + 1).tolist(), batch.num_rows]
    for start, end in itertools.pairwise(starts):
        rows = FacetRows(positive[start:end], weight[start:end], features[start:end])
        yield (int(entry[start]), int(block[start])), rows


def matrix(batch: pa.RecordBatch) -> NDArray[np.float64]:
    """Column ``x``, a list of doubles per row, as (N, F); a missing value is NaN."""
    flat = batch.column("x").flatten().to_numpy(zero_copy_only=False)
    found: NDArray[np.float64] = np.asarray(flat, np.float64).reshape(batch.num_rows, -1)
    return found


def _joined(parts: list[FacetRows]) -> FacetRows:
    return FacetRows(
        np.concatenate([part.positive for part in parts]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.features for part in parts]),
    )


def _result(entry: int, rows: FacetRows, plan: FlipPlan, key: str) -> pa.RecordBatch:
    search = _fitted(plan, entry, key)
    if search is None:
        values: list[Any] = [entry, 0, 0, 0, 0, NO_SCIKIT_LEARN]
    else:
        columns = plan.entries[entry]
        queries = rows.features[:, columns.columns].astype(columns.dtype)
        near = search.predict(queries).astype(bool)
        examined = queries[:EXAMINED]
        lost, won = rows.positive & ~near, ~rows.positive & near
        values = [entry, int(rows.weight[lost].sum()), int(rows.weight[won].sum()), tied(search, examined)]
        values += [len(examined), None]
    arrays = [pa.array([value], field.type) for value, field in zip(values, RESULT, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RESULT)


def tied(search: Any, queries: NDArray[Any]) -> int:
    """How many queries have a k-th and a next neighbour at equal distance, so that their order decides."""
    k = int(search.n_neighbors)
    if search.n_samples_fit_ <= k:
        return 0
    distances, _ = search.kneighbors(queries, n_neighbors=k + 1)
    return int((distances[:, k - 1] == distances[:, k]).sum())


_FITTED: OrderedDict[tuple[str, int], Any] = OrderedDict()
_LOCK = threading.Lock()


def _fitted(plan: FlipPlan, entry: int, key: str) -> Any:
    """The entry's fitted search, kept for the next block of this Python worker; None without scikit-learn."""
    with _LOCK:
        found = _FITTED.get((key, entry))
        if found is None:
            found = fit(plan, entry)
            _FITTED[key, entry] = found
        _FITTED.move_to_end((key, entry))
        while len(_FITTED) > KEPT:
            _FITTED.popitem(last=False)
        return found


def fit(plan: FlipPlan, entry: int) -> Any:
    """scikit-learn's neighbours classifier with its defaults, as Clarify uses it; None where it is not installed."""
    try:
        from sklearn.neighbors import KNeighborsClassifier
    except ModuleNotFoundError:
        return None
    wanted = plan.entries[entry]
    features = plan.reference.features[np.ix_(wanted.rows, wanted.columns)].astype(wanted.dtype)
    positive = plan.reference.positive[wanted.rows].astype(np.int64)
    return KNeighborsClassifier(n_neighbors=neighbours_of(len(wanted.rows))).fit(features, positive)


def single_thread() -> AbstractContextManager[Any]:
    """One thread for the numeric libraries: Spark assumes one per task, and thread counts change the last bits."""
    try:
        limits: AbstractContextManager[Any] = importlib.import_module("threadpoolctl").threadpool_limits(limits=1)
    except ModuleNotFoundError:
        return nullcontext()
    return limits


def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Each batch as one binary value, so that a driver without Arrow transfer still collects rows quickly."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays([pa.array([sink.getvalue().to_pybytes()], pa.binary())], names=["data"])


def unpacked(values: list[bytes], schema: pa.Schema | None = None) -> pa.Table:
    """The rows that ``packed`` made, as one table."""
    tables = [pa.ipc.open_stream(value).read_all() for value in values]
    if not tables:
        return (schema or pa.schema([])).empty_table()
    return pa.concat_tables(tables)
