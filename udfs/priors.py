"""What is supposed about a game before it is sampled: how much of it is interaction, and of which order.

A pair difference is d(s) = Σ a_T Π_{i∈T} s_i over sets T of odd size, s = ±1. Main effects are free; the a_T of |T| = 3
and 5 are drawn with variance τ_|T| Π_{i∈T} w_i; whatever is of higher order is noise, the nugget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.designs import Design

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Shares of the variance of differences, where the third order has 1, and players' relevance w (None: all 1).

    ``source`` is "pilot" or "default"; standard errors are widened by ``misfit``; when not ``trusted`` the pilot showed
    that intervals may fail.
    """

    share5: float
    nugget: float
    relevance: tuple[float, ...] | None
    source: str
    trusted: bool
    misfit: float


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the part of a game above main effects: the covariance of differences (P + 1, P + 1), that of values with
    differences (K, P + 1) and the variance of values (K,); the last difference is the total.
    """

    differences: Floats
    cross: Floats
    values: Floats


def moments(signs: Floats, prior: Prior) -> Moments:
    """The moments that a prior gives to differences of coalitions, membership as ±1 (P + 1, K)."""
    players = signs.shape[1]
    weights = relevance(prior, players)
    taus = _variances(weights, {3: 1.0, 5: prior.share5})
    found = prior.nugget * np.eye(len(signs))
    for order, part in symmetric(lambda k: (signs**k * weights**k) @ (signs**k).T, taus).items():
        found += taus[order] * part
    one = signs * weights
    without = symmetric(lambda k: (one**k).sum(axis=1, keepdims=True) - one**k, {t - 1: 0.0 for t in taus})
    cross = sum((tau / t * one * without[t - 1] for t, tau in taus.items()), np.zeros_like(one)).T
    # What is above fifth order counts as shared equally.
    cross[:, -1] += prior.nugget / players
    rest = symmetric(lambda k: (weights**k).sum() - weights**k, {t - 1: 0.0 for t in taus})
    values = sum((tau / t**2 * weights * rest[t - 1] for t, tau in taus.items()), np.zeros(players))
    return Moments(found, cross, values + prior.nugget / players**2)


def relevance(prior: Prior, players: int) -> Floats:
    """The relevance w of players (K,): all 1 where the prior has none, or is about another game."""
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


def _variances(weights: Floats, shares: dict[int, float]) -> dict[int, float]:
    """τ_t for the orders whose terms exist, so that differences get the given shares of variance."""
    possible = [order for order in shares if order <= len(weights)]
    totals = symmetric(lambda k: np.asarray((weights**k).sum()), possible)
    return {order: shares[order] / float(totals[order]) for order in possible}


def default_prior() -> Prior:
    """The prior without a pilot."""
    return Prior(0.1, 0.01, None, "default", True, 1.0)


def fit_prior(design: Design, differences: Floats, totals: Floats, seed: int) -> Prior:
    """The prior for pilot rows' differences (n, P, D) and totals (n, D)."""
    return default_prior()
