"""Metrics of labels and of predictions within the values of the group variable."""

from __future__ import annotations

import math
from collections.abc import Callable

from clarify_spark.bias.counts import Cells, FacetCounts
from clarify_spark.bias.detectable_differences import detectable_difference_of_strata
from clarify_spark.bias.formulas import UndefinedMetric, divide
from clarify_spark.bias.hypothesis_tests import no_association
from clarify_spark.bias.intervals import stratified, with_few_rows_per_stratum
from clarify_spark.bias.parts import Parts
from clarify_spark.bias.sentences import among_outcomes

#: Axes of the cells.
LABEL, PREDICTION = 1, 2


def label_disparity(counts: FacetCounts) -> float:
    """CDDL = Σ_i n_i (D_i − A_i) / Σ_i n_i over the values i of the group variable, in [−1, 1].

    D_i and A_i are the shares of d among the rows of i with negative and positive label. Positive when d is more often
    among the negative than among the positive ones, 0 when equally often.
    """
    return _conditional_disparity(counts, outcome_axis=LABEL)


def predicted_label_disparity(counts: FacetCounts) -> float:
    """CDDPL: CDDL with predictions in place of observed labels, in [−1, 1]; 0 when d is equally often among both."""
    return _conditional_disparity(counts, outcome_axis=PREDICTION)


def _conditional_disparity(counts: FacetCounts, outcome_axis: int) -> float:
    """Σ_i n_i (D_i − A_i) / Σ_i n_i; ``outcome_axis`` of the cells: 1 observed labels, 2 predictions."""
    if counts.strata is None:
        raise UndefinedMetric("Group variable is empty or not provided")
    other_axis = 3 - outcome_axis
    negatives, positives = counts.cells.sum(axis=(0, other_axis)).tolist()
    if positives == 0:
        raise UndefinedMetric("No positive labels in set")
    if negatives == 0:
        raise UndefinedMetric("No negative labels in set")
    strata = counts.strata.sum(axis=other_axis + 1)
    repeats = [1] * len(strata) if counts.multiplicity is None else counts.multiplicity.tolist()
    weights = [times * stratum.sum().item() for times, stratum in zip(repeats, strata, strict=True)]
    terms = [weight * _disparity(stratum) for weight, stratum in zip(weights, strata, strict=True)]
    return divide(math.fsum(terms), sum(weights))


def _disparity(stratum: Cells) -> float:
    """D − A of one group of rows: (2, 2) cells facet × outcome; a share is 0 where nobody has the outcome."""
    negatives, positives = stratum.sum(axis=0).tolist()
    share_of_negatives = stratum[1, 0].item() / negatives if negatives else 0.0
    share_of_positives = stratum[1, 1].item() / positives if positives else 0.0
    return share_of_negatives - share_of_positives


def _parts(formula: Callable[[FacetCounts], float], outcome_axis: int, outcomes: str) -> Parts:
    return Parts(
        formula=formula,
        interval=stratified(outcome_axis),
        sentence=among_outcomes(outcomes),
        too_little=with_few_rows_per_stratum,
        null_test=no_association(outcome_axis),
        minimum_detectable_difference=detectable_difference_of_strata(outcome_axis),
    )


CDDL = _parts(label_disparity, LABEL, "labels")
CDDPL = _parts(predicted_label_disparity, PREDICTION, "predictions")
