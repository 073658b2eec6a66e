"""Records that take some features from a row and the others from a background row, made in one reusable buffer.

Every cell is a word of 64 bits: a float or an integer as it is, a boolean as 0 or 1, a text (or whatever else) as its
number among the values of its column. A masked cell is ``x ^ (absent & (x ^ b))``: x where the feature is present
(``absent`` is 0), b where it is absent (all bits set).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Features = pd.DataFrame | NDArray[np.float64]
_ALIGNMENT = 64
_DTYPES = {"float": np.float64, "integer": np.int64, "boolean": np.int64, "object": np.int64}


@dataclass(frozen=True, eq=False)
class Column:
    """A feature's name and how its words are read; ``values`` are those that the numbers of an object column mean."""

    name: str
    kind: Literal["float", "integer", "boolean", "object"]
    values: NDArray[np.object_] | None = None


@dataclass(frozen=True, eq=False)
class Encoded:
    """A block's rows (M, n) and the background (M, B) as words, and what the M columns are.

    ``matrix`` says that the model takes one matrix of floats instead of a frame.
    """

    rows: Words
    background: Words
    columns: tuple[Column, ...]
    matrix: bool

    @property
    def record_bytes(self) -> int:
        """How many bytes one masked record needs: its words, and what a frame of them needs besides."""
        besides = {"boolean": 1, "object": 8}
        return sum(8 + besides.get(column.kind, 0) for column in self.columns)

    def features(self, words: Words) -> Features:
        """The records in contiguous words (M, n) as the model wants them; floats and integers are not copied."""
        kinds = {column.kind for column in self.columns}
        if self.matrix:
            return words.view(np.float64).T
        if len(kinds) == 1 and kinds <= {"float", "integer"}:
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
    """A block and the background, both typed, as words; a column of integers in one of them only becomes floats."""
    if matrix or all(dtype == np.float64 for dtype in [*frame.dtypes, *background.dtypes]):
        columns = tuple(Column(str(name), "float") for name in frame.columns)
        return Encoded(_floats(frame), _floats(background), columns, matrix)
    together = [_encoded(frame[name], background[name]) for name in frame.columns]
    cells = np.array([words for _, words in together]).reshape(len(together), -1)
    rows, background_rows = (np.ascontiguousarray(part) for part in np.split(cells, [len(frame)], axis=1))
    return Encoded(rows, background_rows, tuple(column for column, _ in together), matrix=False)


def _floats(frame: pd.DataFrame) -> Words:
    return np.ascontiguousarray(frame.to_numpy(dtype=np.float64).T).view(np.uint64)


def _encoded(rows: pd.Series, background: pd.Series) -> tuple[Column, Words]:
    """The column and the words of the block's rows with those of the background behind them."""
    name = str(rows.name)
    dtypes = {rows.dtype, background.dtype}
    parts = (rows.to_numpy(), background.to_numpy())
    if dtypes <= {np.dtype(np.int64), np.dtype(np.float64)}:
        kind: Literal["float", "integer"] = "integer" if dtypes == {np.dtype(np.int64)} else "float"
        return Column(name, kind), np.concatenate(parts).astype(_DTYPES[kind]).view(np.uint64)
    if dtypes == {np.dtype(np.bool_)}:
        return Column(name, "boolean"), np.concatenate(parts).astype(np.uint64)
    numbers: dict[Any, int] = {}
    values = []
    words = np.empty(len(rows) + len(background), dtype=np.uint64)
    for position, value in enumerate([*parts[0].tolist(), *parts[1].tolist()]):
        # 1, 1.0 and True are equal to Python and not to a model; NaN is not even equal to itself.
        key = (type(value), value if value == value else None)
        if key not in numbers:
            numbers[key] = len(values)
            values.append(value)
        words[position] = numbers[key]
    known = np.empty(len(values), dtype=object)
    known[:] = values
    return Column(name, "object", known), words


def _decoded(words: Words, column: Column) -> Any:
    if column.values is not None:
        return pd.Series(column.values.take(words.view(np.int64)), dtype=object)
    return words.astype(np.bool_) if column.kind == "boolean" else words.view(_DTYPES[column.kind])


class Buffer:
    """Memory for masked records that is handed out again and again; it grows to the largest chunk and no further."""

    def __init__(self) -> None:
        self._words: Words = np.empty(0, dtype=np.uint64)

    def words(self, features: int, records: int) -> Words:
        """Uninitialised contiguous words (features, records) at an aligned address; they undo the ones before."""
        needed = features * records
        if len(self._words) < needed:
            raw = np.empty(needed + _ALIGNMENT // 8, dtype=np.uint64)
            skipped = -raw.ctypes.data % _ALIGNMENT // 8
            self._words = raw[skipped : skipped + needed]
        return self._words[:needed].reshape(features, records)


def absent(members: NDArray[np.bool_], players: Sequence[int], features: int) -> Words:
    """All bits set where a coalition (P, K) lacks a player, else (also for features that do not play) 0: (M, P)."""
    words = np.zeros((features, len(members)), dtype=np.uint64)
    words[list(players)] = np.where(members.T, np.uint64(0), ~np.uint64(0))
    return words


def mask_pairs(cells: Words, rows: Words, background: Words, lacking: Words, playing: Words) -> None:
    """Writes the records (M, 2, n, B, P) of n rows, B background rows and P coalitions, then their complements.

    ``lacking`` (M, P) are the words of ``absent``; ``playing`` (M,) has all bits set for features that play.
    """
    both = (rows[:, :, np.newaxis] ^ background[:, np.newaxis]) & playing[:, np.newaxis, np.newaxis]
    first, second = cells[:, 0], cells[:, 1]
    for position in range(len(rows)):
        change = both[position][:, :, np.newaxis]
        np.bitwise_and(lacking[position], change, out=first[position])
        np.bitwise_xor(first[position], rows[position][:, np.newaxis, np.newaxis], out=first[position])
        np.bitwise_xor(first[position], change, out=second[position])
