"""The model's values for coalitions of features, for all rows of a block.

Records are built and evaluated in chunks whose size depends on the plan and the block alone: the same rows always go to
the model in the same calls, so that its last bits do not depend on partitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError, RecordError, RowOf, blaming
from clarify_spark.udfs.outputs import ModelCalls, Outputs, link
from clarify_spark.udfs.shap.deduplication import DistinctRecords, Fingerprints, fingerprints
from clarify_spark.udfs.shap.masking import Buffer, Encoded, Words, encoded, mask_pairs, masks, playing
from clarify_spark.udfs.shap.shap_plan import ShapSettings

#: A chunk of masked records: large enough to amortise the cost of a call, small enough for a processor's cache.
CHUNK_BYTES = 8 * 2**20
#: Fewer records are not worth a call, however wide they are.
CHUNK_RECORDS = 2048
_FEW_PAIRS = 64


@dataclass(frozen=True)
class Chunk:
    """Pairs of coalitions, rows and background rows of one model call: 2 * pairs * rows * backs records."""

    pairs: int
    rows: int
    backs: int


def chunk(pairs: int, backs: int, limit: int) -> Chunk:
    """The chunk of at most ``limit`` records: whole rows, or some pairs of one row, or fewer background rows too."""
    half = max(1, limit // 2)
    if pairs * backs <= half:
        return Chunk(pairs, half // max(1, pairs * backs), backs)
    if backs * min(_FEW_PAIRS, pairs) <= half:
        return Chunk(_evenly(pairs, half // backs), 1, backs)
    together = min(_FEW_PAIRS, pairs, half)
    return Chunk(together, 1, _evenly(backs, half // together))


def _evenly(total: int, most: int) -> int:
    """The size of a part when ``total`` is split into the fewest parts of at most ``most``, of similar size."""
    return math.ceil(total / math.ceil(total / most))


@dataclass(frozen=True, eq=False)
class Coalitions:
    """Coalitions (P, K), and the words (M, P) of ``masks`` for them."""

    members: NDArray[np.bool_]
    lacking: Words


@dataclass(frozen=True, eq=False)
class CoalitionValues:
    """The value v of coalitions for the rows of a block, in units of the link."""

    block: Encoded
    settings: ShapSettings
    ask: ModelCalls
    buffer: Buffer

    def background(self) -> Outputs:
        """The model's raw outputs (B, D) for the background rows."""
        try:
            return self.ask(self.block.features(self.block.background.copy(order="K")))
        except RecordError as error:
            raise ModelError(f"baseline row {error.position + 1}: {error}") from error

    def everything(self) -> Outputs:
        """v(N) (n, D): the model's outputs for the rows themselves."""
        # A copy, since a model may write into its input.
        return link(self.ask(self.block.features(self.block.rows.copy(order="K"))), self.settings.link)

    def nothing(self, expected: Outputs) -> Outputs:
        """v(∅) (n, D): ``expected`` (D,), or per row, where it keeps its values of features that are not players."""
        if self.settings.everyone_plays:
            return np.tile(expected, (self._rows, 1))
        backs = min(self._backs, self.limit)
        means = [self._means_of_nothing(rows, backs) for rows in _slices(self._rows, self.limit // backs)]
        return link(np.concatenate(means), self.settings.link)

    def differences(self, members: NDArray[np.bool_]) -> Outputs:
        """v(S) - v(N∖S) of P coalitions (P, K) for n rows: (P, n, D)."""
        size = chunk(len(members), self._backs, self.limit)
        found = [np.empty((0, self._rows, self.ask.outputs or 0))]
        for pairs in _slices(len(members), size.pairs):
            some = self._coalitions(members[pairs])
            parts = [self._of_rows(some, rows, size.backs) for rows in _slices(self._rows, size.rows)]
            found.append(np.concatenate(parts, axis=1))
        return np.concatenate(found[1:] or found)

    @property
    def limit(self) -> int:
        """How many masked records one model call gets at most."""
        spec = self.settings.spec
        flight = spec.calling.in_flight * spec.calling.batch_records if spec.remote else CHUNK_RECORDS
        wished = max(CHUNK_BYTES // self.block.record_bytes, flight)
        return max(2, min(wished, self.settings.buffer_bytes // self.block.record_bytes))

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints of the cells of rows and background."""
        return fingerprints(self.block.rows, self.block.background, self.settings.players)

    def outputs_of(self, words: Words, distinct: DistinctRecords | None, row_of: RowOf) -> Outputs:
        """The model's outputs (m, D) for m records, each distinct one evaluated once if these are known.

        A RecordError then refers to a row of the block: the one that ``row_of`` returns for a record.
        """
        if distinct is None:
            with blaming(row_of):
                return self.ask(self.block.features(words))
        self.ask.duplicates += words.shape[1] - len(distinct.positions)
        with blaming(lambda position: row_of(int(distinct.positions[position]))):
            return self.ask(self.block.features(words[:, distinct.positions]))[distinct.places]

    @property
    def _rows(self) -> int:
        return int(self.block.rows.shape[1])

    @property
    def _backs(self) -> int:
        return int(self.block.background.shape[1])

    @cached_property
    def _playing(self) -> Words:
        return playing(self.settings.players, len(self.block.columns))

    def _changes(self, rows: slice, backs: slice) -> Words:
        """x ^ b (M, n, B), 0 for features that are not players."""
        changes: Words = self.block.rows[:, rows, np.newaxis] ^ self.block.background[:, np.newaxis, backs]
        changes &= self._playing[:, np.newaxis, np.newaxis]
        return changes

    def _means_of_nothing(self, rows: slice, together: int) -> Outputs:
        """The mean outputs (n, D) with every player from the background, that many background rows at a time."""
        means = []
        for backs in _slices(self._backs, together):
            records = self._changes(rows, backs)
            records ^= self.block.rows[:, rows, np.newaxis]
            with blaming(partial(_divided, rows.start, records.shape[2])):
                outputs = self.ask(self.block.features(records.reshape(len(records), -1)))
            means.append(self._mean(outputs.reshape(records.shape[1], records.shape[2], -1), backs))
        total: Outputs = np.sum(means, axis=0)
        return total

    def _of_rows(self, some: Coalitions, rows: slice, backs: int) -> Outputs:
        """v(S) - v(N∖S) (P, n, D) for some rows, from that many background rows at a time."""
        pairs = len(some.members)
        parts = _slices(self._backs, backs)
        means = self._mean(self._outputs(some, rows, parts[0]), parts[0])
        for part in parts[1:]:
            means += self._mean(self._outputs(some, rows, part), part)
        values = link(means, self.settings.link).reshape(2, -1, pairs, means.shape[1] // pairs)
        differences: Outputs = (values[0] - values[1]).transpose(1, 0, 2)
        return differences

    def _outputs(self, some: Coalitions, rows: slice, backs: slice) -> Outputs:
        """The outputs (2 n, B, P D) for the records of coalitions and of their complements."""
        changes = self._changes(rows, backs)
        shape = (2, *changes.shape[1:], len(some.members))
        words = self.buffer.words(len(changes), math.prod(shape), self.block.by_record)
        mask_pairs(_unfolded(words, shape), self.block.rows[:, rows], changes, some.lacking)
        distinct = self.fingerprints.distinct(some.members, rows, backs) if _may_repeat(changes, shape[3]) else None
        each = shape[2] * shape[3]
        outputs = self.outputs_of(words, distinct, lambda position: rows.start + position // each % shape[1])
        return outputs.reshape(2 * shape[1], shape[2], -1)

    def _coalitions(self, members: NDArray[np.bool_]) -> Coalitions:
        lacking = masks(members, self.settings.players, len(self.block.columns))
        return Coalitions(members, np.asarray(lacking, order=self.block.order))

    def _mean(self, outputs: Outputs, backs: slice) -> Outputs:
        """The sum (m, d) over the background rows, with their weights, of outputs (m, B, d)."""
        means: Outputs = np.matmul(self.settings.background.weights[backs], outputs)
        return means


def coalition_values(frame: pd.DataFrame, settings: ShapSettings, ask: ModelCalls, buffer: Buffer) -> CoalitionValues:
    """The values of coalitions for the rows of a typed frame."""
    return CoalitionValues(encoded(frame, settings.background.rows, ask.takes_matrix), settings, ask, buffer)


def _divided(start: int, each: int, position: int) -> int:
    """The row of a record, with that many records per row from ``start`` on."""
    return start + position // each


def _may_repeat(changes: Words, pairs: int) -> bool:
    """Whether rows and background rows differ in so few features, m on average, that 2^m is less than about 2 P."""
    differing = np.count_nonzero(changes) / (changes.shape[1] * changes.shape[2])
    return bool(differing <= math.log2(2 * pairs) + 1)


def _unfolded(words: Words, shape: tuple[int, ...]) -> Words:
    """Words (M, m) as (M, *shape) in the same memory, in either layout."""
    if words.flags.c_contiguous:
        return words.reshape(-1, *shape)
    return np.moveaxis(words.T.reshape(*shape, len(words)), -1, 0)


def _slices(length: int, step: int) -> list[slice]:
    return [slice(start, min(start + step, length)) for start in range(0, length, max(1, step))]
