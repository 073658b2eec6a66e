"""The details of a run with the values of analysis.json, so that a report shows what that file says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
STAGES = ("pre_training", "post_training")


def joined(analysis: Document, details: Document) -> dict[str, Any]:
    """The details; metrics of facets and global SHAP values that analysis.json has are as they are there."""
    found = dict(details)
    if found.get("bias"):
        metrics = _metrics(analysis)
        facets = {
            name: [_entry(entry, metrics.get((name, entry["value_or_threshold"]), {})) for entry in entries]
            for name, entries in found["bias"]["facets"].items()
        }
        found["bias"] = {**found["bias"], "facets": facets}
    if found.get("kernel_shap"):
        explained = analysis.get("explanations", {}).get("kernel_shap", {})
        outputs = [_output(output, explained.get(output["label"], {})) for output in found["kernel_shap"]["outputs"]]
        found["kernel_shap"] = {**found["kernel_shap"], "outputs": outputs}
    return found


def _metrics(analysis: Document) -> dict[tuple[str, str], dict[tuple[str, str], Document]]:
    """The metrics of analysis.json: by facet and entry, then by stage and name."""
    found: dict[tuple[str, str], dict[tuple[str, str], Document]] = {}
    for stage in STAGES:
        for name, entries in analysis.get(f"{stage}_bias_metrics", {}).get("facets", {}).items():
            for entry in entries:
                of_entry = found.setdefault((name, entry["value_or_threshold"]), {})
                of_entry |= {(stage, metric["name"]): metric for metric in entry["metrics"]}
    return found


def _entry(entry: Document, metrics: Mapping[tuple[str, str], Document]) -> Document:
    return {**entry, "metrics": [_metric(one, metrics.get((one["stage"], one["name"]))) for one in entry["metrics"]]}


def _metric(metric: Document, said: Document | None) -> Document:
    return metric if said is None else {**metric, **{key: said[key] for key in ("value", "error") if key in said}}


def _output(output: Document, said: Document) -> Document:
    values = said.get("global_shap_values", {})
    features = [
        {**feature, "global_shap_value": values.get(feature["name"], feature["global_shap_value"])}
        for feature in output["features"]
    ]
    return {**output, "expected_value": said.get("expected_value", output["expected_value"]), "features": features}
