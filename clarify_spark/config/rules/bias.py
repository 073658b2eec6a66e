"""Rules about the bias methods: what they need, and which metrics there are."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.methods import POST_TRAINING_NAMES, PRE_TRAINING_NAMES
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.places import Place, shown
from clarify_spark.config.problems import nearest
from clarify_spark.config.rules.findings import Problems, finding, incomplete, missing
from clarify_spark.errors import Problem

Values = tuple[int | float | str, ...]


def bias_methods(config: AnalysisConfig) -> tuple[str, ...]:
    """The keys of the bias methods that are asked for."""
    return tuple(key for key in ("pre_training_bias", "post_training_bias") if getattr(config.methods, key) is not None)


def metrics_asked(config: AnalysisConfig) -> frozenset[str]:
    """The short names of the metrics that the bias methods ask for."""
    pre, post = config.methods.pre_training_bias, config.methods.post_training_bias
    asked = ((pre, PRE_TRAINING_NAMES), (post, POST_TRAINING_NAMES))
    return frozenset(
        name for one, known in asked if one is not None for name in known if one.methods == "all" or name in one.methods
    )


def something_to_do(config: AnalysisConfig) -> Problems:
    """Problems of a config that asks for no analysis."""
    asked = config.methods.model_fields_set - {"report"}
    if not asked:
        found = "only report" if config.methods.report else "no method"
        allowed = "at least one of pre_training_bias, post_training_bias, shap, pdp"
        yield incomplete(finding("methods", found, allowed))


def needs(config: AnalysisConfig) -> Problems:
    """Problems of keys that every bias method needs."""
    methods = bias_methods(config)
    if not methods or config.time_series_data_config is not None:
        return
    reason = f"methods.{methods[0]}"
    if config.label is None:
        yield missing("label", reason, "the column of the ground truth")
    if config.label_values_or_threshold is None:
        yield missing("label_values_or_threshold", reason, "a list of positive label values, or of one threshold")
    elif not config.label_values_or_threshold:
        yield finding("label_values_or_threshold", "[]", "at least one positive label value, or one threshold")
    if config.facet is None:
        yield missing("facet", reason, 'a list such as [{"name_or_index": "sex", "value_or_threshold": ["F"]}]')
    elif not config.facet:
        yield finding("facet", "[]", "at least one facet")


def metric_names(config: AnalysisConfig) -> Problems:
    """Problems of metrics that do not exist."""
    pre, post = config.methods.pre_training_bias, config.methods.post_training_bias
    if pre is not None:
        place = ("methods", "pre_training_bias", "methods")
        yield from _metric_names(place, pre.methods, PRE_TRAINING_NAMES)
    if post is not None:
        place = ("methods", "post_training_bias", "methods")
        yield from _metric_names(place, post.methods, POST_TRAINING_NAMES)


def _metric_names(place: Place, methods: str | tuple[str, ...], known: tuple[str, ...]) -> Iterator[Problem]:
    allowed = f'"all" or a list of {", ".join(known)}'
    if isinstance(methods, str):
        if methods != "all":
            yield finding(place, shown(methods), allowed)
        return
    if not methods:
        yield finding(place, "[]", allowed)
    for index, name in enumerate(methods):
        if name not in known:
            suggestion = nearest(name, known, 0.6)
            yield finding((*place, index), shown(name), ", ".join(known) + (f" ({suggestion})" if suggestion else ""))


def declared_types(config: AnalysisConfig) -> Problems:
    """A column declared continuous needs exactly one number to compare with."""
    for index, facet in enumerate(config.facet or ()):
        if facet.type == "continuous":
            yield from _one_number(("facet", index, "value_or_threshold"), facet.value_or_threshold, '"type"')
    if config.label_type == "continuous" and config.label_values_or_threshold is not None:
        yield from _one_number(("label_values_or_threshold",), config.label_values_or_threshold, "label_type")


def _one_number(place: Place, values: Values | None, key: str) -> Iterator[Problem]:
    if values is None or len(values) != 1 or not _is_number(values[0]):
        found = "no such key" if values is None else shown(values)
        yield finding(place, found, f"one number, since {key} says continuous")


def _is_number(value: int | float | str) -> bool:
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


RULES = (something_to_do, needs, metric_names, declared_types)
