"""analysis_config.json: its schema, its rules and the messages when one is broken."""

from clarify_spark.config.loading import Loaded, load
from clarify_spark.config.methods import Methods
from clarify_spark.config.models import AnalysisConfig, Facet, Segmentation, TimeSeriesData
from clarify_spark.config.predictor import Predictor, model_format
from clarify_spark.config.schema import json_schema

__all__ = [
    "AnalysisConfig",
    "Facet",
    "Loaded",
    "Methods",
    "Predictor",
    "Segmentation",
    "TimeSeriesData",
    "json_schema",
    "load",
    "model_format",
]
