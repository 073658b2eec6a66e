"""Options of ``clarify-spark config`` that ask for partial dependence."""

from __future__ import annotations

from clarify_spark.cli.config_options import MethodOptions, Option, values

OPTIONS = MethodOptions(
    (
        Option("--pdp", ("methods", "pdp"), "partial dependence", read=None, bare={}),
        Option("--pdp-features", ("methods", "pdp", "features"), "needed without shap", "LIST", values),
        Option("--grid-resolution", ("methods", "pdp", "grid_resolution"), "buckets (default: 15)", "N", int),
        Option("--top-k-features", ("methods", "pdp", "top_k_features"), "the most important (default: 10)", "N", int),
    ),
    defaults=((("methods", "pdp", "grid_resolution"), 15),),
)
