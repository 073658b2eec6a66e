"""Predicted labels for a stream of rows, in blocks that do not depend on how the data is partitioned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from clarify_spark.udfs.block_results import block_results
from clarify_spark.udfs.errors import ModelError, RecordError
from clarify_spark.udfs.model_answer import Answer, Labels, Predict, Scores, labels_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.features import typed_table
from clarify_spark.udfs.row_keys import row_description
from clarify_spark.udfs.traffic import Traffic

#: Rows whose keys share ``row_key // BLOCK_ROWS`` go to the model in one call: many models change the last bits of
#: their scores with the batch size, so the batch must not depend on partitions.
BLOCK_ROWS = 4096
#: Names, and the position among them (n,) of the label of each record.
_Chosen: TypeAlias = tuple[tuple[Any, ...], NDArray[np.int64]]
_KINDS = {bool: "boolean", int: "integer", float: "float", str: "string"}


@dataclass(frozen=True)
class Predictions:
    """The label of each of n records as a position (n,) in ``names``, -1 where the model gave no number, and the score
    behind each (n,), NaN where none.
    """

    names: tuple[Any, ...]
    positions: NDArray[np.int64]
    scores: Scores
    traffic: Traffic | None = None

    @property
    def labels(self) -> Labels:
        """The labels (n,) themselves, None for a missing one."""
        return labels_of([*self.names, None]).take(self.positions)


@dataclass(frozen=True, eq=False)
class Scored:
    """The predictions of one block as they are sent and stored: row_key, label_text, label_kind, score."""

    table: pa.Table
    traffic: Traffic

    @property
    def records(self) -> int:
        """How many records were sent to the model."""
        return int(self.table.num_rows)

    def to_bytes(self) -> bytes:
        """An Arrow IPC stream, compressed, with the traffic in its schema."""
        table = self.table.replace_schema_metadata({"traffic": json.dumps(vars(self.traffic))})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, data: bytes) -> Scored:
        """What ``to_bytes`` wrote."""
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        return cls(table, Traffic(**json.loads(table.schema.metadata[b"traffic"])))


def predicted_labels(features: pd.DataFrame, predict: Predict, spec: PredictorSpec) -> Labels:
    """The predicted label (n,) of each row of typed features."""
    return resolved_labels(predict(features), spec).labels


def resolved_labels(answer: Answer, spec: PredictorSpec) -> Predictions:
    """The labels that an answer means.

    Labels in the answer are kept; numbers among them become 0/1 when a threshold but no score is configured.
    One score: above the threshold (default 0.5) 1, else 0, or the two classes that the model names. Several scores:
    the header of the largest, of equal ones the first. The reported score is that one, or the largest.
    """
    scores = answer.scores
    highest = scores.max(axis=1) if scores is not None else np.full(answer.records, np.nan)
    if answer.labels is not None:
        names, positions = _settled_labels(answer, answer.labels, spec)
    elif scores is None:
        raise ModelError("the model gave neither labels nor scores")
    elif scores.shape[1] == 1:
        threshold = 0.5 if spec.probability_threshold is None else spec.probability_threshold
        names, positions = _above(highest, threshold, answer.classes or (0, 1))
    else:
        names, positions = _largest(scores, _headers(answer, scores.shape[1], spec))
    return Predictions(names, positions, highest, answer.traffic)


def _settled_labels(answer: Answer, labels: Labels, spec: PredictorSpec) -> _Chosen:
    plain = labels_of([_plain(label) for label in labels])
    thresholded = spec.probability_threshold is not None and spec.probability is None and answer.label_is == "number"
    numbers = all(label is None or type(label) in (int, float) for label in plain)
    if not (thresholded and numbers):
        missing = np.array([label is None for label in plain], bool)
        return tuple(plain), np.where(missing, -1, np.arange(len(plain)))
    return _above(plain.astype(np.float64), float(spec.probability_threshold or 0.0), (0, 1))


def _above(scores: Scores, threshold: float, classes: tuple[Any, ...]) -> _Chosen:
    chosen = np.where(np.isnan(scores), -1, scores > threshold)
    return (_plain(classes[0]), _plain(classes[1])), chosen.astype(np.int64)


def _largest(scores: Scores, headers: tuple[Any, ...]) -> _Chosen:
    best = np.where(np.isnan(scores).any(axis=1), -1, scores.argmax(axis=1))
    return tuple(_plain(header) for header in headers), best.astype(np.int64)


def _headers(answer: Answer, columns: int, spec: PredictorSpec) -> tuple[Any, ...]:
    headers = spec.label_headers or answer.classes
    if headers is None:
        raise ModelError(
            f"the model gives {columns} scores per record; "
            "predictor.label_headers must name the classes, or predictor.label state where the predicted label is"
        )
    if len(headers) != columns:
        raise ModelError(f"predictor.label_headers has {len(headers)} names, but the model gives {columns} scores")
    return tuple(headers)


def score_batches(
    batches: Iterator[pa.RecordBatch], spec: PredictorSpec, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The same rows with ``label_text``, ``label_kind`` and ``score`` after the other columns, block by block.

    Batches come with ``row_key`` (int64), sorted by it, and the columns ``features`` in the order of
    ``spec.feature_names``; a block is never split over tasks.
    """
    predict: Predict | None = None
    for block in blocks(batches):
        predict = predict or load_predictor(spec)
        for name, column in _prediction_columns(_predictions(block, predict, spec, features)).items():
            block = block.append_column(name, column)
        yield from block.combine_chunks().to_batches()


def blocks_at_once(spec: PredictorSpec) -> int:
    """How many blocks of predictions a task works on at once: for an endpoint as many as requests in flight."""
    return spec.calling.in_flight if spec.remote else 1


def scored_blocks(
    batches: Iterator[pa.RecordBatch], spec: PredictorSpec, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """One row per block (``block_results``), the result its Scored as bytes; batches come as in ``score_batches``."""
    predictor = cache(partial(load_predictor, spec))

    def scored(block: pa.Table) -> bytes:
        predictions = _predictions(block, predictor(), spec, features)
        table = pa.table({"row_key": block.column("row_key"), **_prediction_columns(predictions)})
        return Scored(table, predictions.traffic or Traffic()).to_bytes()

    yield from block_results(scored, blocks(batches), BLOCK_ROWS, blocks_at_once(spec))


def unpacked(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows (row_key, label_text, label_kind, score) of Scored blocks in a column ``result``."""
    for batch in batches:
        for result in batch.column("result").to_pylist():
            yield from Scored.from_bytes(result).table.combine_chunks().to_batches()


def _predictions(block: pa.Table, predict: Predict, spec: PredictorSpec, features: Sequence[str]) -> Predictions:
    """The predictions for the rows of a block."""
    frame = typed_table(block, features, spec)
    try:
        return resolved_labels(predict(frame), spec)
    except RecordError as error:
        key = block.column("row_key")[error.position].as_py()
        raise ModelError(f"{row_description(key)}: {error}") from error


def blocks(batches: Iterator[pa.RecordBatch], rows: int = BLOCK_ROWS) -> Iterator[pa.Table]:
    """The same rows, regrouped so that each table holds all rows of one block of ``rows`` consecutive keys."""
    waiting: list[pa.RecordBatch] = []
    number = -1
    for batch in batches:
        numbers = batch.column("row_key").to_numpy() // rows
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist()] if batch.num_rows else []
        for start, stop in zip(starts, [*starts[1:], batch.num_rows], strict=False):
            if waiting and numbers[start] != number:
                yield pa.Table.from_batches(waiting)
                waiting = []
            number = int(numbers[start])
            waiting.append(batch.slice(start, stop - start))
    if waiting:
        yield pa.Table.from_batches(waiting)


def _prediction_columns(predictions: Predictions) -> dict[str, pa.Array]:
    """The columns that scoring adds; labels are sent as text and kind, since only the model knows their type."""
    places = pa.array(predictions.positions, mask=predictions.positions < 0)
    texts = [_text(name) for name in predictions.names]
    kinds = [None if name is None else _KINDS[type(name)] for name in predictions.names]
    return {
        "label_text": pa.array(texts, pa.string()).take(places),
        "label_kind": pa.array(kinds, pa.string()).take(places),
        "score": pa.array(predictions.scores, pa.float64(), from_pandas=True),
    }


def _text(label: Any) -> str | None:
    """The label as Spark casts it back: true and false in lower case, floats in full."""
    return str(label).lower() if isinstance(label, bool) else None if label is None else str(label)


def _plain(label: Any) -> Any:
    """The label as int, float, bool or str; None for a missing one."""
    value = label.item() if isinstance(label, np.generic) else label
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if type(value) not in _KINDS:
        raise ModelError(
            f"a predicted label is a {type(value).__name__} ({str(value)[:80]!r}); "
            "numbers, text and booleans are allowed"
        )
    return value
