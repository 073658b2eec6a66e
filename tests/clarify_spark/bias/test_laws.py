"""Laws of the metrics over random rows, against formulas written per row and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from clarify_spark.bias.counts import FacetCounts, Flips, everyone
from clarify_spark.bias.formulas import divide
from clarify_spark.bias.metrics import measure
from clarify_spark.bias.performance import performance_metrics
from clarify_spark.bias.statistics import post_training_statistics
from clarify_spark.config.metrics import of_stage

CLOSE = {"rel_tol": 1e-12, "abs_tol": 1e-12}
#: Metrics that compare a with d by a difference, and so change sign when a and d change places.
DIFFERENCES = ("CI", "DPL", "AD", "DAR", "DCA", "DCR", "DPPL", "DRR", "RD", "SD", "TE")

#: A busy machine is no reason to fail.
law = settings(deadline=None)

booleans = st.booleans()
rows = st.lists(st.tuples(booleans, booleans, booleans, st.integers(0, 3)), min_size=1, max_size=60)


def columns(rows):
    """in d, positive label, positive prediction, group: one array each."""
    table = np.array(rows, dtype=int)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def cells(rows):
    in_d, label, predicted, _ = columns(rows) if rows else [np.zeros(0, dtype=int)] * 4
    return np.bincount(in_d * 4 + label * 2 + predicted, minlength=8).reshape(2, 2, 2)


def counts(rows):
    groups = sorted({group for *_, group in rows})
    strata = np.array([cells([row for row in rows if row[3] == group]) for group in groups])
    return FacetCounts(cells(rows), True, strata, flips=Flips(error="not run"))


def values(rows_or_counts):
    one = rows_or_counts if isinstance(rows_or_counts, FacetCounts) else counts(rows_or_counts)
    results = (*measure(of_stage("pre_training"), one), *measure(of_stage("post_training"), one))
    return {result.name: result.error if result.value is None else result.value for result in results}


def same(left, right):
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return left == right or math.isclose(left, right, **CLOSE)


@law
@given(rows, rows)
def test_counts_of_a_union_are_the_sum_of_counts(some, others):
    assert (counts(some).cells + counts(others).cells == counts(some + others).cells).all()


@law
@given(rows, st.randoms(use_true_random=False))
def test_no_metric_depends_on_the_order_of_rows_or_of_groups(some, random):
    shuffled = random.sample(some, len(some))
    one = counts(some)
    backwards = FacetCounts(one.cells, True, one.strata[::-1], flips=one.flips)
    assert values(some) == values(shuffled) == values(backwards)


@law
@given(rows)
def test_swapping_the_facets_negates_every_difference(some):
    swapped = [(not in_d, label, predicted, group) for in_d, label, predicted, group in some]
    here, there = values(some), values(swapped)
    for name in DIFFERENCES:
        if not isinstance(here[name], str):
            assert same(here[name], -there[name]), name


#: Both outcomes in both facets.
EVERY_OUTCOME = [(in_d, label, False, 0) for in_d in (False, True) for label in (False, True)]


@law
@given(rows)
def test_with_both_outcomes_in_both_facets_the_distances_are_multiples_of_dpl(some):
    found = values([*EVERY_OUTCOME, *some])
    for name, factor in (("TVD", 1), ("KS", 1), ("LP", math.sqrt(2))):
        assert same(found[name], factor * abs(found["DPL"])), name
    assert found["KL"] >= -1e-12
    assert -1e-12 <= found["JS"] <= math.log(2)


@law
@given(rows)
def test_predicting_the_labels_leaves_no_difference_in_errors(some):
    found = values([(in_d, label, label, group) for in_d, label, _, group in [*EVERY_OUTCOME, *some]])
    for name in ("AD", "DAR", "DCA", "DCR", "DRR", "RD", "SD", "TE", "GE"):
        assert found[name] == 0, name
    assert same(found["CDDL"], found["CDDPL"])
    assert same(found["DPL"], found["DPPL"])


@law
@given(rows, st.integers(2, 4))
def test_equal_strata_may_be_counted_once_with_their_number(some, times):
    one = counts(some)
    apart = FacetCounts(one.cells * times, True, np.concatenate([one.strata] * times), flips=one.flips)
    repeats = np.full(len(one.strata), times)
    together = FacetCounts(one.cells * times, True, one.strata, repeats, one.flips)
    apart_values, together_values = values(apart), values(together)
    assert all(same(apart_values[name], together_values[name]) for name in apart_values)


@law
@given(rows)
def test_performance_agrees_with_scikit_learn(some):
    _, label, predicted, _ = columns(some)
    found = {result.name: result.value for result in performance_metrics(everyone(counts(some)))}
    assert same(found["Accuracy"], accuracy_score(label, predicted))
    assert same(found["True Positive Rate / Recall"], recall_score(label, predicted, zero_division=0))
    assert same(found["True Negative Rate / Specificity"], recall_score(1 - label, 1 - predicted, zero_division=0))
    assert same(found["Acceptance Rate / Precision"], precision_score(label, predicted, zero_division=0))
    assert same(found["Rejection Rate"], precision_score(1 - label, 1 - predicted, zero_division=0))
    assert same(found["F1 Score"], f1_score(label, predicted, zero_division=0))


@pytest.mark.slow
@law
@given(rows)
def test_differences_of_rates_agree_with_scikit_learn_in_each_group(some):
    in_d, label, predicted, _ = columns(some)
    found = values(some)
    a, d = in_d == 0, in_d == 1
    if not a.any() or not d.any():
        return

    def rate(score, group, flip):
        return score(np.abs(flip - label[group]), np.abs(flip - predicted[group]), zero_division=0)

    assert same(found["AD"], np.mean(label[a] == predicted[a]) - np.mean(label[d] == predicted[d]))
    assert same(found["RD"], rate(recall_score, a, 0) - rate(recall_score, d, 0))
    assert same(found["SD"], rate(recall_score, d, 1) - rate(recall_score, a, 1))
    assert same(found["DAR"], rate(precision_score, a, 0) - rate(precision_score, d, 0))
    assert same(found["DRR"], rate(precision_score, d, 1) - rate(precision_score, a, 1))


@law
@given(rows)
def test_metrics_agree_with_formulas_written_per_row(some):
    in_d, label, predicted, group = columns(some)
    found = values(some)
    benefit = predicted - label + 1
    if benefit.any():
        assert same(found["GE"], np.mean((benefit / benefit.mean()) ** 2 - 1) / 2)
    for name, outcome in (("CDDL", label), ("CDDPL", predicted)):
        if 0 < outcome.sum() < len(outcome):
            assert same(found[name], conditional_disparity(in_d, outcome, group)), name
    a, d = in_d == 0, in_d == 1
    if a.any() and d.any():
        assert same(found["CI"], (a.sum() - d.sum()) / len(in_d))
        assert same(found["DPL"], label[a].mean() - label[d].mean())
        assert same(found["DPPL"], predicted[a].mean() - predicted[d].mean())
        assert same(found["DI"], divide(predicted[d].mean(), predicted[a].mean()))


def conditional_disparity(in_d, outcome, group):
    total = 0.0
    for value in np.unique(group):
        here = group == value
        rejected, accepted = in_d[here & (outcome == 0)], in_d[here & (outcome == 1)]
        shares = [part.mean() if len(part) else 0.0 for part in (rejected, accepted)]
        total += here.sum() * (shares[0] - shares[1])
    return total / len(group)


@law
@given(rows)
def test_shares_of_a_group_sum_to_one_or_the_group_is_empty(some):
    proportion, labels, matrix = (statistic.value for statistic in post_training_statistics(counts(some)))
    assert 0 <= proportion <= 1
    assert same(sum(labels), 1.0)
    assert same(sum(matrix), 1.0 if proportion else 0.0)


@pytest.mark.parametrize(
    ("numerator", "denominator", "ratio"),
    [(0, 0, 0.0), (3, 0, math.inf), (-3, 0, -math.inf), (1, 4, 0.25)],
)
def test_division_by_zero_follows_the_convention(numerator, denominator, ratio):
    assert divide(numerator, denominator) == ratio
