"""Records that take some features from a row and the others from a background row, made in one reusable buffer.

Every cell is a word of 64 bits: a float or an integer unchanged, a boolean as 0 or 1, a text (or anything else) as its
number among the values of its column. A masked cell is ``x ^ (absent & (x ^ b))``: x where the feature is present
(``absent`` is 0), b where it is absent (all bits set).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Features = pd.DataFrame | NDArray[np.float64]
_ALIGNMENT = 64
_ALL_BITS = ~np.uint64(0)
#: From this many features on, records are contiguous in memory; below, features are (measured).
_WIDE = 64
#: Bytes that one pass over masked records may write before the next pass reads them from the cache.
_TILE = 2**20
_DTYPES = {"float": np.float64, "integer": np.int64, "boolean": np.int64, "object": np.int64}


@dataclass(frozen=True, eq=False)
class EncodedColumn:
    """A feature's name and how its words are read; ``values`` are those encoded by the numbers of an object column."""

    name: str
    kind: Literal["float", "integer", "boolean", "object"]
    values: NDArray[np.object_] | None = None


@dataclass(frozen=True, eq=False)
class Encoded:
    """A block's rows (M, n) and the background (M, B) as words, and what the M columns are.

    ``matrix`` means that the model takes one matrix of floats instead of a frame.
    """

    rows: Words
    background: Words
    columns: tuple[EncodedColumn, ...]
    matrix: bool

    @property
    def uniform(self) -> bool:
        """Whether all cells of a record are floats, or all are integers, so that a chunk is one array to the model."""
        kinds = {column.kind for column in self.columns}
        return self.matrix or kinds == {"float"} or kinds == {"integer"}

    @property
    def by_record(self) -> bool:
        """Whether masked records, not features, are contiguous in memory."""
        return self.uniform and len(self.columns) >= _WIDE

    @property
    def order(self) -> Literal["C", "F"]:
        """The layout of words (features, records) in numpy's terms."""
        return "F" if self.by_record else "C"

    @property
    def record_bytes(self) -> int:
        """How many bytes one masked record needs: its words, and the overhead of a frame of them."""
        besides = {"boolean": 1, "object": 8}
        return sum(8 + besides.get(column.kind, 0) for column in self.columns)

    def features(self, words: Words) -> Features:
        """The records in words (M, n) as the model expects them; floats and integers are not copied."""
        if self.matrix:
            return words.view(np.float64).T
        if self.uniform:
            cells = words.view(_DTYPES[self.columns[0].kind]).T
            return pd.DataFrame(cells, columns=[column.name for column in self.columns], copy=False)
        series = {column.name: _decoded(row, column) for column, row in zip(self.columns, words, strict=True)}
        return pd.DataFrame(series, copy=False)

    def differing(self, players: Sequence[int]) -> NDArray[np.bool_]:
        """Which players differ between a row and a background row (K, n, B); NaN equals NaN."""
        return np.stack([self._differing(position) for position in players])

    def _differing(self, position: int) -> NDArray[np.bool_]:
        dtype = np.float64 if self.matrix else _DTYPES[self.columns[position].kind]
        rows = self.rows[position].view(dtype)[:, np.newaxis]
        background = self.background[position].view(dtype)[np.newaxis]
        found: NDArray[np.bool_] = (rows != background) & ~((rows != rows) & (background != background))
        return found


def encoded(frame: pd.DataFrame, background: pd.DataFrame, matrix: bool) -> Encoded:
    """A block and the background, both typed, as words; a column that is integer in only one of them becomes float."""
    if matrix or all(dtype == np.float64 for dtype in [*frame.dtypes, *background.dtypes]):
        columns = tuple(EncodedColumn(str(name), "float") for name in frame.columns)
        return _laid_out(Encoded(_floats(frame), _floats(background), columns, matrix))
    together = [_encoded(frame[name], background[name]) for name in frame.columns]
    cells = np.array([words for _, words in together]).reshape(len(together), -1)
    columns = tuple(column for column, _ in together)
    return _laid_out(Encoded(cells[:, : len(frame)], cells[:, len(frame) :], columns, matrix=False))


def _laid_out(block: Encoded) -> Encoded:
    """The same with its words laid out as its masked records will be: the mixing then follows the memory layout."""
    rows, background = (np.asarray(words, order=block.order) for words in (block.rows, block.background))
    return replace(block, rows=rows, background=background)


def _floats(frame: pd.DataFrame) -> Words:
    return np.ascontiguousarray(frame.to_numpy(dtype=np.float64).T).view(np.uint64)


def _encoded(rows: pd.Series, background: pd.Series) -> tuple[EncodedColumn, Words]:
    """The column and the words of the block's rows with those of the background behind them."""
    name = str(rows.name)
    dtypes = {rows.dtype, background.dtype}
    parts = (rows.to_numpy(), background.to_numpy())
    if dtypes <= {np.dtype(np.int64), np.dtype(np.float64)}:
        kind: Literal["float", "integer"] = "integer" if dtypes == {np.dtype(np.int64)} else "float"
        return EncodedColumn(name, kind), np.concatenate(parts).astype(_DTYPES[kind]).view(np.uint64)
    if dtypes == {np.dtype(np.bool_)}:
        return EncodedColumn(name, "boolean"), np.concatenate(parts).astype(np.uint64)
    numbers: dict[Any, int] = {}
    values: list[Any] = []
    words = np.empty(len(rows) + len(background), dtype=np.uint64)
    for position, value in enumerate([*parts[0].tolist(), *parts[1].tolist()]):
        # 1, 1.0 and True are equal in Python but not to a model; NaN is not even equal to itself.
        key = (type(value), value if value == value else None)
        if key not in numbers:
            numbers[key] = len(values)
            values.append(value)
        words[position] = numbers[key]
    known = np.empty(len(values), dtype=object)
    known[:] = values
    return EncodedColumn(name, "object", known), words


def _decoded(words: Words, column: EncodedColumn) -> Any:
    """A column of a frame; pandas would turn an array of objects into its own string type."""
    if column.values is not None:
        return pd.Series(column.values.take(words.view(np.int64)), dtype=object)
    return words.astype(np.bool_) if column.kind == "boolean" else words.view(_DTYPES[column.kind])


class Buffer:
    """Reusable memory for masked records; it grows to the largest chunk and no further."""

    def __init__(self) -> None:
        self._words: Words = np.empty(0, dtype=np.uint64)

    def words(self, features: int, records: int, by_record: bool) -> Words:
        """Uninitialised words (features, records), aligned and in the given layout; they replace earlier ones."""
        needed = features * records
        if len(self._words) < needed:
            raw = np.empty(needed + _ALIGNMENT // 8, dtype=np.uint64)
            skipped = -raw.ctypes.data % _ALIGNMENT // 8
            self._words = raw[skipped : skipped + needed]
        words = self._words[:needed]
        return words.reshape(records, features).T if by_record else words.reshape(features, records)


def masks(members: NDArray[np.bool_], players: Sequence[int], features: int) -> Words:
    """All bits set where a coalition (P, K) lacks a player, else (also for features that are not players) 0: (M, P)."""
    words = np.zeros((len(members), features), dtype=np.uint64)
    words[:, list(players)] = np.where(members, np.uint64(0), _ALL_BITS)
    return words.T


def playing(players: Sequence[int], features: int) -> Words:
    """All bits set for players, 0 for the others: (M,)."""
    words = np.zeros(features, dtype=np.uint64)
    words[list(players)] = _ALL_BITS
    return words


def mask_pairs(records: Words, rows: Words, changes: Words, lacking: Words) -> None:
    """Writes the records (M, 2, n, B, P) of P coalitions and their complements for n rows and B background rows.

    ``rows`` (M, n) and ``lacking`` (M, P), the words of ``masks``, are laid out as the records are; ``changes``
    (M, n, B) are x ^ b, 0 where a feature is not a player.
    """
    together = len(records) if records.strides[0] == records.itemsize else max(1, _TILE // records[0].nbytes)
    for start in range(0, len(records), together):
        some = slice(start, start + together)
        first, change = records[some, 0], changes[some, ..., np.newaxis]
        np.bitwise_and(lacking[some, np.newaxis, np.newaxis], change, out=first)
        np.bitwise_xor(first, rows[some, :, np.newaxis, np.newaxis], out=first)
        np.bitwise_xor(first, change, out=records[some, 1])
