"""analysis.json as SageMaker Clarify writes it: the one place that knows its keys."""

from __future__ import annotations

import json
import math
from typing import Any

from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.report import BiasSection

VERSION = "1.0"


def document(post_training: BiasSection | None, pre_training: BiasSection | None) -> dict[str, Any]:
    """The content of analysis.json, keys in Clarify's order; a section that was not asked for is absent."""
    found: dict[str, Any] = {"version": VERSION}
    if post_training is not None:
        found["post_training_bias_metrics"] = _section(post_training)
    if pre_training is not None:
        found["pre_training_bias_metrics"] = _section(pre_training)
    return found


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


def text(content: dict[str, Any]) -> str:
    """The file's text: indented JSON with a final line break, UTF-8 characters as they are."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
