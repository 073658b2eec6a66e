"""How long a model takes, from a few records: the basis for the time estimate of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa

from clarify_spark.udfs.errors import ModelError, RecordError, blaming
from clarify_spark.udfs.model_answer import Predict, matrix_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.features import typed_table
from clarify_spark.udfs.row_keys import row_description

#: An in-process model gets its few records repeatedly, in one call of this many: it costs nothing.
IN_PROCESS_RECORDS = 2048
#: The columns as Spark's types.
SCHEMA = "records bigint, per_request double, per_record double"


def timed_batches(
    batches: Iterator[pa.RecordBatch], spec: PredictorSpec, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """One row: how many records were sent, the fixed seconds of a request, and the seconds of each record in it."""
    received = [batch for batch in batches if batch.num_rows]
    if received:
        rows = pa.Table.from_batches(received)
        frame = typed_table(rows, features, spec)
        try:
            found = (_over_the_network if spec.remote else _in_process)(frame, load_predictor(spec))
        except RecordError as error:
            raise ModelError(f"{row_description(rows.column('row_key')[error.position].as_py())}: {error}") from error
        yield pa.RecordBatch.from_pydict({name: [value] for name, value in found.items()})


def _over_the_network(frame: pd.DataFrame, predict: Predict) -> dict[str, float]:
    """From one request with one record and one with the others."""
    first = _seconds(predict, frame.iloc[:1])
    rest = frame.iloc[1:]
    with blaming(lambda position: position + 1):
        each = max(0.0, (_seconds(predict, rest) - first) / max(1, len(rest) - 1)) if len(rest) else 0.0
    return {"records": len(frame), "per_request": max(0.0, first - each), "per_record": each}


def _in_process(frame: pd.DataFrame, predict: Predict) -> dict[str, float]:
    """From one large call, after a small one that triggers lazy loading."""
    _seconds(predict, frame)
    many = pd.concat([frame] * (IN_PROCESS_RECORDS // len(frame) + 1), ignore_index=True)
    matrix = matrix_of(predict)
    if matrix is None:
        seconds = _seconds(predict, many)
    else:
        cells = many.to_numpy(dtype="float64").copy(order="F")
        start = time.perf_counter()
        matrix(cells)
        seconds = time.perf_counter() - start
    return {"records": 0, "per_request": 0.0, "per_record": seconds / len(many)}


def _seconds(predict: Predict, frame: pd.DataFrame) -> float:
    start = time.perf_counter()
    predict(frame)
    return time.perf_counter() - start
