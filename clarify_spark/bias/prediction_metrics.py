"""Metrics of the predictions, alone and against the labels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clarify_spark.bias.counts import FacetCounts, everyone
from clarify_spark.bias.detectable_differences import detectable_difference_of_ratio
from clarify_spark.bias.formulas import UndefinedMetric, compared, difference, divide, sides
from clarify_spark.bias.hypothesis_tests import equal_ratios, equal_shares
from clarify_spark.bias.intervals import difference_of_ratios, from_draws, ratio, without, without_trials
from clarify_spark.bias.parts import Parts, difference_of_shares
from clarify_spark.bias.posterior_draws import BLOCK, posterior_draws
from clarify_spark.bias.proportions import Floats
from clarify_spark.bias.samples import (
    ALL,
    CORRECT,
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    POSITIVE,
    PREDICTED,
    PREDICTIONS,
    TRUE_NEGATIVE,
    TRUE_POSITIVE,
    A,
    Batch,
    D,
    Proportion,
    Reasons,
)
from clarify_spark.bias.sentences import SentenceFacts, for_each, positive_predictions

# --- positive predictions ---------------------------------------------------------------------------------------------


def prediction_proportion_difference(counts: FacetCounts) -> float:
    """DPPL = n̂_a^(1)/n_a − n̂_d^(1)/n_d, in [−1, 1]; positive when predictions favour a, 0 when equally often."""
    a, d = sides(counts, "Negative facet set is empty.", "Facet set is empty.")
    return a.predicted_positives / a.rows - d.predicted_positives / d.rows


DPPL = difference_of_shares(
    prediction_proportion_difference, PREDICTIONS, "gets a positive prediction", positive_predictions
)


def disparate_impact(counts: FacetCounts) -> float:
    """DI = (n̂_d^(1)/n_d) / (n̂_a^(1)/n_a), in [0, inf]; below 1 when d is predicted positive less often.

    1 means equally often; 0 means that nobody of d is predicted positive.
    """
    a, d = sides(counts, "Negated facet set is empty", "Facet set is empty")
    return divide(d.predicted_positives / d.rows, a.predicted_positives / a.rows)


def _without_impact(batch: Batch) -> Reasons:
    of_a, of_d = (batch.sample.total(group, PREDICTED) for group in (A, D))
    nobody = "nobody in either facet has a positive prediction"
    reasons = without_trials(PREDICTIONS)(batch)
    return [reason or (None if any_ else nobody) for reason, any_ in zip(reasons, of_a + of_d > 0, strict=True)]


def _impact(one: SentenceFacts) -> str:
    counts = one.shares(*positive_predictions(one.d), *positive_predictions(one.a))
    alike = "cannot be told from as often: " if one.interval.low <= 1 <= one.interval.high else ""
    return (
        f"{one.groups.d} gets a positive prediction {one.value:.3g} times as often as {one.groups.a} "
        f"({alike}{one.between()}; {counts})."
    )


DI = Parts(
    formula=disparate_impact,
    interval=ratio(PREDICTIONS),
    sentence=_impact,
    too_little=_without_impact,
    null_test=equal_shares(PREDICTIONS),
    minimum_detectable_difference=detectable_difference_of_ratio(PREDICTIONS),
)


# --- right predictions ------------------------------------------------------------------------------------------------


def accuracy_difference(counts: FacetCounts) -> float:
    """AD = ACC_a − ACC_d, in [−1, 1]; positive when the model is right more often for a, 0 when equally often."""
    a, d = compared(counts)
    return (a.tp + a.tn) / a.rows - (d.tp + d.tn) / d.rows


AD = difference_of_shares(
    accuracy_difference,
    Proportion(CORRECT, ALL, "row"),
    "is predicted rightly",
    lambda of: (of.tp + of.tn, of.rows),
)


def recall_difference(counts: FacetCounts) -> float:
    """RD = TP_a/n_a^(1) − TP_d/n_d^(1), in [−1, 1]; positive when recall is higher for a, 0 when alike."""
    a, d = compared(counts, "DLA: ")
    return difference(divide(a.tp, a.positives), divide(d.tp, d.positives))


RD = difference_of_shares(
    recall_difference,
    Proportion(TRUE_POSITIVE, POSITIVE, "row with a positive label"),
    "with a positive label gets a positive prediction",
    lambda of: (of.tp, of.positives),
)


def specificity_difference(counts: FacetCounts) -> float:
    """SD = TN_d/n_d^(0) − TN_a/n_a^(0), in [−1, 1]; positive when specificity is higher for d, 0 when alike."""
    a, d = compared(counts, "DLA: ")
    return difference(divide(d.tn, d.negatives), divide(a.tn, a.negatives))


SD = difference_of_shares(
    specificity_difference,
    Proportion(TRUE_NEGATIVE, ~POSITIVE, "row with a negative label"),
    "with a negative label gets a negative prediction",
    lambda of: (of.tn, of.negatives),
    first=D,
)


def acceptance_rate_difference(counts: FacetCounts) -> float:
    """DAR = TP_a/n̂_a^(1) − TP_d/n̂_d^(1), in [−1, 1]; positive when precision is higher for a, 0 when alike."""
    a, d = compared(counts, "DLR: ")
    return difference(divide(a.tp, a.predicted_positives), divide(d.tp, d.predicted_positives))


DAR = difference_of_shares(
    acceptance_rate_difference,
    Proportion(TRUE_POSITIVE, PREDICTED, "row with a positive prediction"),
    "has a positive label after a positive prediction",
    lambda of: (of.tp, of.predicted_positives),
)


def rejection_rate_difference(counts: FacetCounts) -> float:
    """DRR = TN_d/n̂_d^(0) − TN_a/n̂_a^(0), in [−1, 1]; positive when d is rejected rightly more often, 0 when alike."""
    a, d = compared(counts, "DLR: ")
    return difference(divide(d.tn, d.predicted_negatives), divide(a.tn, a.predicted_negatives))


DRR = difference_of_shares(
    rejection_rate_difference,
    Proportion(TRUE_NEGATIVE, ~PREDICTED, "row with a negative prediction"),
    "has a negative label after a negative prediction",
    lambda of: (of.tn, of.predicted_negatives),
    first=D,
)


# --- ratios of counts -------------------------------------------------------------------------------------------------


def conditional_acceptance_difference(counts: FacetCounts) -> float:
    """DCA = n_a^(1)/n̂_a^(1) − n_d^(1)/n̂_d^(1); positive when a is accepted too rarely compared with d, 0 when alike."""
    a, d = compared(counts, "DCO: ")
    return difference(divide(a.positives, a.predicted_positives), divide(d.positives, d.predicted_positives))


DCA = Parts(
    formula=conditional_acceptance_difference,
    interval=difference_of_ratios(POSITIVE, PREDICTED, A),
    sentence=for_each("positive labels", "positive prediction", lambda of: (of.positives, of.predicted_positives)),
    too_little=without(PREDICTED, "row with a positive prediction"),
    null_test=equal_ratios(POSITIVE, PREDICTED),
)


def conditional_rejection_difference(counts: FacetCounts) -> float:
    """DCR = n_d^(0)/n̂_d^(0) − n_a^(0)/n̂_a^(0); positive when a is rejected too often compared with d, 0 when alike."""
    a, d = compared(counts, "DCO: ")
    return difference(divide(d.negatives, d.predicted_negatives), divide(a.negatives, a.predicted_negatives))


DCR = Parts(
    formula=conditional_rejection_difference,
    interval=difference_of_ratios(~POSITIVE, ~PREDICTED, D),
    sentence=for_each("negative labels", "negative prediction", lambda of: (of.negatives, of.predicted_negatives)),
    too_little=without(~PREDICTED, "row with a negative prediction"),
    null_test=equal_ratios(~POSITIVE, ~PREDICTED),
)


def treatment_equality(counts: FacetCounts) -> float:
    """TE = FN_d/FP_d − FN_a/FP_a; positive when errors about d are more often wrong rejections, 0 when alike."""
    a, d = compared(counts)
    return difference(divide(d.fn, d.fp), divide(a.fn, a.fp))


TE = Parts(
    formula=treatment_equality,
    interval=difference_of_ratios(FALSE_NEGATIVE, FALSE_POSITIVE, D),
    sentence=for_each("false negatives", "false positive", lambda of: (of.fn, of.fp)),
    too_little=without(FALSE_POSITIVE, "false positive"),
    null_test=equal_shares(Proportion(FALSE_NEGATIVE, FALSE_NEGATIVE | FALSE_POSITIVE, "error")),
)


# --- benefits of all rows ---------------------------------------------------------------------------------------------


def generalized_entropy(counts: FacetCounts) -> float:
    """GE = 1/(2N) Σ [(b_i / mean b)² − 1] with b_i = ŷ_i − y_i + 1, all rows, in [0, inf); 0 when all benefit alike.

    Does not depend on the facet. Speicher et al., "A Unified Approach to Quantifying Algorithmic Unfairness" (2018),
    with α = 2.
    """
    rows = everyone(counts)
    if rows.rows == 0:
        raise UndefinedMetric("dataset must be non-empty")
    mean = (rows.tp + rows.tn + 2 * rows.fp) / rows.rows
    if mean == 0:
        raise UndefinedMetric(
            "All predicted labels are false negatives. "
            "There should be at least one prediction that is not false negative."
        )
    squares = rows.tp + rows.tn + 4 * rows.fp
    return (squares / mean**2 - rows.rows) / (2 * rows.rows)


def entropy_of_cells(cells: Floats) -> Floats:
    """GE (…) of cells (…, 2, 2), as ``generalized_entropy`` gives it."""
    total = cells.sum(axis=(-2, -1))
    mean = 1 + (cells[..., 0, 1] - cells[..., 1, 0]) / total
    squares = (total - cells[..., 1, 0] + 3 * cells[..., 0, 1]) / total
    return np.asarray((squares / mean**2 - 1) / 2, np.float64)


def _entropy_quantiles(batch: Batch, e: int, levels: list[float]) -> Floats:
    cells, squares = batch.sample.cells[e].sum(axis=0), batch.sample.squares[e].sum(axis=0)
    return _of_everyone(cells.tobytes(), squares.tobytes(), batch.seed, *levels)


@lru_cache(maxsize=BLOCK)
def _of_everyone(cells: bytes, squares: bytes, seed: int, *levels: float) -> Floats:
    """Quantiles of draws of all rows' entropy, the same for every entry of a data set."""
    weights, squared = (np.frombuffer(of_all).reshape(2, 2) for of_all in (cells, squares))
    return np.asarray(np.quantile(entropy_of_cells(posterior_draws(weights, squared, 0, seed)), levels))


def _entropy(one: SentenceFacts) -> str:
    rows = int(one.counts.rows.sum())
    return (
        f"Over all {rows:,} rows the generalized entropy of what the predictions grant is {one.value:.3g}, 0 when all "
        f"are granted alike ({one.between()})."
    )


GE = Parts(formula=generalized_entropy, interval=from_draws(_entropy_quantiles), sentence=_entropy)
