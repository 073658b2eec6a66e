"""Metrics of the labels alone: the sizes of the groups, their positive shares, and distances of these."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from clarify_spark.bias.counts import FacetCounts, facet_a, facet_d
from clarify_spark.bias.detectable_differences import detectable_difference_of_shares
from clarify_spark.bias.formulas import UndefinedMetric, sides
from clarify_spark.bias.hypothesis_tests import equal_shares
from clarify_spark.bias.intervals import Ends, Method, folded_difference, folded_divergence, without_outcome
from clarify_spark.bias.parts import Parts, difference_of_shares
from clarify_spark.bias.proportions import Floats, critical, wilson
from clarify_spark.bias.samples import ALL, LABELS, Batch, D, Mask, Reasons, Samples
from clarify_spark.bias.sentences import SentenceFacts, labels_apart, positive_labels

Formula = Callable[[FacetCounts], float]
NO_COMMON_OUTCOME = "No instance of common facet found, dataset may be too small"


# --- the sizes of the groups ------------------------------------------------------------------------------------------


def class_imbalance(counts: FacetCounts) -> float:
    """CI = (n_a − n_d) / (n_a + n_d), in (−1, 1); positive when d is the smaller group, 0 when both are equal."""
    a, d = sides(
        counts,
        "CI: negated facet set is empty. Check that x[~facet] has non-zero length.",
        "CI: facet set is empty. Check that x[facet] has non-zero length.",
    )
    return (a.rows - d.rows) / (a.rows + d.rows)


def _share_of_d(batch: Batch, _: Mask) -> Ends:
    of_d = np.zeros((2, 2), bool)
    of_d[D] = True
    successes, trials = _of_both(batch.sample).effective(0, of_d, ALL)
    low, high = wilson(successes, np.where(trials > 0, trials, 1.0), critical(batch.level))
    return 1 - 2 * high, 1 - 2 * low


def _of_both(sample: Samples) -> Samples:
    """Facet × anything instead of one group's (2, 2) cells."""
    return Samples(_both(sample.cells), _both(sample.squares))


def _both(cells: Floats) -> Floats:
    """Facet × anything instead of one group's (2, 2) cells."""
    return np.repeat(np.stack([cells.sum(axis=(2, 3)), np.zeros((len(cells), 2))], axis=2)[:, None], 2, axis=1)


def _without_rows(batch: Batch) -> Reasons:
    return [None if rows else "there is no row" for rows in batch.sample.cells.sum(axis=(1, 2, 3)).tolist()]


def _class_imbalance(one: SentenceFacts) -> str:
    low, high = (1 - one.interval.high) / 2, (1 - one.interval.low) / 2
    share = (1 - one.value) / 2
    rows = one.counts.rows.sum(axis=(1, 2)).tolist()
    weighted = "weighted, " if one.counts.weighted else ""
    return (
        f"{one.groups.d} makes up {share:.1%} of the rows compared with {one.groups.a} "
        f"({weighted}{one.stated} {low:.1%} to {high:.1%}; {rows[1]:,} of {sum(rows):,})."
    )


CI = Parts(
    formula=class_imbalance,
    interval=Method("wilson", _share_of_d),
    sentence=_class_imbalance,
    too_little=_without_rows,
)


# --- positive shares --------------------------------------------------------------------------------------------------


def label_proportion_difference(counts: FacetCounts) -> float:
    """DPL = n_a^(1)/n_a − n_d^(1)/n_d, in [−1, 1]; positive when a has more positive labels, 0 when equally many."""
    a, d = sides(counts, "Negative facet set is empty.", "Facet set is empty.")
    return a.positives / a.rows - d.positives / d.rows


DPL = difference_of_shares(label_proportion_difference, LABELS, "has a positive label", positive_labels)


# --- distances --------------------------------------------------------------------------------------------------------


def kullback_leibler(counts: FacetCounts) -> float:
    """KL = Σ P_a ln(P_a / P_d) over the outcomes that both groups have; 0 when the labels are distributed alike.

    Negative values occur where one group lacks an outcome, for the proportions are not scaled up to 1 again.
    """
    return math.fsum(p_a * math.log(p_a / p_d) for p_a, p_d in _common_outcomes(counts))


def jensen_shannon(counts: FacetCounts) -> float:
    """JS = ½ Σ [P_a ln(P_a/P) + P_d ln(P_d/P)], P = ½ (P_a + P_d), in [0, ln 2]; 0 when labels are distributed alike.

    Only outcomes that both groups have are summed.
    """
    terms = [
        share * math.log(share / ((p_a + p_d) / 2)) for p_a, p_d in _common_outcomes(counts) for share in (p_a, p_d)
    ]
    return math.fsum(terms) / 2


def lp_norm(counts: FacetCounts) -> float:
    """LP = (Σ (P_a − P_d)²)^½ over the outcomes that both groups have, in [0, √2]; 0 when distributed alike."""
    return math.sqrt(math.fsum((p_a - p_d) ** 2 for p_a, p_d in _common_outcomes(counts)))


def total_variation(counts: FacetCounts) -> float:
    """TVD = ½ Σ |P_a − P_d| over the outcomes that both groups have, in [0, 1]; 0 when distributed alike."""
    return math.fsum(abs(p_a - p_d) for p_a, p_d in _common_outcomes(counts)) / 2


def kolmogorov_smirnov(counts: FacetCounts) -> float:
    """KS = max |P_a − P_d| over the outcomes that both groups have, in [0, 1]; 0 when distributed alike."""
    return max(abs(p_a - p_d) for p_a, p_d in _common_outcomes(counts))


def _common_outcomes(counts: FacetCounts) -> list[tuple[float, float]]:
    """(P_a, P_d) of the negative, then of the positive outcome, without those that a group lacks."""
    a, d = facet_a(counts), facet_d(counts)
    outcomes = ((a.negatives, d.negatives), (a.positives, d.positives))
    shares = [(n_a / a.rows, n_d / d.rows) for n_a, n_d in outcomes if n_a and n_d]
    if not shares:
        raise UndefinedMetric(NO_COMMON_OUTCOME)
    return shares


def _relative(p: Floats, q: Floats) -> Floats:
    """The Kullback-Leibler divergence of binary distributions."""
    from scipy.special import rel_entr

    return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q), np.float64)


def _from_the_middle(p: Floats, q: Floats) -> Floats:
    """The Jensen-Shannon divergence of binary distributions."""
    middle = (p + q) / 2
    return (_relative(p, middle) + _relative(q, middle)) / 2


def _divergence(name: str, formula: Formula, of_shares: Callable[[Floats, Floats], Floats], meaning: str) -> Parts:
    return Parts(
        formula=formula,
        interval=folded_divergence(of_shares),
        sentence=labels_apart(name, meaning),
        too_little=without_outcome(name),
        null_test=equal_shares(LABELS),
    )


def _distance(name: str, formula: Formula, factor: float, meaning: str) -> Parts:
    """The parts of a metric that is ``factor`` times the absolute difference of the positive shares."""
    return Parts(
        formula=formula,
        interval=folded_difference(factor),
        sentence=labels_apart(name, meaning),
        too_little=without_outcome(name),
        null_test=equal_shares(LABELS),
        minimum_detectable_difference=detectable_difference_of_shares(LABELS, factor),
    )


KL = _divergence("KL", kullback_leibler, _relative, "0 when they are alike")
JS = _divergence("JS", jensen_shannon, _from_the_middle, "between 0 and 0.693")
LP = _distance("LP", lp_norm, 2**0.5, "between 0 and 1.41")
TVD = _distance("TVD", total_variation, 1.0, "half the summed differences of shares")
KS = _distance("KS", kolmogorov_smirnov, 1.0, "the largest difference of shares")
