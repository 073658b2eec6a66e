"""One plain sentence per metric of a comparison.

Names come from data and configs: they are quoted, made printable and shortened. The report escapes them for HTML.
"""

from __future__ import annotations

from collections.abc import Sequence

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.inference import Inference
from clarify_spark.bias.parts import parts_of
from clarify_spark.bias.sentences import Sides, Told
from clarify_spark.udfs.quoting import shown


def group(columns: Sequence[str], values: Sequence[str]) -> str:
    """Rows of one value of a column, or of one value of each of several."""
    return " and ".join(f"{shown(column)} = {shown(value)}" for column, value in zip(columns, values, strict=True))


def sentence(inference: Inference, counts: FacetCounts, sides: Sides, level: float) -> str:
    """What a metric of a comparison says, in words."""
    metric = inference.metric
    if inference.value is None:
        return f"{metric} of {sides.d} against {sides.a} is not defined: {_ended(inference.reason or '')}"
    if inference.interval is None:
        return f"{metric} of {sides.d} against {sides.a}: not enough data, {_ended(inference.reason or '')}"
    return parts_of(metric).sentence(Told(inference.value, inference.interval, counts, sides, level))


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
