"""Exact order statistics of many columns that are read several times and never held in memory completely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

#: At most this many values or bucket counts are in memory at once, 8 to 40 bytes each.
MOST_VALUES = 2**22
#: Leading bits that one pass determines: sign and exponent in the first, 12 bits of the fraction in every further one.
BITS_PER_READING = 12

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
#: Yields the rows again on each call: arrays (n, C) of finite values, the same C columns in all.
Reading = Callable[[], Iterator[Floats]]


def order_statistics(read: Reading, rows: int, ranks: Sequence[int], most: int = MOST_VALUES) -> Floats:
    """The values (R, C) at the 0-based ``ranks`` (R) of each sorted column; exact, ties included.

    Each pass narrows each value down to its leading bits (a radix selection on the order-preserving integers of the
    floats) until the rows that share them number at most ``most``; these are then sorted.
    """
    columns = next(read()).shape[1]
    shape = (len(ranks), columns)
    found = _Search(
        bits=0,
        column=np.broadcast_to(np.arange(columns), shape).ravel(),
        prefix=np.zeros(len(ranks) * columns, dtype=np.uint64),
        rank=np.repeat(np.asarray(ranks, dtype=np.int64), columns),
        rows=np.full(len(ranks) * columns, rows, dtype=np.int64),
    )
    while found.bits < 64 and found.candidates() > most:
        found = _narrowed(found, read, most)
    keys = found.prefix if found.bits == 64 else _picked(found, read)
    return _floats(keys).reshape(shape)


@dataclass(frozen=True, eq=False)
class _Search:
    """Per wanted value (T): its column, its leading ``bits``, its rank among the ``rows`` of the column with these."""

    bits: int
    column: NDArray[np.int64]
    prefix: Keys
    rank: NDArray[np.int64]
    rows: NDArray[np.int64]

    def groups(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """One wanted value for each distinct column and prefix (G), and the group (T) of every wanted value."""
        order = np.lexsort((self.prefix, self.column))
        column, prefix = self.column[order], self.prefix[order]
        starts = np.concatenate([[True], (column[1:] != column[:-1]) | (prefix[1:] != prefix[:-1])])
        group = np.empty(len(order), dtype=np.int64)
        group[order] = np.cumsum(starts) - 1
        return order[starts], group

    def candidates(self) -> int:
        """Rows that are still to be distinguished, over all groups."""
        return int(self.rows[self.groups()[0]].sum())

    def matches(self, keys: Keys, firsts: NDArray[np.int64]) -> tuple[Keys, NDArray[np.int64]]:
        """The keys (m) that share the leading bits of a group, and their groups (m)."""
        of_group = keys[:, self.column[firsts]]
        if self.bits == 0:
            return of_group.ravel(), np.tile(np.arange(len(firsts)), len(keys))
        same = of_group >> np.uint64(64 - self.bits) == self.prefix[firsts]
        return of_group[same], np.nonzero(same)[1]


def _narrowed(search: _Search, read: Reading, most: int) -> _Search:
    """The search with more leading bits, counted in one reading."""
    firsts, group = search.groups()
    affordable = int(np.log2(max(2.0, most / len(firsts))))
    width = min(BITS_PER_READING, 64 - search.bits, affordable)
    counts = np.zeros((len(firsts), 1 << width), dtype=np.int64)
    shift, mask = np.uint64(64 - search.bits - width), np.uint64((1 << width) - 1)
    for chunk in read():
        keys, groups = search.matches(_keys(chunk), firsts)
        np.add.at(counts, (groups, (keys >> shift & mask).astype(np.int64)), 1)
    below = np.cumsum(counts, axis=1)
    digit = np.array(
        [np.searchsorted(below[g], rank, side="right") for g, rank in zip(group, search.rank, strict=True)]
    )
    rows = counts[group, digit]
    return replace(
        search,
        bits=search.bits + width,
        prefix=(search.prefix << np.uint64(width)) | digit.astype(np.uint64),
        rank=search.rank - (below[group, digit] - rows),
        rows=rows,
    )


def _picked(search: _Search, read: Reading) -> Keys:
    """The wanted keys (T), from sorting all candidates of each group."""
    firsts, group = search.groups()
    found = [search.matches(_keys(chunk), firsts) for chunk in read()]
    keys = np.concatenate([keys for keys, _ in found])
    groups = np.concatenate([groups for _, groups in found])
    starts = np.concatenate([[0], np.cumsum(search.rows[firsts])])
    picked: Keys = keys[np.lexsort((keys, groups))][starts[group] + search.rank]
    return picked


_SIGN = np.uint64(1 << 63)


def _keys(values: Floats) -> Keys:
    """Integers in the order of the floats; -0.0 counts as 0.0."""
    bits = np.ascontiguousarray(values + 0.0, dtype=np.float64).view(np.uint64)
    keys: Keys = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return keys


def _floats(keys: Keys) -> Floats:
    """The floats of the integers that ``_keys`` makes."""
    return np.ascontiguousarray(np.where(keys & _SIGN, keys ^ _SIGN, ~keys)).view(np.float64)
