"""What the formulas of several metrics share.

Notation: d is the facet entry (listed values, or above the threshold), a is everyone else; n rows, n^(1) and n^(0)
positive and negative observed labels, n̂^(1) and n̂^(0) positive and negative predictions. Definitions follow Das et al.,
"Fairness Measures for Machine Learning in Finance" (2021), and the metric pages of the SageMaker developer guide.
"""

from __future__ import annotations

import math

from clarify_spark.bias.counts import Confusion, FacetCounts, facet_a, facet_d


class UndefinedMetric(ValueError):  # noqa: N818 (an outcome, not a failure)
    """The counts leave a metric without a value; the text is the one that Clarify writes."""


def divide(numerator: float, denominator: float) -> float:
    """The ratio, with 0/0 = 0 and x/0 = ±inf."""
    if denominator == 0:
        return math.copysign(math.inf, numerator) if numerator else 0.0
    return numerator / denominator


def difference(left: float, right: float) -> float:
    """left − right, with inf − inf = 0."""
    return 0.0 if left == right else left - right


def sides(counts: FacetCounts, empty_a: str, empty_d: str) -> tuple[Confusion, Confusion]:
    """Both groups, where the reference checks a first."""
    a, d = facet_a(counts), facet_d(counts)
    if a.rows == 0:
        raise UndefinedMetric(empty_a)
    if d.rows == 0:
        raise UndefinedMetric(empty_d)
    return a, d


def compared(counts: FacetCounts, prefix: str = "") -> tuple[Confusion, Confusion]:
    """Both groups, where the reference checks d first."""
    a, d = facet_a(counts), facet_d(counts)
    if d.rows == 0:
        raise UndefinedMetric(f"{prefix}Facet set is empty")
    if a.rows == 0:
        raise UndefinedMetric(f"{prefix}Negated Facet set is empty")
    return a, d
