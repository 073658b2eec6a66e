"""A confidence interval for every bias metric: which method each has, and when the data are too few for it.

docs/statistics.md shows how often these intervals hold the true value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.draws import drawn, drawn_groups
from clarify_spark.bias.inference import Interval
from clarify_spark.bias.proportions import (
    Floats,
    critical,
    difference_interval,
    difference_score,
    folded_margin,
    paired_interval,
    ratio_interval,
    wilson,
)
from clarify_spark.bias.samples import (
    ALL,
    CORRECT,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    POSITIVE,
    PREDICTED,
    TRUE_NEGATIVE,
    TRUE_POSITIVE,
    A,
    D,
    Mask,
    Samples,
    kish,
)
from clarify_spark.bias.strata import linearised, rows_per_stratum

#: What the names of methods stand for.
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

Found = list[Interval | str]


@dataclass(frozen=True)
class Proportion:
    """A share of ``success`` among ``trial``; ``trials`` says in words what is missing when there is no trial."""

    success: Mask
    trial: Mask
    trials: str


@dataclass(frozen=True)
class Difference:
    """A metric that is one group's proportion minus the other's: that of ``first`` (A or D) comes first."""

    proportion: Proportion
    first: int = A


LABELS = Proportion(POSITIVE, ALL, "row")
PREDICTIONS = Proportion(PREDICTED, ALL, "row")
DIFFERENCES = {
    "DPL": Difference(LABELS),
    "DPPL": Difference(PREDICTIONS),
    "AD": Difference(Proportion(CORRECT, ALL, "row")),
    "RD": Difference(Proportion(TRUE_POSITIVE, POSITIVE, "row with a positive label")),
    "SD": Difference(Proportion(TRUE_NEGATIVE, ~POSITIVE, "row with a negative label"), D),
    "DAR": Difference(Proportion(TRUE_POSITIVE, PREDICTED, "row with a positive prediction")),
    "DRR": Difference(Proportion(TRUE_NEGATIVE, ~PREDICTED, "row with a negative prediction"), D),
}
#: Metrics of the distance of two label distributions, as multiples of the absolute difference of positive shares.
DISTANCES = {"LP": 2**0.5, "TVD": 1.0, "KS": 1.0}


def intervals(
    metric: str, counts: Sequence[FacetCounts], sample: Samples, values: Floats, level: float, seed: int
) -> Found:
    """For each comparison (E,) the interval of ``metric``, or the reason why there is none.

    ``values`` (E,): the metric's values, which an interval always holds.
    """
    z = critical(level)
    if metric in DIFFERENCES:
        return _difference(DIFFERENCES[metric], sample, z)
    if metric in DISTANCES:
        return _distance(metric, sample, level)
    if metric in ("KL", "JS"):
        return _divergence(metric, sample, values, level, seed)
    if metric in ("CDDL", "CDDPL"):
        return [_stratified(of_one, 1 if metric == "CDDL" else 2, z) for of_one in counts]
    if metric in _DRAWN:
        return _from_draws(metric, sample, values, level, seed)
    if metric == "DI":
        return _ratio(sample, z)
    if metric == "CI":
        return _share_of_d(sample, z)
    return _flips(counts, z)


def _told(low: Floats, high: Floats, method: str, reasons: Sequence[str | None]) -> Found:
    return [
        Interval(float(of_low), float(of_high), method) if reason is None else reason
        for of_low, of_high, reason in zip(low, high, reasons, strict=True)
    ]


def _without(trials_a: Floats, trials_d: Floats, trials: str) -> list[str | None]:
    """For each comparison which group lacks trials."""
    return [
        f"there is no {trials} in facet {'a' if not of_a else 'd'}" if not (of_a and of_d) else None
        for of_a, of_d in zip(trials_a.tolist(), trials_d.tolist(), strict=True)
    ]


def pair(sample: Samples, proportion: Proportion) -> tuple[Floats, Floats, Floats, Floats]:
    """Effective successes and trials of facet a, then of facet d."""
    return (
        *sample.effective(A, proportion.success, proportion.trial),
        *sample.effective(D, proportion.success, proportion.trial),
    )


def _usable(x1: Floats, n1: Floats, x2: Floats, n2: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The counts with one trial where there is none, whose results are not used."""
    return x1, np.where(n1 > 0, n1, 1.0), x2, np.where(n2 > 0, n2, 1.0)


def _difference(of: Difference, sample: Samples, z: float) -> Found:
    x_a, n_a, x_d, n_d = pair(sample, of.proportion)
    low, high = difference_interval(*_usable(x_a, n_a, x_d, n_d), z, z)
    if of.first == D:
        low, high = -high, -low
    return _told(low, high, "miettinen_nurminen", _without(n_a, n_d, of.proportion.trials))


def _ratio(sample: Samples, z: float) -> Found:
    x_a, n_a, x_d, n_d = pair(sample, PREDICTIONS)
    low, high = ratio_interval(*_usable(x_d, n_d, x_a, n_a), z)
    reasons = _without(n_a, n_d, PREDICTIONS.trials)
    nobody = "nobody in either facet has a positive prediction"
    reasons = [reason or (None if any_ else nobody) for reason, any_ in zip(reasons, x_a + x_d > 0, strict=True)]
    return _told(low, high, "miettinen_nurminen_ratio", reasons)


def _share_of_d(sample: Samples, z: float) -> Found:
    both = Samples(_both(sample.cells), _both(sample.squares))
    of_d = np.zeros((2, 2), bool)
    of_d[D] = True
    successes, trials = both.effective(0, of_d, ALL)
    low, high = wilson(successes, np.where(trials > 0, trials, 1.0), z)
    return _told(1 - 2 * high, 1 - 2 * low, "wilson", [None if n else "there is no row" for n in trials.tolist()])


def _both(cells: Floats) -> Floats:
    """Facet × anything in the place of one group's (2, 2) cells."""
    return np.repeat(np.stack([cells.sum(axis=(2, 3)), np.zeros((len(cells), 2))], axis=2)[:, None], 2, axis=1)


def _outcomes(sample: Samples, metric: str) -> list[str | None]:
    """For each comparison which group lacks an outcome: Clarify then leaves that outcome out of the sum."""
    lacks = {
        (group, outcome): sample.total(group, POSITIVE if outcome == "positive" else ~POSITIVE) == 0
        for group in (D, A)
        for outcome in ("positive", "negative")
    }
    return [
        next(
            (
                f"facet {'d' if group else 'a'} has no {outcome} label, and {metric} leaves out what a group lacks"
                for (group, outcome), missing in lacks.items()
                if missing[e]
            ),
            None,
        )
        for e in range(len(sample.cells))
    ]


def _margins(sample: Samples, level: float) -> tuple[Floats, Floats]:
    """The score statistic (E,) of equal positive shares, and the deviations to the folded interval's lower end."""
    x_a, n_a, x_d, n_d = _usable(*pair(sample, LABELS))
    score = difference_score(x_a, n_a, x_d, n_d, np.zeros_like(x_a))
    return score, folded_margin(np.abs(score), level)


def _distance(metric: str, sample: Samples, level: float) -> Found:
    x_a, n_a, x_d, n_d = _usable(*pair(sample, LABELS))
    score, margin = _margins(sample, level)
    z = critical(level)
    swapped = score < 0
    of_a, of_d = np.stack([x_a, n_a]), np.stack([x_d, n_d])
    first, second = np.where(swapped, of_d, of_a), np.where(swapped, of_a, of_d)
    low, high = difference_interval(first[0], first[1], second[0], second[1], margin, z)
    low = np.where(np.abs(score) <= z, 0.0, np.maximum(low, 0.0))
    _, opposite = difference_interval(second[0], second[1], first[0], first[1], z, z)
    factor = DISTANCES[metric]
    return _told(factor * low, factor * np.maximum(high, opposite), "folded_score", _outcomes(sample, metric))


def _signed_root(metric: str, positive_a: Floats, positive_d: Floats) -> Floats:
    """The square root of KL or JS of two binary distributions, negative when d has more positive labels."""

    def relative(p: Floats, q: Floats) -> Floats:
        from scipy.special import rel_entr

        return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q), np.float64)

    if metric == "KL":
        divergence = relative(positive_a, positive_d)
    else:
        middle = (positive_a + positive_d) / 2
        divergence = (relative(positive_a, middle) + relative(positive_d, middle)) / 2
    return np.copysign(np.sqrt(np.maximum(divergence, 0.0)), positive_a - positive_d)


def _divergence(metric: str, sample: Samples, values: Floats, level: float, seed: int) -> Found:
    from scipy.special import ndtr

    reasons = _outcomes(sample, metric)
    score, margin = _margins(sample, level)
    z = critical(level)
    low, high = np.zeros_like(values), np.zeros_like(values)
    for e in (e for e, reason in enumerate(reasons) if reason is None):
        a, d = drawn_groups(_by_label(sample.cells[e]), _by_label(sample.squares[e]), seed)
        root = _signed_root(metric, a[:, 1, 0] / a.sum(axis=(1, 2)), d[:, 1, 0] / d.sum(axis=(1, 2)))
        root = -root if score[e] < 0 else root
        ends = np.quantile(root, [ndtr(-margin[e]), ndtr(-z), ndtr(z)])
        low[e] = 0.0 if abs(score[e]) <= z else max(ends[0], 0.0) ** 2
        high[e] = max(abs(ends[1]), abs(ends[2])) ** 2
    return _told(np.minimum(low, values), np.maximum(high, values), "folded_draws", reasons)


def _by_label(cells: Floats) -> Floats:
    """Cells (2, 2, 1): facet × observed label."""
    return np.asarray(cells.sum(axis=2, keepdims=True))


def _stratified(counts: FacetCounts, outcome_axis: int, z: float) -> Interval | str:
    average = rows_per_stratum(counts)
    if average < ROWS_PER_STRATUM:
        return f"the group variable's values have {average:.1f} rows on average, which is too few ({ROWS_PER_STRATUM})"
    value, error = linearised(counts, outcome_axis)
    return Interval(max(value - z * error, -1.0), min(value + z * error, 1.0), "linearised")


def _flips(counts: Sequence[FacetCounts], z: float) -> Found:
    """The flips' intervals; with weights, flips of as many rows as facet d is worth."""
    flips = [of_one.flips for of_one in counts]
    flipped = np.array([(0, 0) if one is None else (one.to_negative, one.to_positive) for one in flips], np.float64)
    rows = np.array([kish(of_one)[D] for of_one in counts])
    scale = rows / np.array([of_one.cells[D].sum() for of_one in counts])
    low, high = paired_interval(flipped[:, 0] * scale, flipped[:, 1] * scale, rows, z)
    return _told(low, high, "tango", ["the flip test was not run" if one is None else None for one in flips])


# --- draws of cells ---------------------------------------------------------------------------------------------------


def _ratios(group: Floats, above: Mask, below: Mask) -> Floats:
    return np.asarray(group[..., above].sum(axis=-1) / group[..., below].sum(axis=-1))


@dataclass(frozen=True)
class _Ratio:
    """A metric that is a difference of ratios of counts; without ``below`` in a group the ratio means nothing."""

    above: Mask
    below: Mask
    missing: str
    first: int

    def __call__(self, a: Floats, d: Floats) -> Floats:
        of_a, of_d = _ratios(a, self.above, self.below), _ratios(d, self.above, self.below)
        return of_a - of_d if self.first == A else of_d - of_a


_DRAWN = {
    "DCA": _Ratio(POSITIVE, PREDICTED, "row with a positive prediction", A),
    "DCR": _Ratio(~POSITIVE, ~PREDICTED, "row with a negative prediction", D),
    "TE": _Ratio(FALSE_NEGATIVE, FALSE_POSITIVE, "false positive", D),
    "GE": None,
}


def generalized_entropy(cells: Floats) -> Floats:
    """GE of (…, 2, 2) cells, as in ``metrics.generalized_entropy``."""
    total = cells.sum(axis=(-2, -1))
    mean = 1 + (cells[..., 0, 1] - cells[..., 1, 0]) / total
    squares = (total - cells[..., 1, 0] + 3 * cells[..., 0, 1]) / total
    return np.asarray((squares / mean**2 - 1) / 2, np.float64)


def _from_draws(metric: str, sample: Samples, values: Floats, level: float, seed: int) -> Found:
    ratio = _DRAWN[metric]
    reasons: list[str | None] = [None] * len(values)
    if ratio is not None:
        reasons = _without(sample.total(A, ratio.below), sample.total(D, ratio.below), ratio.missing)
    ends = np.zeros((2, len(values)))
    known: dict[bytes, Floats] = {}
    for e in (e for e, reason in enumerate(reasons) if reason is None):
        cells, squares = sample.cells[e], sample.squares[e]
        if ratio is None:
            everyone = cells.sum(axis=0)
            key = everyone.tobytes()
            if key not in known:
                draws = generalized_entropy(drawn(everyone, squares.sum(axis=0), 0, seed))
                known[key] = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
            ends[:, e] = known[key]
        else:
            ends[:, e] = np.quantile(ratio(*drawn_groups(cells, squares, seed)), [(1 - level) / 2, (1 + level) / 2])
    return _told(np.minimum(ends[0], values), np.maximum(ends[1], values), "jeffreys_draws", reasons)
