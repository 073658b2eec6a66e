"""analysis.json as SageMaker Clarify writes it: the one place that knows its keys."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.report import BiasSection
from clarify_spark.bias.result import BiasResult
from clarify_spark.explaining.dependence import Curve, DependenceResult, Distribution
from clarify_spark.explaining.result import ShapResult

VERSION = "1.0"


def document(
    bias: BiasResult | None, shap: ShapResult | None, curves: DependenceResult | None = None
) -> dict[str, Any]:
    """The content of analysis.json, keys in Clarify's order; a section that was not asked for is absent."""
    found: dict[str, Any] = {"version": VERSION}
    if bias is not None and bias.post_training is not None:
        found["post_training_bias_metrics"] = _section(bias.post_training)
    if bias is not None and bias.pre_training is not None:
        found["pre_training_bias_metrics"] = _section(bias.pre_training)
    explanations: dict[str, Any] = {} if shap is None else {"kernel_shap": _kernel_shap(shap)}
    if curves is not None:
        explanations["pdp"] = [_curve(one, curves.labels) for one in curves.curves]
    if explanations:
        found["explanations"] = explanations
    return found


def label_keys(headers: Sequence[str | int] | None, outputs: int) -> tuple[str, ...]:
    """The names of the outputs: the label headers where there is a different one for each, else label0, label1, …"""
    names = tuple(str(header) for header in headers or ())
    if len(set(names)) == len(names) == outputs:
        return names
    return tuple(f"label{number}" for number in range(outputs))


def _kernel_shap(shap: ShapResult) -> dict[str, Any]:
    values, expected = shap.summary.values, shap.plan.expected
    return {
        label: {
            "global_shap_values": {
                feature: number(float(value)) for feature, value in zip(shap.features, values[output], strict=True)
            },
            "expected_value": number(float(expected[output])),
        }
        for output, label in enumerate(shap.labels)
    }


def _curve(curve: Curve | Distribution, labels: Sequence[str]) -> dict[str, Any]:
    if isinstance(curve, Distribution):
        return {"feature_name": curve.name, "data_type": curve.data_type, "error": curve.error}
    values = curve.distribution
    rows = sum(values.counts)
    return {
        "feature_name": values.name,
        "data_type": values.data_type,
        "feature_values": list(values.values),
        "data_distribution": [count / rows for count in values.counts],
        "model_predictions": curve.means.tolist(),
        "label_headers": list(labels),
    }


def _section(section: BiasSection) -> dict[str, Any]:
    facets = {
        facet.name: [
            {"value_or_threshold": entry.value_or_threshold, "metrics": [metric(result) for result in entry.metrics]}
            for entry in facet.entries
        ]
        for facet in section.facets
    }
    return {
        "label": section.label,
        "facets": facets,
        "label_value_or_threshold": section.label_value_or_threshold,
    }


def metric(result: MetricResult) -> dict[str, Any]:
    """One metric; ``error`` only where there is no value."""
    found: dict[str, Any] = {
        "name": result.name,
        "description": result.description,
        "value": None if result.value is None else number(result.value),
    }
    if result.error is not None:
        found["error"] = result.error
    return found


def number(value: float) -> float | str:
    """The value, with infinities as the texts that Clarify's readers expect: JSON has no such numbers."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def finite(value: float) -> float | str | None:
    """The value as ``number`` gives it; None for what is not a number."""
    return None if math.isnan(value) else number(value)


def text(content: dict[str, Any]) -> str:
    """The file's text: indented JSON with a final line break, UTF-8 characters as they are."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
