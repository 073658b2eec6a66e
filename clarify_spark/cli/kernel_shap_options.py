"""Options of ``clarify-spark config`` that ask for Kernel SHAP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clarify_spark.cli.config_options import MethodOptions, Option, text_or_json, values


def _shap(flag: str, key: str, help: str, metavar: str, read: Callable[[str], Any]) -> Option:
    return Option(flag, ("methods", "shap", key), help, metavar, read)


OPTIONS = MethodOptions(
    (
        Option("--shap", ("methods", "shap"), "Kernel SHAP", read=None, bare={}),
        _shap("--baseline", "baseline", "a URI, or rows such as '[[35, \"F\"]]'", "ROWS", text_or_json),
        _shap("--num-clusters", "num_clusters", "rows of a computed baseline", "N", int),
        _shap("--num-samples", "num_samples", "coalitions per row", "N", int),
        _shap("--agg-method", "agg_method", "mean_abs, median or mean_sq", "WORD", str),
        _shap("--features-to-explain", "features_to_explain", "only these", "LIST", values),
        _shap("--seed", "seed", "of every random choice", "N", int),
        Option("--use-logit", ("methods", "shap", "use_logit"), "explain log-odds", read=None, bare=True),
        Option(
            "--save-local-shap-values",
            ("methods", "shap", "save_local_shap_values"),
            "write the values of every row",
            read=None,
            bare=True,
        ),
    )
)
