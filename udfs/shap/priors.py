"""What is assumed about a game before it is sampled: how much of it is interaction, and of which order.

A pair difference is d(s) = Σ a_T Π_{i∈T} s_i over sets T of odd size, s = ±1. Main effects are free; the a_T of |T| = 3
to 11 are drawn with variance τ_|T| Π_{i∈T} w_i; anything of higher order is noise, the nugget. White noise alone
instead of the orders 7 to 11 costs up to three times the error in rough games, and their intervals then fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ORDERS = (3, 5, 7, 9, 11)
_POWERS = (0.0, 0.35, 0.5, 0.7)
_SHARES = (0.01, 0.03, 0.1, 0.3, 0.6, 0.9)
#: Measured: a larger nugget helps less than larger shares of high orders, and a smaller one makes no difference.
_NUGGET = 1e-4
_PILOT_PAIRS = 1200
#: Of these many rows at a time, what interactions need stays in the processor's cache.
_ROWS = 32
#: Likelihoods that differ by less than this per row and degree of freedom count as the same.
_SLACK = 0.005
_INFINITE = 1e200
#: The shortfall of intervals although the prior fits as well as possible, as measured (benchmarks/README.md).
MARGIN = 1.25


@dataclass(frozen=True)
class Prior:
    """Shares of the variance of differences, where the third order has 1, and players' relevance w (None: all 1).

    The fifth order has ``share5``, the seventh ``share5``², and so on. ``source`` is "pilot" or "default"; standard
    errors are widened by ``misfit``; when not ``trusted``, the pilot showed that intervals may fail, or could not tell.
    """

    share5: float
    nugget: float
    relevance: tuple[float, ...] | None
    source: str
    trusted: bool
    misfit: float


@dataclass(frozen=True, eq=False)
class Moments:
    """For the part of a game above main effects: the covariance of differences (P + 1, P + 1), that of values with
    differences (K, P + 1) and the variance of values (K,); the last difference is the total.
    """

    differences: Floats
    cross: Floats
    values: Floats


def moments(signs: Floats, prior: Prior) -> Moments:
    """The moments that a prior gives to differences of coalitions, membership as ±1 (P + 1, K)."""
    players = signs.shape[1]
    weights = relevance(prior, players)
    parts = interactions(signs, weights)
    shares = {order: prior.share5 ** ((order - 3) // 2) for order in parts}
    found = sum((shares[order] * part for order, part in parts.items()), prior.nugget * np.eye(len(signs)))
    taus = {order: shares[order] / float(total) for order, total in _totals(weights).items()}
    one = signs * weights
    below = [order - 1 for order in taus]
    without = symmetric(lambda k: (one**k).sum(axis=1, keepdims=True) - one**k, below)
    cross = sum((tau / t * one * without[t - 1] for t, tau in taus.items()), np.zeros_like(one)).T
    # What the orders leave out is treated as shared equally.
    cross[:, -1] += prior.nugget / players
    others = symmetric(lambda k: (weights**k).sum() - weights**k, below)
    values = sum((tau / t**2 * weights * others[t - 1] for t, tau in taus.items()), np.zeros(players))
    return Moments(found, cross, values + prior.nugget / players**2)


def interactions(signs: Floats, weights: Floats) -> dict[int, Floats]:
    """By order, the covariance (n, n) of differences whose variance is 1: e_t(w∘s∘s') / e_t(w)."""
    odd = {k: (signs * weights**k) @ signs.T for k in (1, *ORDERS)}
    totals = _totals(weights)
    found = {order: np.empty(odd[1].shape) for order in totals}

    def power_sums(rows: slice) -> Callable[[int], Floats]:
        return lambda k: odd[k][rows] if k % 2 else np.asarray((weights**k).sum())

    for start in range(0, len(signs), _ROWS):
        rows = slice(start, start + _ROWS)
        for order, part in symmetric(power_sums(rows), totals).items():
            np.divide(part, totals[order], out=found[order][rows])
    return found


def relevance(prior: Prior, players: int) -> Floats:
    """The relevance w of players (K,): all 1 where the prior has none, or is for another game."""
    if prior.relevance is None or len(prior.relevance) != players:
        return np.ones(players)
    return np.array(prior.relevance)


def symmetric(power_sum: Callable[[int], Floats], orders: Iterable[int]) -> dict[int, Floats]:
    """Elementary symmetric polynomials of the given orders from power sums, by Newton's identities."""
    wanted = set(orders)
    sums: list[Floats] = []
    found: list[Floats] = []
    for order in range(max(wanted, default=-1) + 1):
        if not order:
            found.append(np.ones(()))
            continue
        sums.append(power_sum(order))
        terms = ((-1) ** (k - 1) * found[order - k] * sums[k - 1] for k in range(1, order + 1))
        found.append(sum(terms, np.zeros(())) / order)
    return {order: found[order] for order in wanted}


def _totals(weights: Floats) -> dict[int, Floats]:
    """e_t(w) for the orders for which there are sets of players."""
    return symmetric(lambda k: np.asarray((weights**k).sum()), [t for t in ORDERS if t <= len(weights)])


def default_prior() -> Prior:
    """The prior without a pilot."""
    return Prior(0.1, 0.001, None, "default", True, MARGIN)


def likeliest(signs: Floats, seen: Floats, seed: int) -> Prior:
    """The prior fitted to a pilot's differences (P + 1, n) by restricted likelihood.

    Relevance is a power of the main effects' mean square. Of priors with nearly the largest likelihood the one with the
    smallest share of high orders is chosen: a large share also compensates for an inaccurate relevance, and then
    costs an orthogonal array most of its benefit. From very many pairs a random subset is used.
    """
    left, strengths = _residuals(signs, seen)
    random = np.random.default_rng([seed % 2**63, len(signs)])
    kept = np.sort(random.permutation(len(signs))[: _PILOT_PAIRS + signs.shape[1]])
    few = left[kept]  # main effects make no difference to the likelihood but rounding
    if few.shape[1] > len(few):  # only the products of rows matter
        few = np.linalg.qr(few.T)[1].T
    found: list[tuple[float, Prior]] = []
    for power in _POWERS:
        weights = strengths**power / (strengths**power).mean()
        parts = interactions(signs[kept], weights)
        for share in _SHARES:
            covariance = _NUGGET * np.eye(len(kept))
            for order, part in parts.items():
                covariance += share ** ((order - 3) // 2) * part
            prior = Prior(share, _NUGGET, tuple(weights.tolist()), "pilot", True, MARGIN)
            found.append((_likelihood(covariance, signs[kept], few), prior))
    enough = max(likelihood for likelihood, _ in found) - _SLACK * (len(kept) - signs.shape[1])
    close = [one for one in found if one[0] >= enough]
    return min(close, key=lambda one: (one[1].share5, -one[0]))[1]


def _residuals(signs: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """What main effects leave of the rows' differences, over its size, and the mean square of those (K,), 0.001 to 1.

    A tenth of the mean size is added, so that rows with almost no interactions, where rounding dominates, weigh less.
    """
    mains = np.linalg.lstsq(signs, seen, rcond=None)[0]
    left = seen - signs @ mains
    squares = (left**2).mean(axis=0)
    sizes = np.sqrt(squares) + 0.1 * np.sqrt(squares.mean())
    strengths = ((mains / sizes) ** 2).mean(axis=1)
    return left / sizes, np.maximum(strengths / strengths.max(), 1e-3)


def _likelihood(covariance: Floats, signs: Floats, seen: Floats) -> float:
    """The logarithm of the restricted likelihood per row, up to a constant, of differences (n, rows) of one scale."""
    size, players = signs.shape
    given = np.hstack([signs, seen])
    # The Cholesky factor of [[C, B], [Bᵀ, ∞]] has (L⁻¹B)ᵀ at its lower left, where L is that of C.
    whole = np.diag(np.full(size + given.shape[1], _INFINITE))
    whole[:size, :size], whole[size:, :size] = covariance, given.T
    factor = np.linalg.cholesky(whole)
    products = factor[size:, :size] @ factor[size:, :size].T
    precision, right = products[:players, :players], products[:players, players:]
    square = products.diagonal()[players:].sum() - (right * np.linalg.solve(precision, right)).sum()
    volume = 2.0 * np.log(factor.diagonal()[:size]).sum() + np.linalg.slogdet(precision)[1]
    if square <= 0.0:  # main effects are all there is: nothing is left of the squares, or less by rounding
        return np.inf if square == 0.0 else -np.inf
    return float(-0.5 * ((size - players) * np.log(square) + volume))
