"""Results that mean little are called so, with the counts."""

from dataclasses import replace

import numpy as np
import pytest

from clarify_spark.bias.cautions import bias_cautions
from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.flip_metrics import flip_note
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles

ROLES = Roles(
    (FacetRole("sex", "categorical", (Predicate("sex", (0,), None, "0"),), listed=False),),
    LabelRole("y", "categorical", Predicate("y", (1,), None, "1")),
    LabelRole("p", "categorical", Predicate("p", (1,), None, "1")),
    None,
    (),
)
#: [a negative, a positive, d negative, d positive] labels, each as (predicted negative, predicted positive).
HEALTHY = [[50, 10], [10, 50], [30, 10], [10, 30]]


def found(cells, roles=ROLES, flips=None):
    counts = FacetCounts(np.array(cells).reshape(2, 2, 2), True, flips=flips)
    return bias_cautions(roles, [[counts]])


def codes(cells, **others):
    return [caution.code for caution in found(cells, **others)]


def test_a_healthy_result_needs_no_caution():
    assert found(HEALTHY) == ()


@pytest.mark.parametrize(
    ("cells", "code", "words"),
    [
        ([[50, 0], [50, 0], [50, 0], [50, 0]], "no_positive_prediction", "None of 200 predictions is positive (1)"),
        ([[0, 50], [0, 50], [0, 50], [0, 50]], "constant_prediction", "All 200 predictions are positive"),
        ([[50, 0], [0, 50], [50, 0], [0, 50]], "perfect", "right about all 200 rows"),
        ([[0, 0], [50, 50], [0, 0], [50, 50]], "one_label", "All 200 labels are positive"),
        ([[50, 50], [0, 0], [50, 50], [0, 0]], "one_label", "All 200 labels are negative"),
        ([[50, 50], [50, 50], [0, 0], [0, 0]], "empty", "No row is in facet d of 'sex' = '0' (200 rows)"),
        ([[0, 0], [0, 0], [50, 50], [50, 50]], "empty", "No row is in facet a (all other rows) of 'sex'"),
        ([[50, 50], [50, 50], [8, 7], [7, 7]], "small", "Only 29 of 229 rows are in facet d"),
    ],
)
def test_degenerate_counts_are_named(cells, code, words):
    (caution,) = found(cells)
    assert caution.code == code
    assert words in caution.sentence


def test_thirty_rows_are_no_longer_a_small_group():
    assert codes([[50, 50], [50, 50], [8, 7], [8, 7]]) == []


def test_cautions_about_a_group_name_the_entry_and_those_about_the_model_do_not():
    scopes = [(one.facet, one.entry, one.metric) for one in found([[50, 0], [50, 0], [5, 0], [5, 0]])]
    assert scopes == [(None, None, None), ("sex", "0", None)]


def test_without_readable_predictions_nothing_is_said_about_them():
    cells = [[50, 0], [50, 0], [50, 0], [50, 0]]
    assert codes(cells, roles=replace(ROLES, predicted=None)) == []
    assert codes(cells, roles=replace(ROLES, predicted=replace(ROLES.predicted, error="not the same"))) == []


def test_one_label_only_is_not_called_perfect_as_well():
    assert codes([[50, 0], [0, 0], [50, 0], [0, 0]]) == ["one_label", "no_positive_prediction"]


def test_a_note_of_the_flip_test_becomes_a_caution_on_that_metric():
    (caution,) = found(HEALTHY, flips=Flips(1, 2, note="FT: ties."))
    assert (caution.code, caution.facet, caution.metric) == ("flip_test", "sex", "FT")
    assert caution.sentence == "FT of 'sex' = '0': ties."


def test_no_facets_no_cautions():
    assert bias_cautions(replace(ROLES, facets=()), []) == ()


@pytest.mark.parametrize(
    ("spreads", "tied", "words"),
    [
        ({"income": 5000.0, "age": 10.0}, 0, "'income' spreads 500 times as wide as 'age'"),
        ({"a": 1.0, "b": 2.0}, 7, "7 of 90 rows have equally distant neighbours"),
        ({"income": 5000.0, "age": 10.0, "constant": 0.0}, 7, "who is a neighbour; 7 of 90"),
    ],
)
def test_the_flip_test_says_what_distorts_it(spreads, tied, words):
    assert words in flip_note(spreads, tied, 90)


@pytest.mark.parametrize("spreads", [{}, {"a": 1.0, "b": 9.0}, {"constant": 0.0}])
def test_scaled_data_without_ties_need_no_note(spreads):
    assert flip_note(spreads, 0, 90) is None


def sentences_of(cells, interval=None):
    role = FacetRole("f", "categorical", (Predicate("f", ("x",), interval, "x"),), listed=False)
    positive = Predicate("y", (1,), None, "1")
    label, predicted = (LabelRole(name, "categorical", positive) for name in ("y", "p"))
    roles = Roles((role,), label, predicted, None, ())
    found = bias_cautions(roles, [[FacetCounts(np.array(cells).reshape(2, 2, 2), True)]])
    return {caution.code: caution.sentence for caution in found}


def test_a_facet_that_says_what_the_label_says_is_a_proxy():
    found = sentences_of([95, 5, 0, 0, 0, 0, 4, 96])
    assert "says nearly the same as a positive label (200 of 200 rows agree)" in found["proxy"]
    assert "a negative label" in sentences_of([0, 0, 4, 96, 95, 5, 0, 0])["proxy"]
    assert "proxy" not in sentences_of([80, 5, 10, 5, 10, 5, 4, 81])


def test_one_group_with_constant_labels_or_predictions():
    found = sentences_of([40, 10, 10, 40, 30, 10, 0, 0])
    assert found["one_label_in_group"] == "All 40 labels in facet d of 'f' = 'x' are negative."
    assert "constant_prediction_in_group" not in found
    found = sentences_of([40, 10, 10, 40, 30, 0, 10, 0])
    assert found["constant_prediction_in_group"] == "All 40 predictions in facet d of 'f' = 'x' are negative."


def test_a_threshold_that_selects_nothing_or_everything_is_named():
    assert "the threshold selects nothing" in sentences_of([40, 10, 10, 40, 0, 0, 0, 0], (1.0, 2.0))["empty"]
    assert "the threshold selects every row" in sentences_of([0, 0, 0, 0, 40, 10, 10, 40], (1.0, 2.0))["empty"]
    assert "threshold" not in sentences_of([40, 10, 10, 40, 0, 0, 0, 0])["empty"]
