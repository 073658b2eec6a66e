"""The bias metrics of Clarify as functions of counts, listed in two tables.

Notation: d is the facet entry (listed values, or above the threshold), a is everybody else; n rows, n^(1) and n^(0)
positive and negative observed labels, n̂^(1) and n̂^(0) positive and negative predictions. Definitions follow Das et al.,
"Fairness Measures for Machine Learning in Finance" (2021), and the metric pages of the SageMaker developer guide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from clarify_spark.bias.counts import Cells, Confusion, FacetCounts, everyone, facet_a, facet_d
from clarify_spark.errors import ConfigError, Problem

ALL: Literal["all"] = "all"
NO_COMMON_OUTCOME = "No instance of common facet found, dataset may be too small"


class _UndefinedMetric(ValueError):  # noqa: N818 (an outcome, not a failure)
    """The counts leave a metric without a value; the text is the one that Clarify writes."""


@dataclass(frozen=True)
class Metric:
    """A metric: its short name, Clarify's description, and the function that gives its value."""

    name: str
    description: str
    compute: Callable[[FacetCounts], float]


@dataclass(frozen=True)
class MetricResult:
    """A metric's value, ±inf included; None with an ``error`` where the counts leave it undefined."""

    name: str
    description: str
    value: float | None
    error: str | None = None


def divide(numerator: float, denominator: float) -> float:
    """The ratio, with 0/0 = 0 and x/0 = ±inf."""
    if denominator == 0:
        return math.copysign(math.inf, numerator) if numerator else 0.0
    return numerator / denominator


def difference(left: float, right: float) -> float:
    """left − right, with inf − inf = 0."""
    return 0.0 if left == right else left - right


def measure(table: Sequence[Metric], counts: FacetCounts) -> tuple[MetricResult, ...]:
    """The results of a table's metrics in ASCII order of their short names."""
    return tuple(_result(metric, counts) for metric in sorted(table, key=lambda metric: metric.name))


def refused(table: Sequence[Metric], error: str) -> tuple[MetricResult, ...]:
    """The results of a table's metrics when none can be computed, all for the same reason."""
    return tuple(
        MetricResult(metric.name, metric.description, None, error)
        for metric in sorted(table, key=lambda metric: metric.name)
    )


def choose(table: Sequence[Metric], names: Sequence[str] | Literal["all"], path: str) -> tuple[Metric, ...]:
    """The metrics of a table with the given short names (``path``: where the config names them)."""
    if names == ALL or tuple(names) == (ALL,):
        return tuple(table)
    known = {metric.name: metric for metric in table}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        found = ", ".join(repr(name) for name in unknown)
        raise ConfigError([Problem(path, f'unknown metric {found}; allowed are "all" or {", ".join(sorted(known))}')])
    return tuple(metric for metric in table if metric.name in names)


def _result(metric: Metric, counts: FacetCounts) -> MetricResult:
    try:
        return MetricResult(metric.name, metric.description, metric.compute(counts))
    except _UndefinedMetric as undefined:
        return MetricResult(metric.name, metric.description, None, str(undefined))


def _sides(counts: FacetCounts, empty_a: str, empty_d: str) -> tuple[Confusion, Confusion]:
    """Both groups, where the reference looks at a first."""
    a, d = facet_a(counts), facet_d(counts)
    if a.rows == 0:
        raise _UndefinedMetric(empty_a)
    if d.rows == 0:
        raise _UndefinedMetric(empty_d)
    return a, d


def _compared(counts: FacetCounts, prefix: str = "") -> tuple[Confusion, Confusion]:
    """Both groups, where the reference looks at d first."""
    a, d = facet_a(counts), facet_d(counts)
    if d.rows == 0:
        raise _UndefinedMetric(f"{prefix}Facet set is empty")
    if a.rows == 0:
        raise _UndefinedMetric(f"{prefix}Negated Facet set is empty")
    return a, d


# --- before training ------------------------------------------------------------------------------------------------


def class_imbalance(counts: FacetCounts) -> float:
    """CI = (n_a − n_d) / (n_a + n_d), in (−1, 1); positive when d is the smaller group, 0 when both are as large."""
    a, d = _sides(
        counts,
        "CI: negated facet set is empty. Check that x[~facet] has non-zero length.",
        "CI: facet set is empty. Check that x[facet] has non-zero length.",
    )
    return (a.rows - d.rows) / (a.rows + d.rows)


def label_proportion_difference(counts: FacetCounts) -> float:
    """DPL = n_a^(1)/n_a − n_d^(1)/n_d, in [−1, 1]; positive when a has more positive labels, 0 when both have alike."""
    a, d = _sides(counts, "Negative facet set is empty.", "Facet set is empty.")
    return a.positives / a.rows - d.positives / d.rows


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


def label_disparity(counts: FacetCounts) -> float:
    """CDDL = Σ_i n_i (D_i − A_i) / Σ_i n_i over the values i of the group variable, in [−1, 1].

    D_i and A_i are the shares of d among the rows of i with negative and positive label. Positive when d is more often
    among the negative than among the positive ones, 0 when as often.
    """
    return _conditional_disparity(counts, outcome_axis=1)


def _common_outcomes(counts: FacetCounts) -> list[tuple[float, float]]:
    """(P_a, P_d) of the negative, then of the positive outcome, without those that a group lacks."""
    a, d = facet_a(counts), facet_d(counts)
    outcomes = ((a.negatives, d.negatives), (a.positives, d.positives))
    shares = [(n_a / a.rows, n_d / d.rows) for n_a, n_d in outcomes if n_a and n_d]
    if not shares:
        raise _UndefinedMetric(NO_COMMON_OUTCOME)
    return shares


def _conditional_disparity(counts: FacetCounts, outcome_axis: int) -> float:
    """Σ_i n_i (D_i − A_i) / Σ_i n_i; ``outcome_axis`` of the cells: 1 observed labels, 2 predictions."""
    if counts.strata is None:
        raise _UndefinedMetric("Group variable is empty or not provided")
    other_axis = 3 - outcome_axis
    negatives, positives = counts.cells.sum(axis=(0, other_axis)).tolist()
    if positives == 0:
        raise _UndefinedMetric("No positive labels in set")
    if negatives == 0:
        raise _UndefinedMetric("No negative labels in set")
    strata = counts.strata.sum(axis=other_axis + 1)
    repeats = [1] * len(strata) if counts.repeats is None else counts.repeats.tolist()
    weights = [times * stratum.sum().item() for times, stratum in zip(repeats, strata, strict=True)]
    terms = [weight * _disparity(stratum) for weight, stratum in zip(weights, strata, strict=True)]
    return divide(math.fsum(terms), sum(weights))


def _disparity(stratum: Cells) -> float:
    """D − A of one group of rows: (2, 2) cells facet × outcome; a share is 0 where nobody has the outcome."""
    negatives, positives = stratum.sum(axis=0).tolist()
    share_of_negatives = stratum[1, 0].item() / negatives if negatives else 0.0
    share_of_positives = stratum[1, 1].item() / positives if positives else 0.0
    return share_of_negatives - share_of_positives


# --- after training -------------------------------------------------------------------------------------------------


def accuracy_difference(counts: FacetCounts) -> float:
    """AD = ACC_a − ACC_d, in [−1, 1]; positive when the model is right more often for a, 0 when as often."""
    a, d = _compared(counts)
    return (a.tp + a.tn) / a.rows - (d.tp + d.tn) / d.rows


def predicted_label_disparity(counts: FacetCounts) -> float:
    """CDDPL: CDDL with predictions in place of observed labels, in [−1, 1]; 0 when d is as often among both."""
    return _conditional_disparity(counts, outcome_axis=2)


def acceptance_rate_difference(counts: FacetCounts) -> float:
    """DAR = TP_a/n̂_a^(1) − TP_d/n̂_d^(1), in [−1, 1]; positive when precision is higher for a, 0 when alike."""
    a, d = _compared(counts, "DLR: ")
    return difference(divide(a.tp, a.predicted_positives), divide(d.tp, d.predicted_positives))


def conditional_acceptance_difference(counts: FacetCounts) -> float:
    """DCA = n_a^(1)/n̂_a^(1) − n_d^(1)/n̂_d^(1); positive when a is accepted too rarely compared with d, 0 when alike."""
    a, d = _compared(counts, "DCO: ")
    return difference(divide(a.positives, a.predicted_positives), divide(d.positives, d.predicted_positives))


def conditional_rejection_difference(counts: FacetCounts) -> float:
    """DCR = n_d^(0)/n̂_d^(0) − n_a^(0)/n̂_a^(0); positive when a is rejected too often compared with d, 0 when alike."""
    a, d = _compared(counts, "DCO: ")
    return difference(divide(d.negatives, d.predicted_negatives), divide(a.negatives, a.predicted_negatives))


def disparate_impact(counts: FacetCounts) -> float:
    """DI = (n̂_d^(1)/n_d) / (n̂_a^(1)/n_a), in [0, inf]; below 1 when d is predicted positive less often.

    1 means as often; 0 means that nobody of d is predicted positive.
    """
    a, d = _sides(counts, "Negated facet set is empty", "Facet set is empty")
    return divide(d.predicted_positives / d.rows, a.predicted_positives / a.rows)


def prediction_proportion_difference(counts: FacetCounts) -> float:
    """DPPL = n̂_a^(1)/n_a − n̂_d^(1)/n_d, in [−1, 1]; positive when predictions favour a, 0 when as often."""
    a, d = _sides(counts, "Negative facet set is empty.", "Facet set is empty.")
    return a.predicted_positives / a.rows - d.predicted_positives / d.rows


def rejection_rate_difference(counts: FacetCounts) -> float:
    """DRR = TN_d/n̂_d^(0) − TN_a/n̂_a^(0), in [−1, 1]; positive when d is rejected rightly more often, 0 when alike."""
    a, d = _compared(counts, "DLR: ")
    return difference(divide(d.tn, d.predicted_negatives), divide(a.tn, a.predicted_negatives))


def flip_test(counts: FacetCounts) -> float:
    """FT = (flips to negative − flips to positive) / n_d, in [−1, 1].

    A flip is a row of d whose nearest neighbours in a get the other prediction. Positive when d fares better than its
    neighbours in a, 0 when flips balance. Sign as in Clarify's output, opposite to its guide.
    """
    _, d = _compared(counts)
    if counts.flips is None:
        raise ValueError("FT was asked for, but the flip test was not run")
    if counts.flips.error is not None:
        raise _UndefinedMetric(counts.flips.error)
    return divide(counts.flips.to_negative - counts.flips.to_positive, d.rows)


def generalized_entropy(counts: FacetCounts) -> float:
    """GE = 1/(2N) Σ [(b_i / mean b)² − 1] with b_i = ŷ_i − y_i + 1, all rows, in [0, inf); 0 when all benefit alike.

    Does not depend on the facet. Speicher et al., "A Unified Approach to Quantifying Algorithmic Unfairness" (2018),
    with α = 2.
    """
    rows = everyone(counts)
    if rows.rows == 0:
        raise _UndefinedMetric("dataset must be non-empty")
    mean = (rows.tp + rows.tn + 2 * rows.fp) / rows.rows
    if mean == 0:
        raise _UndefinedMetric(
            "All predicted labels are false negatives. "
            "There should be at least one prediction that is not false negative."
        )
    squares = rows.tp + rows.tn + 4 * rows.fp
    return (squares / mean**2 - rows.rows) / (2 * rows.rows)


def recall_difference(counts: FacetCounts) -> float:
    """RD = TP_a/n_a^(1) − TP_d/n_d^(1), in [−1, 1]; positive when recall is higher for a, 0 when alike."""
    a, d = _compared(counts, "DLA: ")
    return difference(divide(a.tp, a.positives), divide(d.tp, d.positives))


def specificity_difference(counts: FacetCounts) -> float:
    """SD = TN_d/n_d^(0) − TN_a/n_a^(0), in [−1, 1]; positive when specificity is higher for d, 0 when alike."""
    a, d = _compared(counts, "DLA: ")
    return difference(divide(d.tn, d.negatives), divide(a.tn, a.negatives))


def treatment_equality(counts: FacetCounts) -> float:
    """TE = FN_d/FP_d − FN_a/FP_a; positive when errors about d are more often wrong rejections, 0 when alike."""
    a, d = _compared(counts)
    return difference(divide(d.fn, d.fp), divide(a.fn, a.fp))


PRE_TRAINING: tuple[Metric, ...] = (
    Metric("CDDL", "Conditional Demographic Disparity in Labels (CDDL)", label_disparity),
    Metric("CI", "Class Imbalance (CI)", class_imbalance),
    Metric("DPL", "Difference in Positive Proportions in Labels (DPL)", label_proportion_difference),
    Metric("JS", "Jensen-Shannon Divergence (JS)", jensen_shannon),
    Metric("KL", "Kullback-Liebler Divergence (KL)", kullback_leibler),
    Metric("KS", "Kolmogorov-Smirnov Distance (KS)", kolmogorov_smirnov),
    Metric("LP", "L-p Norm (LP)", lp_norm),
    Metric("TVD", "Total Variation Distance (TVD)", total_variation),
)

POST_TRAINING: tuple[Metric, ...] = (
    Metric("AD", "Accuracy Difference (AD)", accuracy_difference),
    Metric("CDDPL", "Conditional Demographic Disparity in Predicted Labels (CDDPL)", predicted_label_disparity),
    Metric("DAR", "Difference in Acceptance Rates (DAR)", acceptance_rate_difference),
    Metric("DCA", "Difference in Conditional Acceptance (DCA)", conditional_acceptance_difference),
    Metric("DCR", "Difference in Conditional Rejection (DCR)", conditional_rejection_difference),
    Metric("DI", "Disparate Impact (DI)", disparate_impact),
    Metric("DPPL", "Difference in Positive Proportions in Predicted Labels (DPPL)", prediction_proportion_difference),
    Metric("DRR", "Difference in Rejection Rates (DRR)", rejection_rate_difference),
    Metric("FT", "Flip Test (FT)", flip_test),
    Metric("GE", "Generalized Entropy (GE)", generalized_entropy),
    Metric("RD", "Recall Difference (RD)", recall_difference),
    Metric("SD", "Specificity Difference (SD)", specificity_difference),
    Metric("TE", "Treatment Equality (TE)", treatment_equality),
)
