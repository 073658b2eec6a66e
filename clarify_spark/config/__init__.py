"""analysis_config.json: its schema, its rules and the messages when one is broken."""

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
