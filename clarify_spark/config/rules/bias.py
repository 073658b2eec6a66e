"""Rules about the bias methods: what they need, and which metrics there are."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.methods import PostTrainingBias, PreTrainingBias
from clarify_spark.config.metrics import METRICS, names_of
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.nearest import nearest
from clarify_spark.config.places import Place, short_json
from clarify_spark.config.rules import statistics
from clarify_spark.config.rules.analysis import AnalysisRules
from clarify_spark.config.rules.findings import Problems, finding, missing
from clarify_spark.errors import Problem

#: Keys that only the bias methods use.
BIAS_KEYS = ("segment_config", "facet_intersections", "bounds")
Values = tuple[int | float | str, ...]


def bias_methods(config: AnalysisConfig) -> tuple[str, ...]:
    """The keys of the requested bias methods."""
    keys = (("pre_training_bias", PreTrainingBias), ("post_training_bias", PostTrainingBias))
    return tuple(key for key, section in keys if config.methods.of(section) is not None)


def metrics_asked(config: AnalysisConfig) -> frozenset[str]:
    """The short names of the metrics that the bias methods request."""
    pre, post = config.methods.of(PreTrainingBias), config.methods.of(PostTrainingBias)
    asked = ((pre, names_of("pre_training")), (post, names_of("post_training")))
    return frozenset(
        name for one, known in asked if one is not None for name in known if one.methods == "all" or name in one.methods
    )


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
    pre, post = config.methods.of(PreTrainingBias), config.methods.of(PostTrainingBias)
    if pre is not None:
        place = ("methods", "pre_training_bias", "methods")
        yield from _metric_names(place, pre.methods, names_of("pre_training"))
    if post is not None:
        place = ("methods", "post_training_bias", "methods")
        yield from _metric_names(place, post.methods, names_of("post_training"))


def _metric_names(place: Place, methods: str | tuple[str, ...], known: tuple[str, ...]) -> Iterator[Problem]:
    allowed = f'"all" or a list of {", ".join(known)}'
    if isinstance(methods, str):
        if methods != "all":
            yield finding(place, short_json(methods), allowed)
        return
    if not methods:
        yield finding(place, "[]", allowed)
    for index, name in enumerate(methods):
        if name not in known:
            suggestion = nearest(name, known, 0.6)
            yield finding(
                (*place, index), short_json(name), ", ".join(known) + (f" ({suggestion})" if suggestion else "")
            )


def declared_types(config: AnalysisConfig) -> Problems:
    """A column declared continuous needs exactly one number to compare with."""
    for index, facet in enumerate(config.facet or ()):
        if facet.type == "continuous":
            yield from _one_number(("facet", index, "value_or_threshold"), facet.value_or_threshold, '"type"')
    if config.label_type == "continuous" and config.label_values_or_threshold is not None:
        yield from _one_number(("label_values_or_threshold",), config.label_values_or_threshold, "label_type")


def _one_number(place: Place, values: Values | None, key: str) -> Iterator[Problem]:
    if values is None or len(values) != 1 or not _is_number(values[0]):
        found = "no such key" if values is None else short_json(values)
        yield finding(place, found, f"one number, since {key} says continuous")


def _is_number(value: int | float | str) -> bool:
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def without_effect(config: AnalysisConfig) -> Iterator[str]:
    """Keys that only the bias methods use where there is none, and bounds of metrics that nobody computes."""
    if not bias_methods(config):
        yield from (f"{key}: not used without a bias method" for key in BIAS_KEYS if getattr(config, key) is not None)
        if config.weight is not None:
            yield "weight: not used without a bias method, except to leave the column out of the features"
        return
    asked = metrics_asked(config)
    unused = [metric for metric in config.bounds or {} if metric not in asked]
    if unused:
        yield f"bounds: not used for {', '.join(unused)}, which no requested method computes"


def worker_libraries(config: AnalysisConfig) -> tuple[str, ...]:
    """What workers need for the flip test; everything else is computed without them."""
    flips = any(METRICS[name].needs_flips for name in metrics_asked(config))
    return ("pandas", "pyarrow", "sklearn.neighbors") if flips else ()


ANALYSIS = AnalysisRules(
    problems=(needs, metric_names, declared_types, *statistics.RULES),
    without_effect=without_effect,
    worker_libraries=worker_libraries,
    plain_words=dict.fromkeys(
        ("methods.pre_training_bias.methods", "methods.post_training_bias.methods"), '"all" or a list of metric names'
    ),
)
