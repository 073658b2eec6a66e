"""The tables of metrics: names, order, and what happens where a metric is undefined."""

import numpy as np
import pytest

from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.metrics import choose, measure, undefined_results
from clarify_spark.config.metrics import METRICS, of_stage
from clarify_spark.errors import ConfigError


def counts(cells, **others):
    """[a negative, a positive, d negative, d positive] labels, each as (predicted negative, predicted positive)."""
    return FacetCounts(np.array(cells, dtype=np.int64).reshape(2, 2, 2), True, **others)


BALANCED = counts([[20, 5], [5, 30], [10, 5], [5, 10]], flips=Flips(3, 1))


def value(name, of_counts):
    (result,) = measure([metric for metric in METRICS.values() if metric.name == name], of_counts)
    return result.error if result.value is None else result.value


def test_every_metric_of_clarify_is_in_the_tables():
    assert [metric.name for metric in of_stage("pre_training")] == ["CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"]
    post = "DPPL DI DCA DCR SD RD DAR DRR AD TE CDDPL FT GE"
    assert " ".join(metric.name for metric in of_stage("post_training")) == post
    assert all(metric.name == name for name, metric in METRICS.items())


def test_descriptions_end_with_the_short_name():
    assert all(metric.full_name.endswith(f"({metric.name})") for metric in METRICS.values())


def test_results_come_in_order_of_names_whatever_the_order_asked_for():
    chosen = choose(of_stage("post_training"), ("TE", "AD", "DI"), "methods.post_training_bias.methods")
    assert [result.name for result in measure(tuple(reversed(chosen)), BALANCED)] == ["AD", "DI", "TE"]
    assert [result.name for result in undefined_results(tuple(reversed(chosen)), "why")] == ["AD", "DI", "TE"]


@pytest.mark.parametrize("names", ["all", ("all",), ["all"]])
def test_all_means_every_metric(names):
    assert choose(of_stage("pre_training"), names, "here") == of_stage("pre_training")


def test_an_unknown_metric_is_a_config_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"methods.pre_training_bias.methods: unknown metric 'XYZ'; .*CDDL, CI"):
        choose(of_stage("pre_training"), ("CI", "XYZ"), "methods.pre_training_bias.methods")


def test_the_flip_test_is_the_balance_of_flips_over_the_rows_of_d():
    assert value("FT", BALANCED) == (3 - 1) / 30


def test_a_flip_test_that_could_not_run_carries_its_reason():
    assert value("FT", counts(np.ones(8), flips=Flips(error="text columns"))) == "text columns"


def test_a_flip_test_that_nobody_ran_is_a_bug_not_a_result():
    with pytest.raises(ValueError, match="flip test was not run"):
        value("FT", counts(np.ones(8)))


@pytest.mark.parametrize(
    ("name", "nobody_in_d", "nobody_in_a"),
    [
        ("AD", "Facet set is empty", "Negated Facet set is empty"),
        ("CI", "CI: facet set is empty. Check that x[facet] has non-zero length.",
         "CI: negated facet set is empty. Check that x[~facet] has non-zero length."),
        ("DAR", "DLR: Facet set is empty", "DLR: Negated Facet set is empty"),
        ("DCA", "DCO: Facet set is empty", "DCO: Negated Facet set is empty"),
        ("DI", "Facet set is empty", "Negated facet set is empty"),
        ("DPL", "Facet set is empty.", "Negative facet set is empty."),
        ("FT", "Facet set is empty", "Negated Facet set is empty"),
        ("KL", "No instance of common facet found, dataset may be too small",
         "No instance of common facet found, dataset may be too small"),
        ("RD", "DLA: Facet set is empty", "DLA: Negated Facet set is empty"),
    ],
)  # fmt: skip
def test_an_empty_group_gives_the_references_words(name, nobody_in_d, nobody_in_a):
    assert value(name, counts([[4, 1], [2, 3], [0, 0], [0, 0]])) == nobody_in_d
    assert value(name, counts([[0, 0], [0, 0], [4, 1], [2, 3]])) == nobody_in_a


def test_only_false_negatives_leave_generalized_entropy_undefined():
    assert value("GE", counts([[0, 0], [4, 0], [0, 0], [3, 0]])).startswith("All predicted labels are false negatives.")


def test_ratios_without_a_denominator_are_infinite_and_equal_infinities_cancel():
    nobody_positive_in_a = counts([[10, 0], [5, 0], [5, 5], [2, 8]])
    assert value("DI", nobody_positive_in_a) == float("inf")
    assert value("DCA", nobody_positive_in_a) == float("inf")
    assert value("TE", nobody_positive_in_a) == float("-inf")
    assert value("TE", counts([[10, 0], [5, 5], [5, 0], [2, 8]])) == 0.0


def test_divergences_use_only_outcomes_that_both_groups_have():
    all_positive_in_a = counts([[0, 0], [10, 0], [5, 0], [5, 0]])
    assert value("TVD", all_positive_in_a) == 0.25
    assert value("KS", all_positive_in_a) == 0.5
    assert value("KL", all_positive_in_a) == pytest.approx(np.log(2))
    assert value("KL", counts([[5, 0], [5, 0], [0, 0], [10, 0]])) == pytest.approx(-np.log(2) / 2)


class TestConditionalDisparity:
    def test_without_a_group_variable_it_is_undefined(self):
        assert value("CDDL", BALANCED) == "Group variable is empty or not provided"

    def test_it_is_undefined_for_one_outcome_only(self):
        strata = np.ones((1, 2, 2, 2), dtype=np.int64)
        assert value("CDDL", counts([[0, 0], [4, 1], [0, 0], [2, 2]], strata=strata)) == "No negative labels in set"
        assert value("CDDPL", counts([[4, 0], [4, 0], [1, 0], [2, 0]], strata=strata)) == "No positive labels in set"

    def test_rows_without_a_group_have_no_weight(self):
        strata = np.array([[[[1, 0], [1, 0]], [[2, 0], [0, 0]]]])
        assert value("CDDL", counts([[9, 0], [9, 0], [9, 0], [9, 0]], strata=strata)) == 2 / 3

    def test_when_every_group_is_missing_it_is_zero(self):
        assert value("CDDL", counts(np.ones(8), strata=np.zeros((0, 2, 2, 2), dtype=np.int64))) == 0.0

    def test_an_empty_facet_gives_zero_not_an_error(self):
        strata = np.array([[[[1, 0], [1, 0]], [[0, 0], [0, 0]]]])
        assert value("CDDL", counts([[1, 0], [1, 0], [0, 0], [0, 0]], strata=strata)) == 0.0
