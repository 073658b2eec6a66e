"""One plain sentence per metric of a comparison.

Names come from data and configs: they are quoted, made printable and shortened. The report escapes them for HTML.
"""

from __future__ import annotations

from collections.abc import Sequence

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.estimates import MetricEstimate
from clarify_spark.bias.parts import parts_of
from clarify_spark.bias.sentences import GroupNames, SentenceFacts
from clarify_spark.udfs.short_repr import short_repr


def group(columns: Sequence[str], values: Sequence[str]) -> str:
    """Rows of one value of a column, or of one value of each of several."""
    return " and ".join(
        f"{short_repr(column)} = {short_repr(value)}" for column, value in zip(columns, values, strict=True)
    )


def sentence(estimate: MetricEstimate, counts: FacetCounts, groups: GroupNames, level: float) -> str:
    """What a metric of a comparison says, in words."""
    metric = estimate.metric
    if estimate.value is None:
        return f"{metric} of {groups.d} against {groups.a} is not defined: {_ended(estimate.reason or '')}"
    if estimate.interval is None:
        return f"{metric} of {groups.d} against {groups.a}: not enough data, {_ended(estimate.reason or '')}"
    return parts_of(metric).sentence(SentenceFacts(estimate.value, estimate.interval, counts, groups, level))


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
