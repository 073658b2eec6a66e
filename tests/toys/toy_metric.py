"""A bias metric that is not in the product: the module that a new one needs, and its row in METRICS."""

from __future__ import annotations

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.detectable_differences import detectable_difference_of_shares
from clarify_spark.bias.formulas import compared
from clarify_spark.bias.hypothesis_tests import equal_shares
from clarify_spark.bias.intervals import difference, without_trials
from clarify_spark.bias.parts import Parts
from clarify_spark.bias.samples import ALL, FALSE_POSITIVE, D, Proportion
from clarify_spark.bias.sentences import SentenceFacts
from clarify_spark.config.metrics import Metric

FAVOURS = Proportion(FALSE_POSITIVE, ALL, "row")


def favours_difference(counts: FacetCounts) -> float:
    """TOY = FP_d/n_d − FP_a/n_a, in [−1, 1]; positive when d is wrongly favoured more often."""
    a, d = compared(counts)
    return d.fp / d.rows - a.fp / a.rows


def sentence(one: SentenceFacts) -> str:
    """The sentence about it."""
    return f"Of {one.groups.d} {one.d.fp:,} are favoured, of {one.groups.a} {one.a.fp:,} ({one.between()})."


TOY = Parts(
    formula=favours_difference,
    interval=difference(FAVOURS, first=D),
    sentence=sentence,
    too_little=without_trials(FAVOURS),
    null_test=equal_shares(FAVOURS),
    minimum_detectable_difference=detectable_difference_of_shares(FAVOURS),
)
ROW = Metric(
    name="TOY",
    stage="post_training",
    full_name="Difference in Favours (TOY)",
    meaning="Share of favours of the group, less that of all others",
    minimum="one row in each group",
    parts="toy_metric:TOY",
    worse="up",
    headline=True,
    closing_line=("predictions", "favours"),
    reading_place=1,
    chart_place=1,
)
