"""Everything that is computed and reported about one metric, as its row in ``config.metrics`` names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.detectable_differences import (
    DetectableDifferences,
    detectable_difference_of_shares,
    no_detectable_difference,
)
from clarify_spark.bias.hypothesis_tests import NullTests, equal_shares, nothing_to_test
from clarify_spark.bias.intervals import Method, difference, enough, without_trials
from clarify_spark.bias.samples import A, Batch, D, Proportion, Reasons
from clarify_spark.bias.sentences import Counted, SentenceFacts, more_or_less_often
from clarify_spark.config.metrics import METRICS
from clarify_spark.udfs.dotted_names import resolved


@dataclass(frozen=True)
class Parts:
    """The parts of a metric.

    ``formula``: its value; raises UndefinedMetric where the counts leave it without one. ``interval``: its
    confidence interval; ``too_little``: which comparisons have too few data for that, and why. ``null_test``: a test of
    the hypothesis that the groups are alike; ``minimum_detectable_difference``: what that test detects. ``sentence``:
    the value with its interval in words.
    """

    formula: Callable[[FacetCounts], float]
    interval: Method
    sentence: Callable[[SentenceFacts], str]
    too_little: Callable[[Batch], Reasons] = enough
    null_test: NullTests = nothing_to_test
    minimum_detectable_difference: DetectableDifferences = no_detectable_difference


def parts_of(name: str) -> Parts:
    """The parts of the metric with that short name."""
    found: Parts = resolved(METRICS[name].parts)
    return found


def difference_of_shares(
    formula: Callable[[FacetCounts], float], proportion: Proportion, what: str, counted: Counted, first: int = A
) -> Parts:
    """The parts of a metric that is one group's proportion minus the other's: that of ``first`` (A or D) comes first.

    ``what``: the verb of facet d in its sentence; ``counted``: successes and trials of a group.
    """
    return Parts(
        formula=formula,
        interval=difference(proportion, first),
        sentence=more_or_less_often(what, counted, first == D),
        too_little=without_trials(proportion),
        null_test=equal_shares(proportion),
        minimum_detectable_difference=detectable_difference_of_shares(proportion),
    )
