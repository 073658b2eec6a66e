"""The bias metrics as plain facts; to add one, write the module that ``parts`` names, and its row here.

d is the group that a facet entry names, a all other rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["pre_training", "post_training"]
Direction = Literal["up", "down", "both"]
Outcome = Literal["labels", "predictions"]


@dataclass(frozen=True)
class Metric:
    """A bias metric without its arithmetic.

    ``stage``: metrics after training need predictions. ``full_name``: what analysis.json calls it. ``meaning`` and
    ``minimum``: what it is, and the least data for which it has an interval, in plain words. ``parts``: the dotted
    name of its ``clarify_spark.bias.parts.Parts``. ``ideal``: its value for groups that are alike: 0, or 1 for a
    ratio; ``ideal_means``: that in words. ``outcomes``: the columns of outcomes that it looks at, where not all of
    its stage. ``worse``: the direction from there in which things get worse. ``headline``: one of the few that are
    shown where there is no room for all. ``needs_flips``: computed from the flip test, which compares rows without
    the facet itself; combinations of facets have no such test and leave the metric out. ``closing_line``: which
    closing line of a run shows it, requested or not, and what it is called there. ``reading_place`` and
    ``chart_place``: its places in a report's reading help and chart. Metrics with ``ideal`` 0 share a chart of
    differences (above 0 where d has less than a), those with 1 one of ratios (above 1 where d has more).
    """

    name: str
    stage: Stage
    full_name: str
    meaning: str
    minimum: str
    parts: str
    ideal: Literal[0, 1] = 0
    ideal_means: str = "no difference"
    worse: Direction = "both"
    outcomes: tuple[Outcome, ...] | None = None
    headline: bool = False
    needs_flips: bool = False
    closing_line: tuple[Literal["labels", "predictions"], str] | None = None
    reading_place: int = 100
    chart_place: int | None = None


_ROWS = "one row in each group"
_BOTH_OUTCOMES = "rows with positive and rows with negative labels in each group"
_STRATA = "10 rows for each value of the group variable, on average"

METRICS: dict[str, Metric] = {
    "CI": Metric(
        name="CI",
        stage="pre_training",
        full_name="Class Imbalance (CI)",
        meaning="How much smaller the group is than all others: (others − group) / all rows",
        minimum=_ROWS,
        parts="clarify_spark.bias.label_metrics:CI",
        outcomes=(),
        reading_place=1,
    ),
    "DPL": Metric(
        name="DPL",
        stage="pre_training",
        full_name="Difference in Positive Proportions in Labels (DPL)",
        meaning="Share of positive labels of all others, less that of the group",
        minimum=_ROWS,
        parts="clarify_spark.bias.label_metrics:DPL",
        headline=True,
        closing_line=("labels", "difference"),
        reading_place=2,
        chart_place=1,
    ),
    "KL": Metric(
        name="KL",
        stage="pre_training",
        full_name="Kullback-Liebler Divergence (KL)",
        meaning="How far the labels of the two are apart (Kullback-Leibler divergence)",
        minimum=_BOTH_OUTCOMES,
        parts="clarify_spark.bias.label_metrics:KL",
        worse="up",
        reading_place=4,
    ),
    "JS": Metric(
        name="JS",
        stage="pre_training",
        full_name="Jensen-Shannon Divergence (JS)",
        meaning="How far the labels of the two are from their mean (Jensen-Shannon divergence)",
        minimum=_BOTH_OUTCOMES,
        parts="clarify_spark.bias.label_metrics:JS",
        worse="up",
        reading_place=5,
    ),
    "LP": Metric(
        name="LP",
        stage="pre_training",
        full_name="L-p Norm (LP)",
        meaning="Distance of the shares of labels (Euclidean norm)",
        minimum=_BOTH_OUTCOMES,
        parts="clarify_spark.bias.label_metrics:LP",
        worse="up",
        reading_place=6,
    ),
    "TVD": Metric(
        name="TVD",
        stage="pre_training",
        full_name="Total Variation Distance (TVD)",
        meaning="Half of the summed differences of the shares of labels",
        minimum=_BOTH_OUTCOMES,
        parts="clarify_spark.bias.label_metrics:TVD",
        worse="up",
        reading_place=7,
    ),
    "KS": Metric(
        name="KS",
        stage="pre_training",
        full_name="Kolmogorov-Smirnov Distance (KS)",
        meaning="The largest difference of the shares of labels",
        minimum=_BOTH_OUTCOMES,
        parts="clarify_spark.bias.label_metrics:KS",
        worse="up",
        reading_place=8,
    ),
    "CDDL": Metric(
        name="CDDL",
        stage="pre_training",
        full_name="Conditional Demographic Disparity in Labels (CDDL)",
        meaning="Share of the group among negative labels, less that among positive ones, within the group variable",
        minimum=_STRATA,
        parts="clarify_spark.bias.conditional_metrics:CDDL",
        reading_place=3,
        chart_place=3,
    ),
    "DPPL": Metric(
        name="DPPL",
        stage="post_training",
        full_name="Difference in Positive Proportions in Predicted Labels (DPPL)",
        meaning="Share of positive predictions of all others, less that of the group",
        minimum=_ROWS,
        parts="clarify_spark.bias.prediction_metrics:DPPL",
        outcomes=("predictions",),
        headline=True,
        closing_line=("predictions", "difference"),
        reading_place=9,
        chart_place=2,
    ),
    "DI": Metric(
        name="DI",
        stage="post_training",
        full_name="Disparate Impact (DI)",
        meaning="Share of positive predictions of the group, divided by that of all others",
        minimum="one row in each group, and one positive prediction in either",
        parts="clarify_spark.bias.prediction_metrics:DI",
        outcomes=("predictions",),
        ideal=1,
        ideal_means="the same share of positive predictions",
        headline=True,
        closing_line=("predictions", "ratio"),
        reading_place=10,
        chart_place=1,
    ),
    "DCA": Metric(
        name="DCA",
        stage="post_training",
        full_name="Difference in Conditional Acceptance (DCA)",
        meaning="Positive labels for each positive prediction: all others less the group",
        minimum="one row with a positive prediction in each group",
        parts="clarify_spark.bias.prediction_metrics:DCA",
        reading_place=15,
    ),
    "DCR": Metric(
        name="DCR",
        stage="post_training",
        full_name="Difference in Conditional Rejection (DCR)",
        meaning="Negative labels for each negative prediction: the group less all others",
        minimum="one row with a negative prediction in each group",
        parts="clarify_spark.bias.prediction_metrics:DCR",
        reading_place=16,
    ),
    "SD": Metric(
        name="SD",
        stage="post_training",
        full_name="Specificity Difference (SD)",
        meaning="Of negative labels the share that is predicted: the group less all others",
        minimum="one row with a negative label in each group",
        parts="clarify_spark.bias.prediction_metrics:SD",
        reading_place=18,
    ),
    "RD": Metric(
        name="RD",
        stage="post_training",
        full_name="Recall Difference (RD)",
        meaning="Of positive labels the share that is predicted: all others less the group",
        minimum="one row with a positive label in each group",
        parts="clarify_spark.bias.prediction_metrics:RD",
        headline=True,
        reading_place=17,
        chart_place=6,
    ),
    "DAR": Metric(
        name="DAR",
        stage="post_training",
        full_name="Difference in Acceptance Rates (DAR)",
        meaning="Of positive predictions the share that is right: all others less the group",
        minimum="one row with a positive prediction in each group",
        parts="clarify_spark.bias.prediction_metrics:DAR",
        reading_place=13,
        chart_place=7,
    ),
    "DRR": Metric(
        name="DRR",
        stage="post_training",
        full_name="Difference in Rejection Rates (DRR)",
        meaning="Of negative predictions the share that is right: the group less all others",
        minimum="one row with a negative prediction in each group",
        parts="clarify_spark.bias.prediction_metrics:DRR",
        reading_place=14,
    ),
    "AD": Metric(
        name="AD",
        stage="post_training",
        full_name="Accuracy Difference (AD)",
        meaning="Share of right predictions of all others, less that of the group",
        minimum=_ROWS,
        parts="clarify_spark.bias.prediction_metrics:AD",
        headline=True,
        reading_place=11,
        chart_place=5,
    ),
    "TE": Metric(
        name="TE",
        stage="post_training",
        full_name="Treatment Equality (TE)",
        meaning="False negatives for each false positive: the group less all others",
        minimum="one false positive in each group",
        parts="clarify_spark.bias.prediction_metrics:TE",
        reading_place=19,
    ),
    "CDDPL": Metric(
        name="CDDPL",
        stage="post_training",
        full_name="Conditional Demographic Disparity in Predicted Labels (CDDPL)",
        meaning=(
            "Share of the group among negative predictions, less that among positive ones, within the group variable"
        ),
        minimum=_STRATA,
        parts="clarify_spark.bias.conditional_metrics:CDDPL",
        outcomes=("predictions",),
        reading_place=12,
        chart_place=4,
    ),
    "FT": Metric(
        name="FT",
        stage="post_training",
        full_name="Flip Test (FT)",
        meaning="Share of the group better off than their nearest neighbours in all others, less the share worse off",
        minimum=_ROWS,
        parts="clarify_spark.bias.flip_metrics:FT",
        outcomes=("predictions",),
        needs_flips=True,
        reading_place=20,
    ),
    "GE": Metric(
        name="GE",
        stage="post_training",
        full_name="Generalized Entropy (GE)",
        meaning="How unequally the predictions grant outcomes over all rows (generalized entropy)",
        minimum="one row",
        parts="clarify_spark.bias.prediction_metrics:GE",
        worse="up",
        reading_place=21,
    ),
}


def of_stage(stage: Stage) -> tuple[Metric, ...]:
    """The metrics of a stage in the order of METRICS."""
    return tuple(metric for metric in METRICS.values() if metric.stage == stage)


def names_of(stage: Stage) -> tuple[str, ...]:
    """The short names of a stage's metrics in the order of METRICS."""
    return tuple(metric.name for metric in of_stage(stage))
