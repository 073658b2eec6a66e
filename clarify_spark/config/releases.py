"""What the config may say but this version does not do yet."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules.bias import bias_methods, metrics_asked
from clarify_spark.config.rules.findings import finding
from clarify_spark.config.rules.prediction import is_sent, needs_model
from clarify_spark.errors import Problem

LATER_TYPES = ("application/x-image", "application/sagemakercapturejson")
LATER_METHODS = ("asymmetric_shapley_value",)
LATER_SHAP_KEYS = ("text_config", "image_config")
LATER_KEYS = ("time_series_data_config",)
#: Keys that only the bias methods use.
BIAS_KEYS = ("segment_config", "facet_intersections", "bounds")
ENDPOINT_KEYS = (
    "endpoint_name_prefix",
    "target_model",
    "instance_type",
    "initial_instance_count",
    "accelerator_type",
    "custom_attributes",
)


def unsupported(config: AnalysisConfig) -> tuple[Problem, ...]:
    """Every method and key whose analysis comes in a later release: a run refuses them."""
    return tuple(_unsupported(config))


def _unsupported(config: AnalysisConfig) -> Iterator[Problem]:
    if config.dataset_type in LATER_TYPES:
        allowed = "text/csv, application/jsonlines, application/json, application/x-parquet"
        yield finding("dataset_type", f"{config.dataset_type}, which is not supported yet in this version", allowed)
    for key in LATER_METHODS:
        if getattr(config.methods, key) is not None:
            yield _later(f"methods.{key}", "a method", "pre_training_bias, post_training_bias, shap and pdp")
    for key in LATER_SHAP_KEYS:
        if config.methods.shap is not None and getattr(config.methods.shap, key) is not None:
            yield _later(f"methods.shap.{key}", "a key", "features that are numbers and categories")
    for key in LATER_KEYS:
        if getattr(config, key) is not None:
            yield _later(key, "a key", "leave it out")


def _later(path: str, what: str, instead: str) -> Problem:
    return finding(path, f"{what} that is not supported yet in this version", instead)


def later(config: AnalysisConfig) -> tuple[str, ...]:
    """What a run accepts without doing anything about it, a sentence with the path for each."""
    return tuple(_without_effect(config))


def _without_effect(config: AnalysisConfig) -> Iterator[str]:
    if config.features is not None and config.dataset_type in ("text/csv", "application/x-parquet"):
        yield f"features: not used with the dataset_type {config.dataset_type}; the columns are the features"
    if not bias_methods(config):
        yield from (f"{key}: not used without a bias method" for key in BIAS_KEYS if getattr(config, key) is not None)
        if config.weight is not None:
            yield "weight: not used without a bias method, but for leaving the column out of the features"
    else:
        asked = metrics_asked(config)
        unused = [metric for metric in config.bounds or {} if metric not in asked]
        if unused:
            yield f"bounds: not used for {', '.join(unused)}, which no requested method computes"
    predictor = config.predictor
    if predictor is None:
        return
    if not needs_model(config):
        yield "predictor: not used; no requested method has to call a model"
    elif predictor.model_uri is not None:
        for key in ENDPOINT_KEYS:
            if key in predictor.model_fields_set:
                yield f"predictor.{key}: not used with predictor.model_uri; it goes with endpoint_name or model_name"
        if not is_sent(predictor):
            yield from _templates_without_effect(config)


def _templates_without_effect(config: AnalysisConfig) -> Iterator[str]:
    for key in ("content_type", "accept_type", "content_template", "record_template"):
        if config.predictor is not None and key in config.predictor.model_fields_set:
            yield f"predictor.{key}: not used; the model is called with rows, not with request bodies"
