"""Basic statistics of a facet entry, as Clarify's report shows them."""

from __future__ import annotations

from dataclasses import dataclass

from clarify_spark.bias.counts import Confusion, FacetCounts, everyone, facet_d
from clarify_spark.bias.formulas import divide


@dataclass(frozen=True)
class Statistic:
    """A share, or several that belong together in the order that the description names."""

    name: str
    description: str
    value: float | tuple[float, ...]


def pre_training_statistics(counts: FacetCounts) -> tuple[Statistic, ...]:
    """The share of d in all rows, and the shares of positive and negative labels in d."""
    d = facet_d(counts)
    positive = divide(d.positives, d.rows)
    return (
        Statistic("proportion", "Proportion of examples in sensitive facet.", divide(d.rows, everyone(counts).rows)),
        Statistic(
            "observed_label_distribution",
            "Distribution of observed label outcomes for sensitive facet",
            (positive, 1 - positive),
        ),
    )


def post_training_statistics(counts: FacetCounts) -> tuple[Statistic, ...]:
    """The statistics before training, and the confusion matrix of d."""
    matrix = Statistic("confusion_matrix", "Fractions of TP, FP, FN, TN.", confusion_shares(facet_d(counts)))
    return (*pre_training_statistics(counts), matrix)


def confusion_shares(rows: Confusion) -> tuple[float, float, float, float]:
    """The shares of TP, FP, FN, TN; all 0 without rows."""
    return (
        divide(rows.tp, rows.rows),
        divide(rows.fp, rows.rows),
        divide(rows.fn, rows.rows),
        divide(rows.tn, rows.rows),
    )
