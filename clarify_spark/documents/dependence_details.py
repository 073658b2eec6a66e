"""The part of analysis_details.json about the uncertainty of partial dependence and how individual rows differ."""

from __future__ import annotations

from typing import Any

from clarify_spark.documents.analysis_json import finite
from clarify_spark.explaining.dependence import Curve, DependenceResult, Distribution
from clarify_spark.udfs.row_keys import row_location


def partial_dependence(found: DependenceResult) -> dict[str, Any]:
    """The facts of the run, then every feature; the curves themselves are in analysis.json."""
    return {
        "rows": found.rows,
        "of_rows": found.of_rows,
        "sampled": found.rows < found.of_rows,
        "model_records": found.records,
        "model_calls": found.calls,
        "individual_rows": [row_location(key) for key in found.individual_keys],
        "features": [_feature(one) for one in found.curves],
    }


def _feature(one: Curve | Distribution) -> dict[str, Any]:
    """Standard errors (D, G) of the means over rows; the outputs (D, m, G) of some rows, on the grid of the curve."""
    if isinstance(one, Distribution):
        return {"feature_name": one.name, "data_type": one.data_type, "error": one.error}
    return {
        "feature_name": one.distribution.name,
        "data_type": one.distribution.data_type,
        "counts": list(one.distribution.counts),
        "standard_errors": [[finite(float(error)) for error in errors] for errors in one.errors],
        "individual_predictions": one.individual.tolist(),
    }
