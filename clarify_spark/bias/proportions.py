"""Score intervals for proportions: one, two independent ones (difference, ratio), two paired ones; arrays at a time.

All counts may be fractions, as effective counts of weighted samples are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Halvings of a bracket: ends are exact to 2^-48 of it.
HALVINGS = 48


def critical(level: float) -> float:
    """The standard normal quantile of a two-sided interval of that level."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def wilson(successes: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """The score interval of one proportion; Wilson (1927). ``trials`` > 0."""
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def difference_score(x1: Floats, n1: Floats, x2: Floats, n2: Floats, difference: Floats) -> Floats:
    """The score statistic of p1 − p2 = ``difference``; Miettinen and Nurminen (1985), roots by Farrington and Manning.

    Standard normal, about, when the hypothesis holds; at 0 its square is Pearson's chi-squared times (N − 1) / N.
    """
    total, positive = n1 + n2, x1 + x2
    b = ((n1 + 2 * n2) * difference - total - positive) / (3 * total)
    c = ((n2 * difference - total - 2 * x2) * difference + positive) / (3 * total)
    e = x2 * difference * (1 - difference) / (2 * total)
    q = b**3 - 1.5 * b * c + e
    p = np.copysign(np.sqrt(np.maximum(b**2 - c, 0.0)), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = (np.pi + np.arccos(np.clip(np.where(p == 0, 0.0, q / p**3), -1.0, 1.0))) / 3
    second = np.clip(2 * p * np.cos(angle) - b, np.maximum(0.0, -difference), np.minimum(1.0, 1 - difference))
    first = np.clip(second + difference, 0.0, 1.0)
    variance = (first * (1 - first) / n1 + second * (1 - second) / n2) * total / np.maximum(total - 1, 0.5)
    return _standardised(x1 / n1 - x2 / n2 - difference, variance)


def difference_interval(
    x1: Floats, n1: Floats, x2: Floats, n2: Floats, z_low: Floats | float, z_high: Floats | float
) -> tuple[Floats, Floats]:
    """The differences p1 − p2 that the score test does not reject, ends at ``z_low`` and ``z_high`` deviations."""

    def score(difference: Floats) -> Floats:
        return difference_score(x1, n1, x2, n2, difference)

    found = x1 / n1 - x2 / n2
    ends = np.full_like(found, 1.0)
    return _last(score, -ends, found, z_low), _last(lambda value: -score(value), ends, found, z_high)


def ratio_interval(x1: Floats, n1: Floats, x2: Floats, n2: Floats, z: float) -> tuple[Floats, Floats]:
    """The ratios p1 / p2 that the score test does not reject; Miettinen and Nurminen (1985); all without successes.

    Searched on the scale of ratio / (1 + ratio), which has no infinite end.
    """
    total = n1 + n2

    def score(place: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = place / (1 - place)
            a, b = total * ratio, -(n1 * ratio + x1 + n2 + x2 * ratio)
            root = np.sqrt(np.maximum(b * b - 4 * a * (x1 + x2), 0.0))
            second = np.clip(2 * (x1 + x2) / (root - b), 0.0, 1.0)
            first = np.clip(ratio * second, 0.0, 1.0)
            variance = (first * (1 - first) / n1 + ratio**2 * second * (1 - second) / n2) * total / (total - 1)
            found = _standardised(x1 / n1 - ratio * x2 / n2, variance)
        return np.where(np.isfinite(ratio), found, np.where(x2 > 0, -np.inf, np.nan))

    p1, p2 = x1 / n1, x2 / n2
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where((x1 == 0) & (x2 == 0), 0.5, p1 / (p1 + p2))
    low = _last(score, np.zeros_like(found), found, z)
    high = _last(lambda place: -score(place), np.ones_like(found), found, z)
    with np.errstate(divide="ignore"):
        return np.where(x1 == 0, 0.0, low / (1 - low)), np.where(x2 == 0, np.inf, high / (1 - high))


def paired_interval(gains: Floats, losses: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """The score interval of (gains − losses) / trials, where a trial ends in gain, loss or neither; Tango (1998)."""

    def score(difference: Floats) -> Floats:
        b = (2 * trials - gains + losses) * difference - gains - losses
        c = -losses * difference * (1 - difference)
        lost = (np.sqrt(np.maximum(b * b - 8 * trials * c, 0.0)) - b) / (4 * trials)
        variance = trials * (2 * lost + difference * (1 - difference))
        return _standardised(gains - losses - trials * difference, variance)

    found = (gains - losses) / trials
    ends = np.full_like(found, 1.0)
    return _last(score, -ends, found, z), _last(lambda value: -score(value), ends, found, z)


def folded_margin(z: Floats, level: float) -> Floats:
    """Deviations between |estimate| and the lower end of an interval for |parameter|, for estimates ``z`` ≥ 0 of them
    away from 0; the upper end is the two-sided one.

    |estimate| is folded normal. Values θ of |parameter| are kept when a(θ) ≤ z ≤ b(θ), with a(θ) = max(0, θ − critical)
    and b(θ) such that the folded normal has probability ``level`` between them: exact at every θ, where folding a
    two-sided interval would cover too often by up to half of 1 − level. The lower end is b⁻¹(z), 0 for z up to
    critical; the margin falls from critical to the one-sided quantile and returns to critical for large z.
    """
    from scipy.special import ndtr

    two_sided = critical(level)
    low, high = np.zeros_like(z), z.copy()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        start = np.maximum(middle - two_sided, 0.0)
        inside = ndtr(z - middle) - ndtr(-z - middle) - (ndtr(start - middle) - ndtr(-start - middle))
        low, high = np.where(inside > level, middle, low), np.where(inside > level, high, middle)
    return np.where(z <= two_sided, z, z - low)


def _standardised(deviation: Floats, variance: Floats) -> Floats:
    """deviation / √variance; a deviation that is only rounding counts as none, even without variance."""
    rounded = np.where(np.abs(deviation) < 1e-14 * np.maximum(1.0, np.abs(deviation)), 0.0, deviation)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = rounded / np.sqrt(np.maximum(variance, 0.0))
    return np.where(rounded == 0, 0.0, found)


def _last(score: Callable[[Floats], Floats], rejected: Floats, accepted: Floats, z: Floats | float) -> Floats:
    """The value between ``rejected`` and ``accepted`` from which on |score| ≤ z; ``rejected`` if that is accepted."""
    outer, inner = rejected.copy(), accepted.copy()
    kept = ~(score(outer) > z)
    for _ in range(HALVINGS):
        middle = (outer + inner) / 2
        beyond = score(middle) > z
        outer, inner = np.where(beyond, middle, outer), np.where(beyond, inner, middle)
    return np.where(kept, rejected, inner)
