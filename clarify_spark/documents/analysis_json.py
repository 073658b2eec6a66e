"""analysis.json as SageMaker Clarify writes it: its frame, and how metrics, numbers and outputs are written there."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from clarify_spark.bias.metrics import MetricResult
from clarify_spark.documents.section import DocumentSection

VERSION = "1.0"


def document(sections: Iterable[DocumentSection]) -> dict[str, Any]:
    """The content of analysis.json, keys in Clarify's order; what was not requested is absent."""
    found: dict[str, Any] = {"version": VERSION}
    explanations: dict[str, Any] = {}
    for section in sections:
        found |= section.measured
        explanations |= section.explained
    if explanations:
        found["explanations"] = explanations
    return found


def label_keys(headers: Sequence[str | int] | None, outputs: int) -> tuple[str, ...]:
    """The names of the outputs: the label headers where there is a different one for each, else label0, label1, …"""
    names = tuple(str(header) for header in headers or ())
    if len(set(names)) == len(names) == outputs:
        return names
    return tuple(f"label{number}" for number in range(outputs))


def metric(result: MetricResult) -> dict[str, Any]:
    """One metric; ``error`` only where there is no value."""
    found: dict[str, Any] = {
        "name": result.name,
        "description": result.description,
        "value": None if result.value is None else json_number(result.value),
    }
    if result.error is not None:
        found["error"] = result.error
    return found


def json_number(value: float) -> float | str:
    """The value, with infinities as the texts that Clarify's readers expect: JSON has no such numbers."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def finite(value: float) -> float | str | None:
    """The value as ``json_number`` gives it; None for what is not a number."""
    return None if math.isnan(value) else json_number(value)


def number_of(value: float | str | None) -> float | None:
    """What ``json_number`` or ``finite`` wrote, as a number again."""
    return None if value is None else float(value)


def json_text(content: dict[str, Any]) -> str:
    """The file's text: indented JSON with a final line break, UTF-8 characters as they are."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
