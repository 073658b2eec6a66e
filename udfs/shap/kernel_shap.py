"""Kernel SHAP on an executor: blocks of rows by the engine of the plan, and the probe that plans are made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from queue import SimpleQueue

import numpy as np
import pandas as pd
import pyarrow as pa

from clarify_spark.udfs.block_results import block_results
from clarify_spark.udfs.errors import ClarifyError, ModelError, RecordError
from clarify_spark.udfs.explained import Explained, Probe, to_bytes
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.outputs import Link, ModelCalls, link, outputs_of
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.features import typed_table
from clarify_spark.udfs.predictors.user_code import one_thread
from clarify_spark.udfs.row_keys import block_description, row_description
from clarify_spark.udfs.scoring import blocks
from clarify_spark.udfs.shap.coalition_values import coalition_values
from clarify_spark.udfs.shap.masking import Buffer, encoded
from clarify_spark.udfs.shap.shap_plan import Background, ShapPlan, ShapSettings
from clarify_spark.udfs.shap.shapley import design

__all__ = [
    "Background", "Explained", "Link", "Probe", "ShapPlan", "ShapSettings",
    "explain_batches", "explain_block", "link", "outputs_of", "probe", "probe_batches", "probe_records",
]  # fmt: skip


def explained_at_once(spec: PredictorSpec) -> int:
    """How many blocks a task explains at once: two for an endpoint, so that requests continue during solving."""
    return 2 if spec.remote else 1


@np.errstate(over="ignore", invalid="ignore")  # of outputs near the largest float some sums are infinite
def explain_block(frame: pd.DataFrame, predict: Predict, plan: ShapPlan, buffer: Buffer | None = None) -> Explained:
    """The Shapley values of the rows of a typed frame, which are one block; ``buffer`` is reusable memory."""
    with one_thread():
        return plan.engine.code.explain_block(frame, predict, plan, buffer or Buffer())


def explain_batches(
    batches: Iterator[pa.RecordBatch], plan: ShapPlan, features: Sequence[str], join: str | None
) -> Iterator[pa.RecordBatch]:
    """One row per block (``block_results``), the result its Explained as bytes (``explained.from_bytes``).

    Batches come with ``row_key`` (int64), sorted by it, the columns ``features`` in the order of
    ``spec.feature_names`` and optionally the column ``join``; a block is never split over tasks.
    """
    at_once = explained_at_once(plan.settings.spec)
    buffers: SimpleQueue[Buffer] = SimpleQueue()
    for _ in range(at_once):
        buffers.put(Buffer())
    predictor = cache(partial(load_predictor, plan.settings.spec))

    def explained(table: pa.Table) -> bytes:
        buffer = buffers.get()
        try:
            return _explained_bytes(table, predictor(), plan, features, join, buffer)
        finally:
            buffers.put(buffer)

    # Threads that each limit BLAS would undo each other's limits; within this one theirs have no effect.
    with one_thread():
        yield from block_results(explained, blocks(batches, plan.block_rows), plan.block_rows, at_once)


def _explained_bytes(
    table: pa.Table, predict: Predict, plan: ShapPlan, features: Sequence[str], join: str | None, buffer: Buffer
) -> bytes:
    keys = table.column("row_key").to_numpy()
    place = block_description(int(keys[0]) // plan.block_rows, int(keys[0]), int(keys[-1]))
    try:
        explained = explain_block(typed_table(table, features, plan.settings.spec), predict, plan, buffer)
    except RecordError as error:
        raise ModelError(f"{place}: a record made of {row_description(int(keys[error.position]))}: {error}") from error
    except ClarifyError as error:
        raise type(error)(f"{place}: {error}") from error
    joined = None if join is None else tuple(table.column(join).cast(pa.string()).to_pylist())
    return to_bytes(replace(explained, row_keys=keys, join=joined))


def probe_batches(
    batches: Iterator[pa.RecordBatch], settings: ShapSettings, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """One row with the Probe of all pilot rows as bytes (``explained.probe_from_bytes``); none without pilot rows."""
    received = [batch for batch in batches if batch.num_rows]
    if received:
        table = pa.Table.from_batches(received)
        keys = table.column("row_key").to_numpy()
        try:
            found = probe(typed_table(table, features, settings.spec), load_predictor(settings.spec), settings)
        except RecordError as error:
            raise ModelError(f"a record made of {row_description(int(keys[error.position]))}: {error}") from error
        yield pa.RecordBatch.from_pydict({"result": pa.array([to_bytes(found)], pa.binary())})


@np.errstate(over="ignore", invalid="ignore")  # of outputs near the largest float some sums are infinite
def probe(frame: pd.DataFrame, predict: Predict, settings: ShapSettings) -> Probe:
    """The model's outputs for the background and, with the design of the job, for pilot rows, which are typed.

    When all coalitions are enumerated there is nothing to learn from a pilot: one row is evaluated, to time the calls.
    """
    ask = ModelCalls(predict, settings.spec, link=settings.link)
    coalitions = design(len(settings.players), settings.samples, settings.seed)
    with one_thread():
        values = coalition_values(frame, settings, ask, Buffer())
        background = values.background()
        totals = values.everything() - values.nothing(link(settings.background.weights @ background, settings.link))
        values = values if not coalitions.exact else coalition_values(frame.iloc[:1], settings, ask, Buffer())
        differences = values.differences(coalitions.members).transpose(1, 0, 2)
    return Probe(
        outputs=background.shape[1],
        background=background,
        differences=differences[: 0 if coalitions.exact else len(frame)],
        totals=totals[: 0 if coalitions.exact else len(frame)],
        pair_sizes=encoded(frame, settings.background.rows, ask.takes_matrix).differing(settings.players).sum(axis=0),
        seconds=ask.seconds,
        records=ask.records,
        calls=ask.calls,
        traffic=ask.traffic,
    )


def probe_records(settings: ShapSettings, rows: int) -> int:
    """How many records ``probe`` sends to the model for that many pilot rows."""
    enumerated = settings.samples >= 2 ** len(settings.players) - 2
    return (1 if enumerated else rows) * settings.masked_records + rows + len(settings.background.weights)
