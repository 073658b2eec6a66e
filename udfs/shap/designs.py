"""Which coalitions a model evaluates: complementary pairs, as an orthogonal array where one fits.

Only differences v(S) - v(N∖S) of a coalition and its complement matter for Shapley values: terms of even order cancel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.bool_]
Generators = NDArray[np.int64]

#: Primitive polynomials of GF(2^m), for the generators (x, x³) of BCH codes.
_POLYNOMIALS = {2: 0b111, 3: 0b1011, 4: 0b10011, 5: 0b100101, 6: 0b1000011, 7: 0b10001001, 8: 0b100011101}
#: With more pairs the covariance between them is too large to solve with.
MOST_PAIRS = 4000


@dataclass(frozen=True, eq=False)
class Design:
    """Pairs of complementary coalitions of K players: ``members`` (P, K) is the first of each pair.

    ``exact`` marks that all 2^K - 2 coalitions are there, ``kind`` how they were found; in the orthogonal array among
    them every ``strength`` players show all their combinations equally often (0: no array).
    """

    members: Members
    exact: bool
    kind: str
    strength: int


def default_samples(players: int) -> int:
    """The default number of coalitions: min(2 K + 2048, 2^K - 2)."""
    return int(min(2 * players + 2048, 2**players - 2))


def design(players: int, samples: int, seed: int, estimator: str = "blup") -> Design:
    """At most ``samples`` coalitions (one pair at least): single players, then an array, the rest by leverage.

    The array is the smallest of strength 5 that fits, else the one nearest to it; least squares (wls) uses none.
    """
    pairs = max(1, samples // 2)
    if 2 * pairs >= 2**players - 2:
        return Design(_everything(players), True, "enumerated", 0)
    random = np.random.default_rng([seed % 2**63, players, pairs])
    chosen = _Chosen(players)
    if pairs > players:
        chosen.add(np.eye(players, dtype=bool))
    strength = 0
    bits = min(_bose_bits(players), (pairs - len(chosen)).bit_length() - 1)
    if estimator == "blup" and pairs <= MOST_PAIRS and players <= 2**bits:
        generators, strength = _generators(players, bits, random)
        chosen.add(_array(generators, random))
    for size, count in _quotas(chosen.sizes, players, pairs - len(chosen)):
        _draw(chosen, size, count, random)
    kind = "orthogonal array" if strength else "leverage"
    return Design(chosen.members, False, kind, strength)


class _Chosen:
    """The chosen pairs, each once, whichever of its two coalitions was drawn.

    ``sizes`` (K // 2 + 1,) counts them by the size of the smaller coalition.
    """

    def __init__(self, players: int) -> None:
        self.players = players
        self.sizes: NDArray[np.int64] = np.zeros(players // 2 + 1, dtype=np.int64)
        self._rows: dict[bytes, Members] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, members: Members) -> None:
        """Keep those of the coalitions (n, K) that are new, as the smaller of the pair; none and all are not a pair."""
        twice = 2 * members.sum(axis=1)
        flip = (twice > self.players) | ((twice == self.players) & ~members[:, 0])
        smaller = members ^ flip[:, np.newaxis]
        sizes = smaller.sum(axis=1)
        for row, size, packed in zip(smaller, sizes, np.packbits(smaller, axis=1), strict=True):
            if size and packed.tobytes() not in self._rows:
                self._rows[packed.tobytes()] = row
                self.sizes[size] += 1

    @property
    def members(self) -> Members:
        """The first coalition of each pair (P, K)."""
        return np.array(list(self._rows.values()), dtype=bool).reshape(-1, self.players)


def population(players: int, size: int) -> int:
    """The number of pairs whose smaller coalition has that many players."""
    return comb(players, size) // (2 if 2 * size == players else 1)


def _everything(players: int) -> Members:
    """Every pair once: the coalitions without the last player (2^(K-1) - 1, K)."""
    numbers = np.arange(1, max(1, 2 ** (players - 1)))
    return ((numbers[:, np.newaxis] >> np.arange(players)) & 1).astype(bool)


def _quotas(taken: NDArray[np.int64], players: int, left: int) -> Iterator[tuple[int, int]]:
    """How many pairs of each size are still to be drawn so that the sizes are as equal in number as possible."""
    rooms = {size: population(players, size) - int(taken[size]) for size in range(1, players // 2 + 1)}
    levels = {size: int(taken[size]) for size in rooms}
    wanted = dict.fromkeys(rooms, 0)
    while left > 0 and any(rooms.values()):
        lowest = min(levels[size] for size in rooms if rooms[size])
        lagging = [size for size in rooms if rooms[size] and levels[size] == lowest]
        higher = [levels[size] for size in rooms if rooms[size] and levels[size] > lowest]
        step = min(max(1, left // len(lagging)), *(rooms[size] for size in lagging), *(up - lowest for up in higher))
        for size in lagging[:left]:
            wanted[size] += step
            rooms[size] -= step
            levels[size] += step
            left -= step
    yield from ((size, count) for size, count in wanted.items() if count)


def _draw(chosen: _Chosen, size: int, count: int, random: np.random.Generator) -> None:
    """Add ``count`` new pairs of one size, without replacement."""
    goal = len(chosen) + count
    if population(chosen.players, size) <= 4 * (int(chosen.sizes[size]) + count):
        _draw_listed(chosen, size, goal, random)
    while len(chosen) < goal:
        order = random.random((goal - len(chosen), chosen.players)).argsort(axis=1)
        chosen.add(order < size)


def _draw_listed(chosen: _Chosen, size: int, goal: int, random: np.random.Generator) -> None:
    """Add new pairs of one size from the list of all."""
    listed = np.array(list(combinations(range(chosen.players), size)))
    members = np.zeros((len(listed), chosen.players), dtype=bool)
    np.put_along_axis(members, listed, True, axis=1)
    for row in members[random.permutation(len(members))]:
        if len(chosen) == goal:
            return
        chosen.add(row[np.newaxis])


def _array(generators: Generators, random: np.random.Generator) -> Members:
    """The coalitions (2^k, K) in which r takes player j iff parity(r & h_j) is 0, with players' signs at random."""
    rows = np.arange(2 ** max(1, int(generators.max()).bit_length()))
    common = rows[:, np.newaxis] & generators
    for shift in (16, 8, 4, 2, 1):
        common ^= common >> shift
    return ((common & 1) ^ random.integers(0, 2, len(generators))).astype(bool)


def _bose_bits(players: int) -> int:
    """The bits of generators (x, x³) for that many columns; beyond the listed fields there are only grown ones."""
    return 2 * max(2, (players - 1).bit_length())


def _generators(players: int, bits: int, random: np.random.Generator) -> tuple[Generators, int]:
    """Distinct k-bit generators of an array's columns in random order, and its strength together with complements.

    No four of those by Bose, Chaudhuri and Hocquenghem, (x, x³) over GF(2^(k/2)), sum to 0.
    """
    if bits == _bose_bits(players) and bits // 2 in _POLYNOMIALS:
        return random.permutation(_bose(bits // 2))[:players], 5
    return _grown(players, bits, random)


def _bose(degree: int) -> Generators:
    field = np.arange(2**degree)
    cubes = np.array([_product(_product(x, x, degree), x, degree) for x in field.tolist()])
    found: Generators = field | (cubes << degree)
    return found


def _product(a: int, b: int, degree: int) -> int:
    """The product in GF(2^degree)."""
    found = 0
    while b:
        found ^= a * (b & 1)
        a, b = a << 1, b >> 1
        a ^= _POLYNOMIALS[degree] * (a >> degree)
    return found


def _grown(players: int, bits: int, random: np.random.Generator) -> tuple[Generators, int]:
    """Generators one by one, each closing as few zero sums of four as possible."""
    everything = np.arange(2**bits)
    pairs, triples = np.zeros((2, 2**bits))
    chosen: list[int] = []
    closed = 0.0
    for _ in range(players):
        cost = triples + random.random(2**bits) * 0.5
        cost[chosen] = np.inf
        new = int(cost.argmin())
        closed += triples[new]
        triples += pairs[everything ^ new]
        pairs[np.array(chosen, dtype=np.int64) ^ new] += 1
        chosen.append(new)
    return np.array(chosen), 5 if closed == 0 else 3
