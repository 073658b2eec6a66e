"""Options of ``clarify-spark config`` that ask for bias metrics."""

from __future__ import annotations

from clarify_spark.cli.config_options import MethodOptions, Option, metrics

_PRE, _POST = (("methods", f"{when}_training_bias", "methods") for when in ("pre", "post"))

OPTIONS = MethodOptions(
    (
        Option(
            "--pre-training-bias",
            _PRE,
            "metrics of the data (default: all)",
            "LIST",
            metrics,
            bare="all",
        ),
        Option(
            "--post-training-bias",
            _POST,
            "metrics of predictions (default: all)",
            "LIST",
            metrics,
            bare="all",
        ),
    )
)
