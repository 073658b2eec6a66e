"""Confidence intervals of bias metrics, and which samples are too small for them.

docs/statistics.md shows how often these intervals contain the true value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clarify_spark.bias.estimates import Interval
from clarify_spark.bias.posterior_draws import posterior_draws_of_groups
from clarify_spark.bias.proportions import (
    Floats,
    critical,
    difference_interval,
    difference_score,
    folded_margin,
    ratio_interval,
)
from clarify_spark.bias.samples import (
    LABELS,
    POSITIVE,
    A,
    Batch,
    D,
    Mask,
    Proportion,
    Reasons,
    Samples,
    effective_counts,
)
from clarify_spark.bias.strata import linearised, rows_per_stratum

#: What the names of methods mean.
METHODS = {
    "miettinen_nurminen": "score interval of a difference of two proportions, Miettinen and Nurminen (1985)",
    "miettinen_nurminen_ratio": "score interval of a ratio of two proportions, Miettinen and Nurminen (1985)",
    "wilson": "score interval of the share of facet d, Wilson (1927)",
    "folded_score": "score interval of the difference of the positive shares, folded at 0",
    "tango": "score interval of the shares of facet d that flip either way, given facet a, Tango (1998)",
    "jeffreys_draws": "2,000 seeded draws of the cells' probabilities from their posterior under Jeffreys' prior",
    "folded_draws": "the same draws, of the signed square root of the divergence, folded at 0",
    "linearised": "linearised multinomial variance over the group variable's values",
}
#: Fewer rows than this for each value of the group variable, on average, leave no usable interval of CDDL and CDDPL.
ROWS_PER_STRATUM = 10

Ends = tuple[Floats, Floats]


@dataclass(frozen=True)
class Method:
    """A kind of interval: its name (a key of METHODS), and what gives the ends (E,) of a batch.

    Ends are used only where the mask (E,) says that the sample is large enough.
    """

    name: str
    ends: Callable[[Batch, Mask], Ends]


def _places(usable: Mask) -> list[int]:
    found: list[int] = np.flatnonzero(usable).tolist()
    return found


def intervals(method: Method, reasons: Reasons, batch: Batch) -> list[Interval | str]:
    """For each comparison (E,) its interval, or the reason why there is none."""
    low, high = method.ends(batch, np.array([reason is None for reason in reasons], bool))
    return [
        Interval(float(of_low), float(of_high), method.name) if reason is None else reason
        for of_low, of_high, reason in zip(low, high, reasons, strict=True)
    ]


# --- samples that are too small ---------------------------------------------------------------------------------------


def enough(batch: Batch) -> Reasons:
    """No reason for any comparison."""
    return [None] * len(batch.counts)


def without(trial: Mask, missing: str) -> Callable[[Batch], Reasons]:
    """Which group has none of the outcome ``trial``, called ``missing`` in words."""

    def lacking(batch: Batch) -> Reasons:
        of_a, of_d = (batch.sample.total(group, trial).tolist() for group in (A, D))
        return [
            f"there is no {missing} in facet {'a' if not one_a else 'd'}" if not (one_a and one_d) else None
            for one_a, one_d in zip(of_a, of_d, strict=True)
        ]

    return lacking


def without_trials(proportion: Proportion) -> Callable[[Batch], Reasons]:
    """Which group has no trial of a proportion."""
    return without(proportion.trial, proportion.trials)


def without_outcome(name: str) -> Callable[[Batch], Reasons]:
    """Which group lacks an outcome: Clarify then leaves that outcome out of the sum of the metric ``name``."""

    def lacking(batch: Batch) -> Reasons:
        lacks = {
            (group, outcome): batch.sample.total(group, POSITIVE if outcome == "positive" else ~POSITIVE) == 0
            for group in (D, A)
            for outcome in ("positive", "negative")
        }
        return [
            next(
                (
                    f"facet {'d' if group else 'a'} has no {outcome} label, and {name} leaves out what a group lacks"
                    for (group, outcome), missing in lacks.items()
                    if missing[e]
                ),
                None,
            )
            for e in range(len(batch.counts))
        ]

    return lacking


def with_few_rows_per_stratum(batch: Batch) -> Reasons:
    """Which comparisons have too few rows for each value of the group variable."""
    averages = [rows_per_stratum(of_one) for of_one in batch.counts]
    few = "the group variable's values have {:.1f} rows on average, which is too few ({})"
    return [few.format(average, ROWS_PER_STRATUM) if average < ROWS_PER_STRATUM else None for average in averages]


# --- two proportions --------------------------------------------------------------------------------------------------


def _usable(x1: Floats, n1: Floats, x2: Floats, n2: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The counts with one trial where there is none, whose results are not used."""
    return x1, np.where(n1 > 0, n1, 1.0), x2, np.where(n2 > 0, n2, 1.0)


def difference(proportion: Proportion, first: int = A) -> Method:
    """Intervals of one group's proportion minus the other's: that of ``first`` (A or D) comes first."""

    def ends(batch: Batch, _: Mask) -> Ends:
        z = critical(batch.level)
        low, high = difference_interval(*_usable(*effective_counts(batch.sample, proportion)), z, z)
        return (-high, -low) if first == D else (low, high)

    return Method("miettinen_nurminen", ends)


def ratio(proportion: Proportion) -> Method:
    """Intervals of the proportion of facet d divided by that of facet a."""

    def ends(batch: Batch, _: Mask) -> Ends:
        x_a, n_a, x_d, n_d = effective_counts(batch.sample, proportion)
        return ratio_interval(*_usable(x_d, n_d, x_a, n_a), critical(batch.level))

    return Method("miettinen_nurminen_ratio", ends)


# --- distances of labels ----------------------------------------------------------------------------------------------


def _margins(sample: Samples, level: float) -> tuple[Floats, Floats]:
    """The score statistic (E,) of equal positive shares, and the deviations to the folded interval's lower end."""
    x_a, n_a, x_d, n_d = _usable(*effective_counts(sample, LABELS))
    score = difference_score(x_a, n_a, x_d, n_d, np.zeros_like(x_a))
    return score, folded_margin(np.abs(score), level)


def folded_difference(factor: float) -> Method:
    """Intervals of ``factor`` times the absolute difference of the shares of positive labels."""

    def ends(batch: Batch, _: Mask) -> Ends:
        x_a, n_a, x_d, n_d = _usable(*effective_counts(batch.sample, LABELS))
        score, margin = _margins(batch.sample, batch.level)
        z = critical(batch.level)
        swapped = score < 0
        of_a, of_d = np.stack([x_a, n_a]), np.stack([x_d, n_d])
        more, less = np.where(swapped, of_d, of_a), np.where(swapped, of_a, of_d)
        low, high = difference_interval(more[0], more[1], less[0], less[1], margin, z)
        low = np.where(np.abs(score) <= z, 0.0, np.maximum(low, 0.0))
        opposite = difference_interval(less[0], less[1], more[0], more[1], z, z)[1]
        return factor * low, factor * np.maximum(high, opposite)

    return Method("folded_score", ends)


def folded_divergence(divergence: Callable[[Floats, Floats], Floats]) -> Method:
    """Intervals of a divergence of two binary distributions, given by their shares of positive labels in a and in d."""

    def root(positive_a: Floats, positive_d: Floats) -> Floats:
        """The square root, negative when d has more positive labels."""
        found = np.sqrt(np.maximum(divergence(positive_a, positive_d), 0.0))
        return np.copysign(found, positive_a - positive_d)

    def ends(batch: Batch, usable: Mask) -> Ends:
        from scipy.special import ndtr

        score, margin = _margins(batch.sample, batch.level)
        z = critical(batch.level)
        low, high = np.zeros_like(batch.values), np.zeros_like(batch.values)
        for e in _places(usable):
            a, d = posterior_draws_of_groups(
                _by_label(batch.sample.cells[e]), _by_label(batch.sample.squares[e]), batch.seed
            )
            drawn = root(a[:, 1, 0] / a.sum(axis=(1, 2)), d[:, 1, 0] / d.sum(axis=(1, 2)))
            drawn = -drawn if score[e] < 0 else drawn
            places = np.quantile(drawn, [ndtr(-margin[e]), ndtr(-z), ndtr(z)])
            low[e] = 0.0 if abs(score[e]) <= z else max(places[0], 0.0) ** 2
            high[e] = max(abs(places[1]), abs(places[2])) ** 2
        return np.minimum(low, batch.values), np.maximum(high, batch.values)

    return Method("folded_draws", ends)


def _by_label(cells: Floats) -> Floats:
    """Cells (2, 2, 1): facet × observed label."""
    return np.asarray(cells.sum(axis=2, keepdims=True))


# --- the group variable -----------------------------------------------------------------------------------------------


def stratified(outcome_axis: int) -> Method:
    """Intervals of conditional demographic disparity; ``outcome_axis``: 1 for labels, 2 for predictions."""

    def ends(batch: Batch, usable: Mask) -> Ends:
        z = critical(batch.level)
        low, high = np.zeros_like(batch.values), np.zeros_like(batch.values)
        for e in _places(usable):
            value, error = linearised(batch.counts[e], outcome_axis)
            low[e], high[e] = max(value - z * error, -1.0), min(value + z * error, 1.0)
        return low, high

    return Method("linearised", ends)


# --- draws of cells ---------------------------------------------------------------------------------------------------


def from_draws(quantiles: Callable[[Batch, int, list[float]], Floats]) -> Method:
    """Intervals between quantiles of draws, and around the value; ``quantiles``: of comparison e, at two levels."""

    def ends(batch: Batch, usable: Mask) -> Ends:
        found = np.zeros((2, len(batch.values)))
        for e in _places(usable):
            found[:, e] = quantiles(batch, e, [(1 - batch.level) / 2, (1 + batch.level) / 2])
        return np.minimum(found[0], batch.values), np.maximum(found[1], batch.values)

    return Method("jeffreys_draws", ends)


def difference_of_ratios(above: Mask, below: Mask, first: int) -> Method:
    """Intervals of one group's ratio of counts minus the other's: that of ``first`` (A or D) comes first."""

    def quantiles(batch: Batch, e: int, levels: list[float]) -> Floats:
        a, d = posterior_draws_of_groups(batch.sample.cells[e], batch.sample.squares[e], batch.seed)
        of_a, of_d = (group[..., above].sum(axis=-1) / group[..., below].sum(axis=-1) for group in (a, d))
        return np.asarray(np.quantile(of_a - of_d if first == A else of_d - of_a, levels))

    return from_draws(quantiles)
