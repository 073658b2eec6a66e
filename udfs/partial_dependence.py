"""Partial dependence on an executor: the model with one feature set to each value of a grid, in blocks of rows.

The partial dependence of the model f on feature j at the value g is the mean of f(x with x_j = g) over the rows x
(Friedman 2001, equation 53; scikit-learn's method "brute"). A block returns sums, never rows times grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from clarify_spark.udfs.block_results import block_results
from clarify_spark.udfs.errors import ClarifyError, ModelError, RecordError
from clarify_spark.udfs.explained import CurveSums, to_bytes
from clarify_spark.udfs.model_answer import Predict
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.outputs import ModelCalls, Outputs
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.features import typed_table
from clarify_spark.udfs.predictors.user_code import one_thread
from clarify_spark.udfs.row_keys import SOURCE_KEY, row_description
from clarify_spark.udfs.scoring import blocks
from clarify_spark.udfs.traffic import together


@dataclass(frozen=True, eq=False)
class Grid:
    """The values (G,) that a feature is set to, ``position`` among the features of the model; floats, or what the
    feature's kind has (str, bool).
    """

    position: int
    values: tuple[float | str | bool, ...]


@dataclass(frozen=True, eq=False)
class CurvePlan:
    """Everything that a block of rows needs.

    ``individual`` (m,): the sorted keys of the rows whose individual curves are kept. Rows whose keys share
    ``row_key // block_rows`` are one block, the unit of model calls, sums and results.
    """

    spec: PredictorSpec
    grids: tuple[Grid, ...]
    individual: NDArray[np.int64]
    block_rows: int


@np.errstate(over="ignore", invalid="ignore")  # of outputs near the largest float some sums are infinite
def curves_of_block(frame: pd.DataFrame, keys: NDArray[np.int64], predict: Predict, plan: CurvePlan) -> CurveSums:
    """The sums of one block: typed features of n rows, whose keys in the data set are ``keys`` (n,)."""
    ask = ModelCalls(predict, plan.spec)
    own = np.flatnonzero(np.isin(keys, plan.individual))
    sums, deviations, individual = [], [], []
    with one_thread():
        for grid in plan.grids:
            outputs = _outputs(frame, grid, ask)
            total = outputs.sum(axis=1)
            sums.append(total)
            deviations.append(((outputs - total[:, np.newaxis] / len(frame)) ** 2).sum(axis=1))
            individual.append(outputs[:, own])
    return CurveSums(
        rows=len(frame),
        sums=np.concatenate(sums),
        deviations=np.concatenate(deviations),
        individual_keys=keys[own],
        individual=np.concatenate(individual),
        records=ask.records,
        calls=ask.calls,
        traffic=ask.traffic,
    )


def _outputs(frame: pd.DataFrame, grid: Grid, ask: ModelCalls) -> Outputs:
    """The model's outputs (G, n, D) for the rows with the feature set to each value of the grid, by one call."""
    rows, points = len(frame), len(grid.values)
    name = frame.columns[grid.position]
    values = np.array(grid.values, object if isinstance(grid.values[0], str) else None)
    records = frame.iloc[np.tile(np.arange(rows), points)].reset_index(drop=True)
    records[name] = np.repeat(values, rows)
    features = records.to_numpy(np.float64) if ask.takes_matrix else records
    try:
        answered = ask(features)
    except RecordError as error:
        raise RecordError(str(error), error.position % rows) from error
    return answered.reshape(points, rows, answered.shape[1])


def blocks_at_once(spec: PredictorSpec) -> int:
    """How many blocks a task works on at once: two for an endpoint, so that requests go on while others are summed."""
    return 2 if spec.remote else 1


def curve_batches(
    batches: Iterator[pa.RecordBatch], plan: CurvePlan, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """One row per block (``block_results``), the result its CurveSums as bytes (``explained.curves_from_bytes``).

    Batches come with ``row_key`` and SOURCE_KEY (int64), sorted by the first, and the columns ``features`` in the
    order of ``spec.feature_names``; a block is never split over tasks.
    """
    predictor = cache(partial(load_predictor, plan.spec))

    def summed(table: pa.Table) -> bytes:
        return to_bytes(_summed(table, predictor(), plan, features))

    yield from block_results(summed, blocks(batches, plan.block_rows), plan.block_rows, blocks_at_once(plan.spec))


def _summed(table: pa.Table, predict: Predict, plan: CurvePlan, features: Sequence[str]) -> CurveSums:
    keys = table.column(SOURCE_KEY).to_numpy()
    try:
        return curves_of_block(typed_table(table, features, plan.spec), keys, predict, plan)
    except RecordError as error:
        raise ModelError(f"partial dependence, {row_description(int(keys[error.position]))}: {error}") from error
    except ClarifyError as error:
        raise type(error)(f"partial dependence, rows {keys[0]} to {keys[-1]}: {error}") from error


@np.errstate(over="ignore", invalid="ignore")  # of outputs near the largest float some sums are infinite
def added(left: CurveSums, right: CurveSums) -> CurveSums:
    """The sums of two runs of rows; squared deviations as Chan, Golub and LeVeque (1979) join them."""
    rows = left.rows + right.rows
    gap = right.sums / right.rows - left.sums / left.rows
    return replace(
        left,
        rows=rows,
        sums=left.sums + right.sums,
        deviations=left.deviations + right.deviations + gap**2 * (left.rows * right.rows / rows),
        individual_keys=np.concatenate([left.individual_keys, right.individual_keys]),
        individual=np.concatenate([left.individual, right.individual], axis=1),
        records=left.records + right.records,
        calls=left.calls + right.calls,
        traffic=together([left.traffic, right.traffic]),
    )
