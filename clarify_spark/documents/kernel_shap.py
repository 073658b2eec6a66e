"""The Kernel SHAP part of the documents: global values, how they were computed, closing lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from clarify_spark.documents.analysis_json import json_number, number_of
from clarify_spark.documents.section import DocumentSection
from clarify_spark.documents.shap_details import doubtful, exact, intervals, kernel_shap
from clarify_spark.documents.summary import MOST_FEATURES, MOST_OUTPUTS, printable
from clarify_spark.explaining.result import ShapResult

if TYPE_CHECKING:
    import pandas as pd

    from clarify_spark.documents.typed import Analysis

FOLDER = "explanations_shap"
METHODS = {"mean_abs": "mean |value|", "median": "median value", "mean_sq": "mean squared value"}
SHAP_COLUMNS = (
    "label", "feature", "global_shap_value", "standard_error_coalitions", "standard_error_rows", "expected_value",
)  # fmt: skip


def section(shap: ShapResult) -> DocumentSection:
    """What Kernel SHAP contributes to the documents."""
    return DocumentSection(
        rows=shap.summary.rows,
        explained={"kernel_shap": _kernel_shap(shap)},
        details={"kernel_shap": kernel_shap(shap)},
        lines=tuple(_explained(shap)),
        traffic={"kernel_shap": shap.summary.traffic},
        folders=(FOLDER,),
    )


def _kernel_shap(shap: ShapResult) -> dict[str, Any]:
    values, expected = shap.summary.values, shap.plan.expected
    return {
        label: {
            "global_shap_values": {
                feature: json_number(float(value)) for feature, value in zip(shap.features, values[output], strict=True)
            },
            "expected_value": json_number(float(expected[output])),
        }
        for output, label in enumerate(shap.labels)
    }


def _explained(shap: ShapResult) -> Iterator[str]:
    """Per output the features with the largest global values, with the errors over coalitions and over rows."""
    summary, plan = shap.summary, shap.plan
    how = "exact" if exact(shap) else plan.engine.code.effort(plan)
    yield (
        f"Kernel SHAP: rows: {summary.rows:,}, features: {len(shap.features)}, "
        f"baseline rows: {len(shap.baseline.rows):,}, engine: {plan.engine.key}, {how}, "
        f"model records: {summary.records:,}, calls: {summary.calls:,}"
    )
    if doubtful(shap):
        yield f"  intervals: {intervals(shap)}"
    for output, label in enumerate(shap.labels[:MOST_OUTPUTS]):
        expected = f"(expected value {plan.expected[output]:.4g})"
        yield f"  {printable(label)}: {METHODS[summary.method]} ± standard errors {expected}"
        order = np.argsort(-np.abs(summary.values[output]), kind="stable")
        width = max(len(printable(shap.features[player])) for player in order[:MOST_FEATURES])
        for player in order[:MOST_FEATURES]:
            yield f"    {printable(shap.features[player]):<{width}}  {_value(shap, output, player)}"
        if len(order) > MOST_FEATURES:
            yield f"    … ({len(order)} features in all)"
    if len(shap.labels) > MOST_OUTPUTS:
        yield f"  … ({len(shap.labels)} outputs in all)"


def _value(shap: ShapResult, output: int, player: np.intp) -> str:
    summary = shap.summary
    found = f"{summary.values[output, player]:.4g}"
    if summary.coalition_errors is not None and not exact(shap):
        found += f" ± {summary.coalition_errors[output, player]:.2g} (coalitions)"
    rows = summary.row_errors[output, player]
    return found if np.isnan(rows) else f"{found} ± {rows:.2g} (rows)"


def shap_values_table(analysis: Analysis, details: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each output and feature: the global SHAP value and its standard errors."""
    import pandas as pd

    return pd.DataFrame(list(_shap_values(analysis, details)), columns=list(SHAP_COLUMNS))


def _shap_values(analysis: Analysis, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sure = {
        (output["label"], feature["name"]): feature
        for output in details.get("kernel_shap", {}).get("outputs", [])
        for feature in output["features"]
    }
    for label, output in (getattr(analysis.explanations, "kernel_shap", None) or {}).items():
        for feature, value in output.global_shap_values.items():
            of_feature = sure.get((label, feature), {})
            yield {
                "label": label,
                "feature": feature,
                "global_shap_value": value,
                "standard_error_coalitions": number_of(of_feature.get("standard_error_coalitions")),
                "standard_error_rows": number_of(of_feature.get("standard_error_rows")),
                "expected_value": output.expected_value,
            }
