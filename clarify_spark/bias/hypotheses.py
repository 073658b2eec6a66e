"""Tests of the null hypothesis that two groups are alike, adjusted for how many tests a run makes.

Metrics that ask the same question share a test: DPL, KL, JS, LP, TVD and KS are 0, each exactly when both groups have
the same share of positive labels; DPPL is 0 when DI is 1. A question that is asked twice (a facet with two values is
compared both ways round) counts once. CI and GE compare no groups.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clarify_spark.bias.counts import Cells, FacetCounts
from clarify_spark.bias.inference import NullTest
from clarify_spark.bias.intervals import DIFFERENCES, LABELS, PREDICTIONS, Proportion, pair
from clarify_spark.bias.proportions import Floats, difference_score
from clarify_spark.bias.samples import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    POSITIVE,
    PREDICTED,
    A,
    D,
    Mask,
    Samples,
    kish,
)
from clarify_spark.bias.strata import cochran_mantel_haenszel

#: What the names of tests stand for.
TESTS = {
    "fisher": "Fisher's exact test of two proportions, two-sided, where an expected count is below 5",
    "score": "score test of two proportions, Pearson's chi-squared times (N - 1) / N",
    "sign": "exact sign test of flips one way against flips the other way (McNemar)",
    "cochran_mantel_haenszel": "no association of facet and outcome within the group variable's values",
    "log_ratio": "Wald test of equal ratios of labels to predictions, on the scale of logarithms",
}
#: An expected count below this is too small for the score test.
SMALL_EXPECTED = 5.0

_ERRORS = Proportion(FALSE_NEGATIVE, FALSE_NEGATIVE | FALSE_POSITIVE, "error")
#: The proportion whose equality each metric's null hypothesis says.
_QUESTIONS: Mapping[str, tuple[str, Proportion]] = {
    **dict.fromkeys(("DPL", "KL", "JS", "LP", "TVD", "KS"), ("DPL", LABELS)),
    **dict.fromkeys(("DPPL", "DI"), ("DPPL", PREDICTIONS)),
    **{name: (name, DIFFERENCES[name].proportion) for name in ("AD", "RD", "SD", "DAR", "DRR")},
    "TE": ("TE", _ERRORS),
}
_RATIOS: Mapping[str, tuple[Mask, Mask]] = {"DCA": (POSITIVE, PREDICTED), "DCR": (~POSITIVE, ~PREDICTED)}


@dataclass(frozen=True)
class Raw:
    """A test before adjustment; tests with the same ``question`` are one."""

    name: str
    p_value: float
    question: Hashable


def null_tests(metric: str, counts: Sequence[FacetCounts], sample: Samples) -> list[Raw | None]:
    """The test of ``metric`` for each comparison (E,); None where there is nothing to test."""
    if metric in _QUESTIONS:
        return _proportions(*_QUESTIONS[metric], sample)
    if metric in _RATIOS:
        return _ratios(metric, sample)
    if metric in ("CDDL", "CDDPL"):
        return [_stratified(metric, of_one) for of_one in counts]
    if metric == "FT":
        return [_flips(of_one) for of_one in counts]
    return [None] * len(counts)


def adjusted(found: Sequence[Raw | None]) -> list[NullTest | None]:
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


def _question(name: str, a: Cells, d: Cells) -> Hashable:
    """The same for both ways round."""
    return (name, *sorted([a.tobytes(), d.tobytes()]))


def _proportions(name: str, proportion: Proportion, sample: Samples) -> list[Raw | None]:
    from scipy.special import ndtr

    x_a, n_a, x_d, n_d = pair(sample, proportion)
    usable = (n_a > 0) & (n_d > 0)
    share = (x_a + x_d) / np.where(usable, n_a + n_d, 1.0)
    expected = np.minimum(n_a, n_d) * np.minimum(share, 1 - share)
    ones = np.ones_like(x_a)
    score = difference_score(x_a, np.where(usable, n_a, ones), x_d, np.where(usable, n_d, ones), 0 * ones)
    by_score = 2 * ndtr(-np.abs(score))
    exact = (expected < SMALL_EXPECTED) & ~sample.weighted
    relevant = proportion.trial
    found: list[Raw | None] = []
    for e in range(len(x_a)):
        if not usable[e]:
            found.append(None)
            continue
        question = _question(name, sample.cells[e, A, relevant], sample.cells[e, D, relevant])
        if exact[e]:
            table = tuple(round(float(n[e])) for n in (x_a, n_a, x_d, n_d))
            found.append(Raw("fisher", _fisher(*table), question))
        else:
            found.append(Raw("score", float(by_score[e]), question))
    return found


@lru_cache(maxsize=100_000)
def _fisher(x_a: int, n_a: int, x_d: int, n_d: int) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact([[x_a, n_a - x_a], [x_d, n_d - x_d]])[1])


def _ratios(metric: str, sample: Samples) -> list[Raw | None]:
    """log(above / below) has variance (rows in one but not both) / (above · below), Bonett and Price (2006)."""
    from scipy.special import ndtr

    above, below = _RATIOS[metric]
    logs, variances = [], []
    for group in (A, D):
        of_above, of_below = sample.total(group, above), sample.total(group, below)
        apart = sample.squares[:, group, above ^ below].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs.append(np.log(of_above / of_below))
            variances.append(apart / (of_above * of_below))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = 2 * ndtr(-np.abs(logs[A] - logs[D]) / np.sqrt(variances[A] + variances[D]))
    return [
        Raw("log_ratio", p_value, _question(metric, cells[A], cells[D])) if np.isfinite(p_value) else None
        for p_value, cells in zip(p_values.tolist(), sample.cells, strict=True)
    ]


def _stratified(metric: str, counts: FacetCounts) -> Raw | None:
    if counts.strata is None:
        return None
    p_value = cochran_mantel_haenszel(counts, 1 if metric == "CDDL" else 2)
    if p_value is None:
        return None
    both = counts.strata.sum(axis=1)
    return Raw("cochran_mantel_haenszel", p_value, (metric, both.tobytes(), *sorted(_sides(counts.strata))))


def _sides(strata: Cells) -> list[bytes]:
    return [np.ascontiguousarray(strata[:, group]).tobytes() for group in (A, D)]


def _flips(counts: FacetCounts) -> Raw | None:
    """Exact without weights; with weights flips of as many rows as facet d is worth, rounded."""
    from scipy.stats import binom

    flips = counts.flips
    if flips is None or not flips.to_negative + flips.to_positive:
        return None
    weight = float(counts.cells[D].sum())
    scale = kish(counts)[D] / weight
    lost, won = round(flips.to_negative * scale), round(flips.to_positive * scale)
    p_value = min(1.0, 2 * float(binom.cdf(min(lost, won), lost + won, 0.5)))
    return Raw("sign", p_value, ("FT", lost, won, counts.cells.tobytes()))
