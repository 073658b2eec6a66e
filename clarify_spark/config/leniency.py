"""What the SDK's own classes write although its schema rejects it, where the meaning is unambiguous."""

from __future__ import annotations

from typing import Any

from clarify_spark.config.places import path_of, short_json


def read_leniently(document: Any) -> tuple[Any, tuple[str, ...]]:
    """The document with an integer threshold as a float and with single values as lists, and a warning for each."""
    if not isinstance(document, dict):
        return document, ()
    changed, warnings = dict(document), []
    threshold = document.get("probability_threshold")
    if type(threshold) is int and abs(threshold) < 2**53:
        changed["probability_threshold"] = float(threshold)
        warnings.append(f"probability_threshold: found the integer {threshold}; read as {float(threshold)}")
    warnings += _listed(changed, "label_values_or_threshold", "label_values_or_threshold")
    if isinstance(document.get("facet"), list):
        facets = [dict(facet) if isinstance(facet, dict) else facet for facet in document["facet"]]
        for index, facet in enumerate(facets):
            if isinstance(facet, dict):
                path = path_of(("facet", index, "value_or_threshold"))
                warnings += _listed(facet, "value_or_threshold", path)
        changed["facet"] = facets
    return changed, tuple(warnings)


def _listed(members: dict[str, Any], key: str, path: str) -> list[str]:
    """Puts a single value into a list; booleans stay, since true may mean 1 or "True"."""
    value = members.get(key)
    if type(value) not in (int, float, str):
        return []
    members[key] = [value]
    return [f"{path}: found {short_json(value)} without a list; read as [{short_json(value)}]"]
