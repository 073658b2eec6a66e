"""The partial dependence part of the documents: curves, their uncertainty, closing lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from clarify_spark.documents.dependence_details import partial_dependence
from clarify_spark.documents.section import DocumentSection
from clarify_spark.documents.summary import MOST_FEATURES, MOST_OUTPUTS, printable
from clarify_spark.explaining.dependence import Curve, DependenceResult, Distribution


def section(found: DependenceResult) -> DocumentSection:
    """What partial dependence contributes to the documents."""
    return DocumentSection(
        rows=found.of_rows,
        explained={"pdp": [_curve(one, found.labels) for one in found.curves]},
        details={"partial_dependence": partial_dependence(found)},
        lines=tuple(_lines(found)),
        traffic={"partial_dependence": found.traffic},
    )


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


def _lines(found: DependenceResult) -> Iterator[str]:
    """For each feature the range of the mean output over its grid, or why there is no curve."""
    rows = f"rows: {found.rows:,}" + ("" if found.rows == found.of_rows else f" of {found.of_rows:,}")
    yield f"Partial dependence: {rows}, features: {len(found.curves)}, model records: {found.records:,}"
    for curve in found.curves[:MOST_FEATURES]:
        if isinstance(curve, Distribution):
            yield f"    {printable(curve.name)}: none, {curve.error}"
            continue
        ends = (
            f"{printable(label)} from {means.min():.4g} to {means.max():.4g}"
            for label, means in zip(found.labels[:MOST_OUTPUTS], curve.means, strict=False)
        )
        yield f"    {printable(curve.distribution.name)}: mean output {', '.join(ends)}"
    if len(found.curves) > MOST_FEATURES:
        yield f"    … ({len(found.curves)} features in all)"
