"""analysis_config.json: its schema, its rules and the messages when one is violated. Importing it loads no pydantic."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clarify_spark.config.environment import headers_of
    from clarify_spark.config.loading import Loaded, load
    from clarify_spark.config.methods import Methods, Pdp, PostTrainingBias, PreTrainingBias, Report, Shap
    from clarify_spark.config.models import AnalysisConfig, Facet, Segmentation, TimeSeriesData
    from clarify_spark.config.predictor import Predictor, model_format
    from clarify_spark.config.releases import later, unsupported
    from clarify_spark.config.rules import check_runnable
    from clarify_spark.config.schema import json_schema

__all__ = [
    "AnalysisConfig",
    "Facet",
    "Loaded",
    "Methods",
    "Pdp",
    "PostTrainingBias",
    "PreTrainingBias",
    "Predictor",
    "Report",
    "Segmentation",
    "Shap",
    "TimeSeriesData",
    "check_runnable",
    "headers_of",
    "json_schema",
    "later",
    "load",
    "model_format",
    "unsupported",
]

#: The module of each name, imported on first use: ``--help`` reads tables of this package and needs no pydantic.
_MODULES = {
    "AnalysisConfig": "models",
    "Facet": "models",
    "Loaded": "loading",
    "Methods": "methods",
    "Pdp": "methods",
    "PostTrainingBias": "methods",
    "PreTrainingBias": "methods",
    "Predictor": "predictor",
    "Report": "methods",
    "Segmentation": "models",
    "Shap": "methods",
    "TimeSeriesData": "models",
    "check_runnable": "rules",
    "headers_of": "environment",
    "json_schema": "schema",
    "later": "releases",
    "load": "loading",
    "model_format": "predictor",
    "unsupported": "releases",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The name from its module."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
