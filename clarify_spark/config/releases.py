"""What the config may contain but this version does not support yet."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.analyses import all_methods, supported
from clarify_spark.config.formats import readable
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules.analysis import all_rules
from clarify_spark.config.rules.findings import finding
from clarify_spark.config.rules.findings import later as refused_for_now
from clarify_spark.config.rules.prediction import is_sent, needs_model
from clarify_spark.errors import Problem

ENDPOINT_KEYS = (
    "endpoint_name_prefix",
    "target_model",
    "instance_type",
    "initial_instance_count",
    "accelerator_type",
    "custom_attributes",
)


def unsupported(config: AnalysisConfig) -> tuple[Problem, ...]:
    """Every method and key whose analysis comes in a later release: a run rejects them."""
    return tuple(_unsupported(config))


def _unsupported(config: AnalysisConfig) -> Iterator[Problem]:
    if config.format.reader is None:
        found = f"{config.dataset_type}, which is not supported yet in this version"
        yield finding("dataset_type", found, ", ".join(readable()))
    known = [method.key for row in supported() for method in row.methods]
    for row, method in all_methods():
        if row.steps is None and getattr(config.methods, method.key, None) is not None:
            yield refused_for_now(f"methods.{method.key}", "a method", f"{', '.join(known[:-1])} and {known[-1]}")
    for rules in all_rules():
        yield from rules.unsupported(config)


def later(config: AnalysisConfig) -> tuple[str, ...]:
    """What a run accepts without using it, a sentence with the path for each."""
    return tuple(_without_effect(config))


def _without_effect(config: AnalysisConfig) -> Iterator[str]:
    if config.features is not None and not config.format.uses_features:
        yield f"features: not used with the dataset_type {config.dataset_type}; the columns are the features"
    for rules in all_rules():
        yield from rules.without_effect(config)
    predictor = config.predictor
    if predictor is None:
        return
    if not needs_model(config):
        yield "predictor: not used; no requested method needs to call a model"
    elif predictor.model_uri is not None:
        for key in ENDPOINT_KEYS:
            if key in predictor.model_fields_set:
                yield f"predictor.{key}: not used with predictor.model_uri; it applies to endpoint_name or model_name"
        if not is_sent(predictor):
            yield from _templates_without_effect(config)


def _templates_without_effect(config: AnalysisConfig) -> Iterator[str]:
    for key in ("content_type", "accept_type", "content_template", "record_template"):
        if config.predictor is not None and key in config.predictor.model_fields_set:
            yield f"predictor.{key}: not used; the model is called with rows, not with request bodies"
