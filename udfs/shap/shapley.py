"""Shapley values as linear functions of pair differences d(S) = v(S) - v(N∖S) and of the total v(N) - v(∅)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.shap.designs import MOST_PAIRS, Design, default_samples, design, population
from clarify_spark.udfs.shap.priors import MARGIN, Prior, default_prior, likeliest, moments

__all__ = [
    "Design",
    "Game",
    "Prior",
    "Solver",
    "default_prior",
    "default_samples",
    "design",
    "fit_prior",
    "game",
    "solver",
]

Floats = NDArray[np.float64]
Estimator = Literal["blup", "wls"]

#: Main effects' share of the variance where there are too few pairs to separate them (third order: 1).
_MAIN = 10.0
#: Mean squares of this many contrasts scale the errors of a row; with fewer than the minimum they are unreliable.
_CONTRASTS = 96
_LEAST_CONTRASTS = 8
#: With fewer differences than players plus this, a pilot cannot separate interactions from main effects.
_LEAST_FREE = 20
#: Intervals that must be widened more than this cannot be trusted.
_MOST_MISFIT = 2.0
#: Residuals of an additive game, relative to its differences.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Solver:
    """Values = matrix @ differences + shares * total; one product for values and the scale of errors.

    ``matrix`` (K + R, P) and ``shares`` (K + R,): K rows for the values, then R contrasts whose mean square is the
    squared scale of a row; ``spread`` (K,) are the standard errors at scale 1. ``kind`` names the estimator.
    """

    matrix: Floats
    shares: Floats
    spread: Floats
    kind: str

    def solve(self, differences: Floats, totals: Floats) -> tuple[Floats, Floats]:
        """Values and standard errors (K, n) for differences (P, n) and totals (n,); values sum to the totals."""
        players = len(self.spread)
        found = self.matrix @ differences + self.shares[:, np.newaxis] * totals
        values, contrasts = found[:players], found[players:]
        if not len(contrasts):
            return values, np.zeros_like(values)
        scale = np.sqrt((contrasts**2).mean(axis=0))
        return values, self.spread[:, np.newaxis] * scale


@dataclass(frozen=True, eq=False)
class Game:
    """A design and the solver for it."""

    design: Design
    solver: Solver


@lru_cache(maxsize=64)
def game(players: int, samples: int, estimator: Estimator, prior: Prior, seed: int, standard_errors: bool) -> Game:
    """The design for that many players and samples, and the solver for it."""
    coalitions = design(players, samples, seed, estimator)
    return Game(coalitions, solver(coalitions, estimator, prior, standard_errors))


def solver(design: Design, estimator: Estimator, prior: Prior, standard_errors: bool) -> Solver:
    """The linear estimator of Shapley values for a design."""
    if design.exact:
        return _exact(design)
    if estimator == "wls":
        return _wls(design, standard_errors)
    if len(design.members) > MOST_PAIRS:
        found = _wls(design, standard_errors)
        return replace(found, kind=f"wls (blup takes up to {2 * MOST_PAIRS:,} coalitions)")
    return _blup(design, prior, standard_errors)


def fit_prior(design: Design, differences: Floats, totals: Floats, seed: int) -> Prior:
    """The prior fitted to pilot rows' differences (n, P, D) and totals (n, D).

    Where there are too few of them, or they are too large for floats, the default, and intervals cannot be trusted.
    """
    rows, pairs, outputs = differences.shape
    columns = differences.transpose(1, 0, 2).reshape(pairs, rows * outputs)
    seen = np.vstack([columns, totals.reshape(1, rows * outputs)])
    if design.exact or pairs > MOST_PAIRS:
        return default_prior()
    signs = _signs(design)
    told = seen.size > 0 and bool(np.isfinite(seen).all())
    if not told or len(signs) < signs.shape[1] + _LEAST_FREE or not _identified(signs):
        return replace(default_prior(), trusted=False)
    largest = np.abs(seen).max()
    mains = np.linalg.lstsq(signs, seen / (largest or 1.0), rcond=None)[0]
    if not largest or np.abs(seen / largest - signs @ mains).max() < _ROUNDING:
        return default_prior()
    prior = likeliest(signs, seen / largest, seed)
    misfit = _misfit(design, prior, seen / largest, seed)
    return replace(prior, misfit=MARGIN * max(1.0, misfit), trusted=misfit <= _MOST_MISFIT)


def _misfit(design: Design, prior: Prior, seen: Floats, seed: int) -> float:
    """How much wider intervals must be to cover 95 % of the changes from half the pairs to all, in pilot rows.

    Changes have the variance of the half's error minus that of the whole's, if the prior is right.
    """
    prior = replace(prior, misfit=1.0)
    whole = _blup(design, prior, standard_errors=True)
    values, errors = whole.solve(seen[:-1], seen[-1])
    scales = errors.sum(axis=0) / whole.spread.sum()
    order = np.random.default_rng([seed % 2**63, len(seen)]).permutation(len(design.members))
    ratios = []
    for half in (np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])):
        part = _blup(replace(design, members=design.members[half]), prior, standard_errors=False)
        found, _ = part.solve(seen[half], seen[-1])
        expected = np.sqrt(np.maximum(part.spread**2 - whole.spread**2, 1e-24))
        ratios.append(np.abs(found - values) / np.maximum(expected[:, np.newaxis] * scales, 1e-300))
    return float(np.quantile(np.concatenate(ratios), 0.95)) / 1.96


def _exact(design: Design) -> Solver:
    """φ_i = Σ_S ± w(S) d(S) + d(N) / K, with w(S) = (|S| - 1)! (K - |S|)! / K! for i in S, by pairs."""
    members = design.members
    players = members.shape[1]
    sizes = members.sum(axis=1)
    joining = np.array([1.0 / (s * comb(players, s)) for s in range(1, players)])
    leaving = joining[::-1]
    matrix = np.where(members, joining[sizes - 1][:, np.newaxis], -leaving[sizes - 1][:, np.newaxis]).T
    return Solver(np.ascontiguousarray(matrix), np.full(players, 1.0 / players), np.zeros(players), "exact")


def _signs(design: Design) -> Floats:
    """Membership as ±1 (P + 1, K); the last row is everyone."""
    signs = np.where(design.members, 1.0, -1.0)
    return np.vstack([signs, np.ones(signs.shape[1])])


def _wls(design: Design, standard_errors: bool) -> Solver:
    """min Σ_S k(S) (d(S) - Σ_i s_i φ_i)² with Σ φ_i = d(N): the kernel's mass of a size is shared by its pairs.

    Errors treat pairs as drawn at random, with the same variance, except for fully enumerated sizes; main
    effects that the pairs do not separate add their assumed variance.
    """
    signs = _signs(design)[:-1]
    players = signs.shape[1]
    sizes = design.members.sum(axis=1)
    sizes = np.minimum(sizes, players - sizes)
    counts = np.bincount(sizes)
    kernel = np.where(2 * sizes == players, 0.5, 1.0) / (sizes * (players - sizes)) / counts[sizes]
    centred = signs - signs.mean(axis=1, keepdims=True)
    matrix = np.linalg.pinv((centred.T * kernel) @ centred, rcond=1e-12, hermitian=True) @ (centred.T * kernel)
    matrix -= matrix.mean(axis=0)
    shares = (1.0 - matrix @ signs.sum(axis=1)) / players
    if not standard_errors:
        return Solver(matrix, shares, np.zeros(players), "wls")
    drawn = np.array([counts[size] < population(players, size) for size in range(len(counts))])[sizes]
    biases = np.eye(players) - matrix @ signs - shares[:, np.newaxis]
    spread = MARGIN * np.sqrt((matrix[:, drawn] ** 2).sum(axis=1) + _MAIN / players * (biases**2).sum(axis=1))
    # The scale is that of sizes with pairs left out, if enough were drawn to separate it from main effects.
    used = np.append(drawn, True)
    rows = np.vstack([signs, np.ones(players)])
    if used.sum() - players < _LEAST_CONTRASTS or not _identified(rows[used]):
        used[:] = True
    found = _whitened(rows[used], np.eye(int(used.sum())))
    contrasts = np.zeros((len(rows), found.shape[1]))
    contrasts[used] = found
    return Solver(np.vstack([matrix, contrasts[:-1].T]), np.append(shares, contrasts[-1]), spread, "wls")


def _blup(design: Design, prior: Prior, standard_errors: bool) -> Solver:
    """The best linear unbiased prediction: main effects by generalised least squares, interactions by the prior."""
    signs = _signs(design)
    players = signs.shape[1]
    given = moments(signs, prior)
    root = np.linalg.cholesky(given.differences)
    white = np.linalg.solve(root, np.hstack([signs, given.cross.T]))
    mains, cross = white[:, :players], white[:, players:]
    precision = mains.T @ mains
    if not _identified(signs):
        precision += players / _MAIN * np.eye(players)
    missing = np.eye(players) - mains.T @ cross
    left = np.linalg.solve(precision, missing)
    weights = np.linalg.solve(root.T, cross + mains @ left).T
    weights -= weights.mean(axis=0)
    weights[:, -1] += 1.0 / players
    spread = given.values - (cross**2).sum(axis=0) + (missing * left).sum(axis=0)
    if standard_errors:
        weights = np.vstack([weights, _whitened(signs, given.differences).T])
    errors = prior.misfit * np.sqrt(np.maximum(spread, 0.0))
    return Solver(np.ascontiguousarray(weights[:, :-1]), weights[:, -1].copy(), errors, "blup")


def _identified(signs: Floats) -> bool:
    """Whether the pairs separate all main effects."""
    if len(signs) < signs.shape[1]:
        return False
    eigenvalues = np.linalg.eigvalsh(signs.T @ signs)
    return bool(eigenvalues[0] > 1e-9 * eigenvalues[-1])


def _whitened(signs: Floats, covariance: Floats) -> Floats:
    """Contrasts (P + 1, R) of differences at random, orthonormal once these are whitened, and free of main effects.

    Where too few differences remain for that, main effects are treated as drawn with their assumed variance.
    """
    rows, players = signs.shape
    free = rows - players
    basis = np.zeros((rows, 0))
    if free < _LEAST_CONTRASTS or not _identified(signs):
        covariance = covariance + _MAIN / players * signs @ signs.T
        free = rows
    root = np.linalg.cholesky(covariance)
    if free < rows:
        basis = np.linalg.qr(np.linalg.solve(root, signs))[0]
    drawn = np.random.default_rng(players).normal(size=(rows, min(_CONTRASTS, free)))
    for _ in range(2):
        drawn -= basis @ (basis.T @ drawn)
    return np.linalg.solve(root.T, np.linalg.qr(drawn)[0])
