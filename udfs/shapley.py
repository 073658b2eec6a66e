"""Shapley values as linear functions of pair differences d(S) = v(S) - v(N∖S) and of the total v(N) - v(∅)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.designs import Design, default_samples, design
from clarify_spark.udfs.priors import Prior, default_prior, fit_prior, moments

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

#: Main effects' share of the variance where the pairs are too few to tell them apart (third order: 1).
_MAIN = 10.0
_CONTRASTS = 96


@dataclass(frozen=True, eq=False)
class Solver:
    """Values = matrix @ differences + shares * total; one product for values and the scale of errors.

    ``matrix`` (K + R, P) and ``shares`` (K + R,): K rows for the values, then R contrasts whose mean square is the
    squared scale of a row; ``spread`` (K,) are the standard errors at scale 1. ``kind`` says which estimator it is.
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
    """The design of so many players and samples, and the solver for it."""
    coalitions = design(players, samples, seed)
    return Game(coalitions, solver(coalitions, estimator, prior, standard_errors))


def solver(design: Design, estimator: Estimator, prior: Prior, standard_errors: bool) -> Solver:
    """The linear estimator of Shapley values for a design."""
    if design.exact:
        return _exact(design)
    if estimator == "wls":
        return _wls(design)
    return _blup(design, prior, standard_errors)


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


def _wls(design: Design) -> Solver:
    """min Σ_S k(S) (d(S) - Σ_i s_i φ_i)² with Σ φ_i = d(N): the kernel's mass of a size is shared by its pairs."""
    signs = _signs(design)[:-1]
    players = signs.shape[1]
    sizes = design.members.sum(axis=1)
    sizes = np.minimum(sizes, players - sizes)
    mass = np.where(2 * sizes == players, 0.5, 1.0) / (sizes * (players - sizes))
    kernel = mass / np.bincount(sizes)[sizes]
    centred = signs - signs.mean(axis=1, keepdims=True)
    matrix = np.linalg.pinv((centred.T * kernel) @ centred, rcond=1e-12, hermitian=True) @ (centred.T * kernel)
    matrix -= matrix.mean(axis=0)
    shares = (1.0 - matrix @ signs.sum(axis=1)) / players
    return Solver(matrix, shares, np.zeros(players), "wls")


def _blup(design: Design, prior: Prior, standard_errors: bool) -> Solver:
    """The best linear unbiased prediction: main effects by generalised least squares, interactions by the prior."""
    signs = _signs(design)
    players = signs.shape[1]
    given = moments(signs, prior)
    root = np.linalg.cholesky(given.differences)
    white = np.linalg.solve(root, np.hstack([signs, given.cross.T]))
    mains, cross = white[:, :players], white[:, players:]
    precision = mains.T @ mains
    identified = _identified(signs)
    if not identified:
        precision += players / _MAIN * np.eye(players)
    left = np.linalg.solve(precision, np.eye(players) - mains.T @ cross)
    weights = cross + mains @ left
    spread = given.values - (cross**2).sum(axis=0) + ((np.eye(players) - mains.T @ cross) * left).sum(axis=0)
    contrasts = _contrasts(mains, identified) if standard_errors else np.zeros((len(signs), 0))
    matrix = np.linalg.solve(root.T, np.hstack([weights, contrasts])).T
    matrix[:players] -= matrix[:players].mean(axis=0)
    matrix[:players, -1] += 1.0 / players
    errors = prior.misfit * np.sqrt(np.maximum(spread, 0.0))
    return Solver(np.ascontiguousarray(matrix[:, :-1]), matrix[:, -1].copy(), errors, "blup")


def _identified(signs: Floats) -> bool:
    """Whether the pairs tell all main effects apart."""
    if len(signs) < signs.shape[1]:
        return False
    eigenvalues = np.linalg.eigvalsh(signs.T @ signs)
    return bool(eigenvalues[0] > 1e-9 * eigenvalues[-1])


def _contrasts(mains: Floats, identified: bool) -> Floats:
    """Orthonormal contrasts (P + 1, R) of whitened differences, at random and free of main effects if that leaves any."""
    rows, players = mains.shape
    free = rows - players if identified else rows
    drawn = np.random.default_rng(players).normal(size=(rows, min(_CONTRASTS, free)))
    basis = np.linalg.qr(mains)[0] if identified else np.zeros((rows, 0))
    drawn -= basis @ (basis.T @ drawn)
    return np.linalg.qr(drawn - basis @ (basis.T @ drawn))[0]
