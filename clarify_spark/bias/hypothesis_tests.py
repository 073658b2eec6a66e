"""Tests of the null hypothesis that two groups are alike, adjusted for how many tests a run makes.

Metrics with the same hypothesis share a test: every one that is 0, or 1, exactly when both groups have the same share
of positive labels, say. A hypothesis that occurs twice (a facet with two values is compared both ways round) counts
once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_spark.bias.counts import Cells, FacetCounts
from clarify_spark.bias.estimates import NullTest
from clarify_spark.bias.proportions import Floats, difference_score
from clarify_spark.bias.samples import A, Batch, D, Mask, Proportion, effective_counts
from clarify_spark.bias.strata import cochran_mantel_haenszel

#: What the names of tests mean.
TESTS = {
    "fisher": "Fisher's exact test of two proportions, two-sided, where an expected count is below 5",
    "score": "score test of two proportions, Pearson's chi-squared times (N - 1) / N",
    "sign": "exact sign test of flips one way against flips the other way (McNemar)",
    "cochran_mantel_haenszel": "no association of facet and outcome within the group variable's values",
    "log_ratio": "Wald test of equal ratios of labels to predictions, on the scale of logarithms",
}
#: An expected count below this is too small for the score test.
SMALL_EXPECTED = 5.0


@dataclass(frozen=True)
class UnadjustedTest:
    """A test before adjustment; tests with the same ``question`` are one."""

    name: str
    p_value: float
    question: Hashable


NullTests = Callable[[Batch], list[UnadjustedTest | None]]


def nothing_to_test(batch: Batch) -> list[UnadjustedTest | None]:
    """No test of any comparison."""
    return [None] * len(batch.counts)


def adjusted(found: Sequence[UnadjustedTest | None]) -> list[NullTest | None]:
    """The tests of a whole run with their p-values adjusted: Holm (1979), Benjamini and Hochberg (1995)."""
    p_values = {test.question: test.p_value for test in found if test is not None}
    raw = np.array(list(p_values.values()))
    both = {
        key: ends for key, *ends in zip(p_values, holm(raw).tolist(), benjamini_hochberg(raw).tolist(), strict=True)
    }
    return [None if test is None else NullTest(test.name, test.p_value, *both[test.question]) for test in found]


def holm(p_values: Floats) -> Floats:
    """P-values adjusted so that any false finding has at most the stated probability."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    return _in_place(order, np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0))


def benjamini_hochberg(p_values: Floats) -> Floats:
    """P-values adjusted so that the expected share of false ones among the findings is at most the stated one."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) / np.arange(1, len(p_values) + 1)
    falling = np.minimum.accumulate((factors * p_values[order])[::-1])[::-1]
    return _in_place(order, np.minimum(falling, 1.0))


def _in_place(order: NDArray[np.intp], values: Floats) -> Floats:
    found = np.empty_like(values)
    found[order] = values
    return found


def _both_ways(a: Cells, d: Cells) -> list[bytes]:
    """The counts of both groups, the same for a comparison and its reverse."""
    return sorted([a.tobytes(), d.tobytes()])


def equal_shares(proportion: Proportion) -> NullTests:
    """Tests that both groups have the same proportion."""
    question = ("shares", proportion.success.tobytes(), proportion.trial.tobytes())

    def tests(batch: Batch) -> list[UnadjustedTest | None]:
        from scipy.special import ndtr

        sample, relevant = batch.sample, proportion.trial
        x_a, n_a, x_d, n_d = effective_counts(sample, proportion)
        usable = (n_a > 0) & (n_d > 0)
        share = (x_a + x_d) / np.where(usable, n_a + n_d, 1.0)
        expected = np.minimum(n_a, n_d) * np.minimum(share, 1 - share)
        ones = np.ones_like(x_a)
        score = difference_score(x_a, np.where(usable, n_a, ones), x_d, np.where(usable, n_d, ones), 0 * ones)
        by_score = 2 * ndtr(-np.abs(score))
        exact = (expected < SMALL_EXPECTED) & ~sample.weighted
        found: list[UnadjustedTest | None] = []
        for e in range(len(x_a)):
            tested = (*question, *_both_ways(sample.cells[e, A, relevant], sample.cells[e, D, relevant]))
            if not usable[e]:
                found.append(None)
            elif exact[e]:
                table = tuple(round(float(n[e])) for n in (x_a, n_a, x_d, n_d))
                found.append(UnadjustedTest("fisher", _fisher(*table), tested))
            else:
                found.append(UnadjustedTest("score", float(by_score[e]), tested))
        return found

    return tests


@lru_cache(maxsize=100_000)
def _fisher(x_a: int, n_a: int, x_d: int, n_d: int) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact([[x_a, n_a - x_a], [x_d, n_d - x_d]])[1])


def equal_ratios(above: Mask, below: Mask) -> NullTests:
    """Tests that both groups have the same ratio of counts.

    log(above / below) has variance (rows in one but not both) / (above · below), Bonett and Price (2006).
    """
    question = ("ratios", above.tobytes(), below.tobytes())

    def tests(batch: Batch) -> list[UnadjustedTest | None]:
        from scipy.special import ndtr

        sample, logs, variances = batch.sample, [], []
        for group in (A, D):
            of_above, of_below = sample.total(group, above), sample.total(group, below)
            apart = sample.squares[:, group, above ^ below].sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                logs.append(np.log(of_above / of_below))
                variances.append(apart / (of_above * of_below))
        with np.errstate(divide="ignore", invalid="ignore"):
            p_values = 2 * ndtr(-np.abs(logs[A] - logs[D]) / np.sqrt(variances[A] + variances[D]))
        return [
            UnadjustedTest("log_ratio", p_value, (*question, *_both_ways(cells[A], cells[D])))
            if np.isfinite(p_value)
            else None
            for p_value, cells in zip(p_values.tolist(), sample.cells, strict=True)
        ]

    return tests


def no_association(outcome_axis: int) -> NullTests:
    """Tests of facet and outcome within the group variable's values; ``outcome_axis``: 1 for labels, 2 for
    predictions."""
    return lambda batch: [_stratified(of_one, outcome_axis) for of_one in batch.counts]


def _stratified(counts: FacetCounts, outcome_axis: int) -> UnadjustedTest | None:
    if counts.strata is None:
        return None
    p_value = cochran_mantel_haenszel(counts, outcome_axis)
    if p_value is None:
        return None
    both = counts.strata.sum(axis=1)
    sides = _both_ways(counts.strata[:, A], counts.strata[:, D])
    return UnadjustedTest("cochran_mantel_haenszel", p_value, ("strata", outcome_axis, both.tobytes(), *sides))
