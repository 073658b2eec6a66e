"""Verdicts on intervals, and former results as bounds."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.bias.estimates import Interval, MetricEstimate
from clarify_spark.bias.verdicts import Bound, BoundsByMetric, baseline_bounds, no_further, verdict
from clarify_spark.errors import CommandError

ends = st.tuples(st.floats(-2, 2), st.floats(-2, 2)).map(sorted)


def inference(low, high):
    return MetricEstimate("DPL", (low + high) / 2, Interval(low, high, "wilson"))


@given(ends, ends)
def test_a_verdict_is_about_the_whole_interval(interval, bound):
    found = verdict(inference(*interval), Bound(*bound))
    inside = [bound[0] <= end <= bound[1] for end in interval]
    if found.kind == "within_bounds":
        assert all(inside)
    elif found.kind == "outside_bounds":
        assert interval[1] < bound[0] or interval[0] > bound[1]
    else:
        assert not all(inside)
        assert interval[0] <= bound[1]
        assert bound[0] <= interval[1]


@pytest.mark.parametrize(
    ("interval", "kind"),
    [
        ((-0.1, 0.1), "within_bounds"),  # ends are accepted
        ((0.1, 0.2), "not_enough_data"),
        ((0.11, 0.2), "outside_bounds"),
        ((0.05, math.inf), "not_enough_data"),
        ((-0.5, 0.5), "not_enough_data"),
    ],
)
def test_verdicts(interval, kind):
    assert verdict(inference(*interval), Bound(-0.1, 0.1)).kind == kind


def test_without_an_interval_data_are_not_enough_and_without_a_bound_there_is_no_verdict():
    assert verdict(MetricEstimate("RD", 0.5, reason="no row"), Bound(0, 1)).kind == "not_enough_data"
    assert verdict(inference(0, 1), None) is None


def test_one_end_may_be_open():
    assert verdict(MetricEstimate("DI", 2.0, Interval(0.9, math.inf, "x")), Bound(low=0.8)).kind == "within_bounds"
    assert str(Bound(low=0.8)) == "at least 0.8"


@given(st.sampled_from(["DPL", "DI", "KL", "GE", "CI"]), st.floats(0, 5), st.booleans())
def test_a_former_value_is_within_its_own_bound(metric, value, negative):
    value = -value if negative and metric != "DI" else value
    bound = no_further(metric, value)
    assert bound.low <= value <= bound.high


def test_no_further_from_the_ideal_value_on_either_side():
    assert no_further("DPL", -0.2) == Bound(-0.2, 0.2)
    assert no_further("DI", 0.8) == Bound(0.8, 1.25)
    assert no_further("DI", 0.0) == Bound(0.0, math.inf)
    assert no_further("JS", 0.3) == Bound(-math.inf, 0.3)


FORMER = {
    "pre_training_bias_metrics": {
        "facets": {
            "sex": [
                {
                    "value_or_threshold": "f",
                    "metrics": [{"name": "DPL", "value": 0.1}, {"name": "CDDL", "value": None, "error": "no group"}],
                }
            ]
        }
    }
}


def test_a_former_result_bounds_the_metrics_that_have_a_value_there():
    bounds = BoundsByMetric({}, baseline_bounds(json.dumps(FORMER), "a.json"))
    assert bounds.of_entry("pre_training", "sex", "f", "DPL") == Bound(-0.1, 0.1)
    assert bounds.of_entry("pre_training", "sex", "f", "CDDL") is None
    assert bounds.of_entry("pre_training", "sex", "m", "DPL") is None
    assert bounds.of("DPL") is None


def test_bounds_of_the_config_go_before_a_former_result():
    bounds = BoundsByMetric({"DPL": Bound(-1, 1)}, baseline_bounds(json.dumps(FORMER), "a.json"))
    assert bounds.of_entry("pre_training", "sex", "f", "DPL") == Bound(-1, 1)
    assert bounds.of("DPL") == Bound(-1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[]", "has neither"),
        ('{"version": "1.0"}', "has neither"),
        ('{"pre_training_bias_metrics": {"facets": {"sex": [{"metrics": 1}]}}}', "is not laid out"),
        ('{"pre_training_bias_metrics": {"facets": {"sex": 5}}}', "is not laid out"),
        ('{"pre_training_bias_metrics": 3}', "is not laid out"),
    ],
)
def test_what_is_no_former_result_is_told(text, words):
    with pytest.raises(CommandError, match=words):
        baseline_bounds(text, "a.json")
