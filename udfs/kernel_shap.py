"""Kernel SHAP on an executor: one shared design of coalitions, one matrix product per block of rows.

For a row x and a coalition S, v(S) is the link of the weighted mean over the background of the model with the features
in S taken from x and the others from the background row. Shapley values follow from v(S) - v(N∖S) of pairs of
complementary coalitions and from v(N) - v(∅) (``shapley.Solver``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ClarifyError
from clarify_spark.udfs.explained import Explained, Probe, to_bytes
from clarify_spark.udfs.masking import Buffer, Encoded, absent, encoded, mask_pairs
from clarify_spark.udfs.outputs import ModelCalls, Outputs, link, outputs_of
from clarify_spark.udfs.predictors import load_predictor
from clarify_spark.udfs.predictors.answer import Predict
from clarify_spark.udfs.predictors.features import typed
from clarify_spark.udfs.scoring import blocks
from clarify_spark.udfs.shap_plan import Background, Engine, Link, ShapPlan, ShapSettings

__all__ = [
    "Background", "Engine", "Explained", "Link", "Probe", "ShapPlan", "ShapSettings",
    "explain_batches", "explain_block", "link", "outputs_of", "probe_batches",
]  # fmt: skip
#: A chunk of masked records should stay in the processor's cache until the model has read it.
CHUNK_BYTES = 2 * 2**20
#: Below this many records the cost of a call outweighs the cache.
CHUNK_RECORDS = 2048
_FEW_PAIRS = 64


@dataclass(frozen=True)
class Chunks:
    """Pairs of coalitions, rows and background rows of one model call: 2 * pairs * rows * backs records."""

    pairs: int
    rows: int
    backs: int


def chunks(pairs: int, backs: int, limit: int) -> Chunks:
    """The largest chunk of at most ``limit`` records: whole rows, or some pairs of a row, or fewer background rows."""
    half = max(1, limit // 2)
    if pairs * backs <= half:
        return Chunks(pairs, half // (pairs * backs) if pairs else 1, backs)
    if backs * min(_FEW_PAIRS, pairs) <= half:
        calls = -(-pairs * backs // half)
        return Chunks(-(-pairs // calls), 1, backs)
    together = min(_FEW_PAIRS, pairs, half)
    return Chunks(together, 1, max(1, min(backs, half // together)))


def explain_block(frame: pd.DataFrame, predict: Predict, plan: ShapPlan) -> Explained:
    """The Shapley values of the rows of a typed frame, which are one block."""
    if plan.engine == "pairwise":
        from clarify_spark.udfs.pair_games import explain_pairs

        return explain_pairs(frame, predict, plan)
    settings = plan.settings
    ask = ModelCalls(predict, settings, plan.outputs)
    block = _block(frame, settings, ask)
    prediction = link(_own(block, ask), settings.link)
    base = _base(block, settings, ask, plan.expected)
    differences = _differences(block, settings, plan.game.design.members, ask)
    totals = prediction - base
    values, errors = _solved(plan, differences, totals)
    return Explained(
        row_keys=np.arange(len(frame)),
        join=None,
        prediction=prediction,
        base=base,
        values=values,
        errors=errors if settings.standard_errors else None,
        residual=totals - values.sum(axis=2),
        records=ask.records,
        calls=ask.calls,
        duplicates=ask.duplicates,
    )


def _solved(plan: ShapPlan, differences: Outputs, totals: Outputs) -> tuple[Outputs, Outputs]:
    """Values and errors (n, D, K) from differences (P, n, D) and totals (n, D), by one matrix product."""
    rows, outputs = totals.shape
    solved = plan.game.solver.solve(differences.reshape(len(differences), rows * outputs), totals.ravel())
    values, errors = (np.ascontiguousarray(part.T).reshape(rows, outputs, -1) for part in solved)
    return values, errors


def _block(frame: pd.DataFrame, settings: ShapSettings, ask: ModelCalls) -> Encoded:
    return encoded(frame, settings.background.rows, ask.matrix is not None)


def _own(block: Encoded, ask: ModelCalls) -> Outputs:
    """The model's outputs (n, D) for the rows as they are."""
    return ask(block.features(block.rows.copy()))


def _base(block: Encoded, settings: ShapSettings, ask: ModelCalls, expected: Outputs | None) -> Outputs:
    """v(∅) (n, D) in units of the link: the same for all rows when every feature plays, else of each row."""
    rows = block.rows.shape[1]
    if settings.everyone_plays:
        if expected is None:
            raise ValueError("v(∅) of all features is due")
        return np.tile(expected, (rows, 1))
    backs = block.background.shape[1]
    step = max(1, _limit(block, settings) // backs)
    playing = _playing(settings)[:, np.newaxis, np.newaxis]
    means = []
    for start in range(0, rows, step):
        own = block.rows[:, start : start + step, np.newaxis]
        cells = own ^ (playing & (own ^ block.background[:, np.newaxis]))
        outputs = ask(block.features(cells.reshape(len(cells), -1)))
        means.append(_mean(outputs.reshape(-1, backs, outputs.shape[1]), settings.background.weights))
    return link(np.concatenate(means), settings.link)


def _differences(block: Encoded, settings: ShapSettings, members: NDArray[np.bool_], ask: ModelCalls) -> Outputs:
    """v(S) - v(N∖S) in units of the link for each pair of coalitions and each row: (P, n, D)."""
    rows, backs = block.rows.shape[1], block.background.shape[1]
    if not len(members):
        return np.empty((0, rows, ask.outputs or 1))
    size = chunks(len(members), backs, _limit(block, settings))
    buffer = Buffer()
    found: list[list[Outputs]] = []
    for pairs in _slices(len(members), size.pairs):
        lacking = absent(members[pairs], settings.players, len(block.columns))
        found.append([_chunk(block, own, lacking, buffer, size, settings, ask) for own in _slices(rows, size.rows)])
    return np.concatenate([np.concatenate(parts, axis=1) for parts in found])


def _chunk(  # type: ignore[no-untyped-def]
    block, own, lacking, buffer, size, settings, ask
):
    count = own.stop - own.start
    pairs = lacking.shape[1]
    mean = 0.0
    for backs in _slices(block.background.shape[1], size.backs):
        shape = (2, count, backs.stop - backs.start, pairs)
        words = buffer.words(len(block.columns), int(np.prod(shape)))
        mask_pairs(
            words.reshape(-1, *shape), block.rows[:, own], block.background[:, backs], lacking, _playing(settings)
        )
        outputs = ask(block.features(words))
        weights = settings.background.weights[backs]
        mean = mean + np.einsum("srbpd,b->srpd", outputs.reshape(*shape, outputs.shape[1]), weights)
    values = link(mean, settings.link)
    return (values[0] - values[1]).transpose(1, 0, 2)


def _mean(outputs: Outputs, weights: Outputs) -> Outputs:
    return np.einsum("nbd,b->nd", outputs, weights)


def _playing(settings: ShapSettings) -> NDArray[np.uint64]:
    words = np.zeros(len(settings.spec.feature_names), dtype=np.uint64)
    words[list(settings.players)] = ~np.uint64(0)
    return words


def _limit(block: Encoded, settings: ShapSettings) -> int:
    """How many masked records go into one model call."""
    wished = max(CHUNK_BYTES // block.record_bytes, CHUNK_RECORDS)
    return max(2, min(wished, settings.buffer_bytes // block.record_bytes))


def _slices(length: int, step: int) -> list[slice]:
    edges = [*range(0, length, max(1, step)), length]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def explain_batches(
    batches: Iterator[pa.RecordBatch], plan: ShapPlan, features: Sequence[str], join: str | None
) -> Iterator[pa.RecordBatch]:
    """One row per block: its number, how many rows it has, and its Explained as bytes (``explained.from_bytes``).

    Batches come with ``row_key`` (int64), sorted by it, the columns ``features`` in the order of
    ``spec.feature_names`` and maybe the column ``join``; a block is never split over tasks.
    """
    predict: Predict | None = None
    for table in blocks(batches, plan.block_rows):
        keys = table.column("row_key").to_numpy()
        number = int(keys[0]) // plan.block_rows
        try:
            predict = predict or load_predictor(plan.settings.spec)
            explained = explain_block(_typed(table, plan.settings, features), predict, plan)
        except ClarifyError as error:
            raise type(error)(f"block {number} (rows {keys[0]} to {keys[-1]}): {error}") from error
        joined = None if join is None else tuple(table.column(join).cast(pa.string()).to_pylist())
        yield _row(
            {"block": number, "rows": len(keys), "result": to_bytes(replace(explained, row_keys=keys, join=joined))}
        )


def _typed(table: pa.Table, settings: ShapSettings, features: Sequence[str]) -> pd.DataFrame:
    spec = settings.spec
    return typed(table.select(list(features)).to_pandas(), spec.feature_names, spec.feature_kinds)


def _row(values: dict[str, int | bytes]) -> pa.RecordBatch:
    kinds = {"block": pa.int64(), "rows": pa.int64(), "result": pa.binary()}
    return pa.RecordBatch.from_arrays(
        [pa.array([value], kinds[name]) for name, value in values.items()], names=list(values)
    )


def probe_batches(
    batches: Iterator[pa.RecordBatch], settings: ShapSettings, features: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """One row with the Probe of the pilot rows as bytes (``explained.probe_from_bytes``)."""
    table = pa.Table.from_batches(list(batches))
    predict = load_predictor(settings.spec)
    yield _row({"result": to_bytes(probe(_typed(table, settings, features), predict, settings))})


def probe(frame: pd.DataFrame, predict: Predict, settings: ShapSettings) -> Probe:
    """What the model says about the background and about pilot rows, typed, under the design of the job."""
    from clarify_spark.udfs.shapley import design

    ask = ModelCalls(predict, settings)
    block = _block(frame, settings, ask)
    backs = block.features(block.background.copy())
    background = ask(backs)
    coalitions = design(len(settings.players), settings.samples, settings.seed)
    expected = link(settings.background.weights @ background, settings.link)
    totals = link(_own(block, ask), settings.link) - _base(block, settings, ask, expected)
    differences = _differences(block, settings, coalitions.members, ask).transpose(1, 0, 2)
    kept = 0 if coalitions.exact else len(frame)
    return Probe(
        outputs=background.shape[1],
        background=background,
        differences=differences[:kept],
        totals=totals[:kept],
        pair_sizes=block.differing(settings.players).sum(axis=0),
        seconds=ask.seconds,
        records=ask.records,
        calls=ask.calls,
    )
