"""Which masked records of a chunk are the same, by fingerprints that never read the records themselves.

Every cell of the rows and of the background gets a random whole number; a record's fingerprint is the sum over its
features, so those of all coalitions are one matrix product, exact because every sum stays below 2^53. Two independent
fingerprints of at least 40 bits distinguish records: with 2^15 records, a 2^-50 chance per chunk of confusing any two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
#: Looking for repeats pays off when at most this share of the records is distinct.
MOST_DISTINCT = 0.5
_SAMPLE = 1024
_SALTS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))


@dataclass(frozen=True, eq=False)
class DistinctRecords:
    """Positions (u,) of the distinct records of a chunk, and the place (m,) among them of each of all records."""

    positions: NDArray[np.int64]
    places: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """The numbers of the cells of K players: rows (2, K, n), background (2, K, B); ``own`` (2, n) sums the others."""

    rows: Floats
    background: Floats
    own: Floats

    def distinct(self, members: NDArray[np.bool_], rows: slice, backs: slice) -> DistinctRecords | None:
        """The distinct ones of the 2 n B P records of coalitions (P, K), in the order of ``mask_pairs``.

        None when a sample shows that too few repeat.
        """
        return distinct_records(lambda which: self._of_records(which, members, rows, backs))

    def _of_records(self, which: int, members: NDArray[np.bool_], rows: slice, backs: slice) -> Floats:
        """Fingerprints (2 n B P,) of the coalitions' records, then of their complements'."""
        present, absent = self.rows[which][:, rows, np.newaxis], self.background[which][:, np.newaxis, backs]
        everything = (self.own[which][rows, np.newaxis] + present.sum(axis=0) + absent.sum(axis=0))[..., np.newaxis]
        own = (self.own[which][rows, np.newaxis] + absent.sum(axis=0))[..., np.newaxis]
        changes = present - absent
        first = own + (changes.reshape(len(changes), -1).T @ members.T.astype(np.float64)).reshape(
            *changes.shape[1:], -1
        )
        return np.concatenate([first, everything + self.own[which][rows, np.newaxis, np.newaxis] - first]).ravel()


def distinct_records(fingerprint: Callable[[int], Floats]) -> DistinctRecords | None:
    """The distinct ones among records of which ``fingerprints`` gives fingerprints (m,): number 0 and, to confirm,
    number 1.

    None when a sample shows that too few repeat.
    """
    first = fingerprint(0)
    if not _worthwhile(first):
        return None
    order = np.argsort(first)
    starts = np.diff(first[order], prepend=-1.0) != 0
    positions = order[starts]
    places = np.empty(len(first), dtype=np.int64)
    places[order] = np.cumsum(starts) - 1
    second = fingerprint(1)
    same = np.array_equal(second, second[positions][places])
    return DistinctRecords(positions, places) if same and len(positions) <= MOST_DISTINCT * len(first) else None


def fingerprints(rows: Words, background: Words, players: tuple[int, ...]) -> Fingerprints:
    """The fingerprints of the cells of rows (M, n) and a background (M, B) in words; equal words have equal ones."""
    bits = 51 - len(rows).bit_length()
    numbers = np.stack([_numbers(np.concatenate([rows, background], axis=1), salt, bits) for salt in _SALTS])
    count = rows.shape[1]
    others = np.setdiff1d(np.arange(len(rows)), players)
    chosen = numbers[:, list(players)]
    return Fingerprints(chosen[..., :count], chosen[..., count:], numbers[:, others, :count].sum(axis=1))


def _numbers(words: Words, salt: np.uint64, bits: int) -> Floats:
    """A whole number below 2^bits for each cell, by the finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    features = np.arange(1, len(words) + 1, dtype=np.uint64)[:, np.newaxis]
    mixed = words + features * salt
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    numbers: Floats = (mixed >> np.uint64(64 - bits)).astype(np.float64)
    return numbers


def _worthwhile(fingerprint: Floats) -> bool:
    """Whether a sample shows that few enough records are distinct (their number estimated by Chao 1984)."""
    step = max(1, len(fingerprint) // _SAMPLE)
    sample = np.sort(fingerprint[::step])
    counts = np.diff(np.flatnonzero(np.diff(sample, prepend=-1.0, append=-1.0)))
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    unseen = once**2 / (2 * max(twice, 1)) if step > 1 else 0.0
    return bool(len(counts) + unseen <= MOST_DISTINCT * len(fingerprint))
