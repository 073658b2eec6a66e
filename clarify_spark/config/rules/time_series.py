"""Rules about time series: their data, their explanations, and what cannot be combined with them."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.analyses import all_methods
from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.config.methods import AsymmetricShapleyValue, SeriesBaseline
from clarify_spark.config.models import AnalysisConfig, TimeSeriesData
from clarify_spark.config.places import path_of
from clarify_spark.config.rules.analysis import AnalysisRules
from clarify_spark.config.rules.findings import Problems, finding, later, missing
from clarify_spark.errors import Problem

DATA, METHOD = "time_series_data_config", "methods.asymmetric_shapley_value"
_OWN = f"{__name__}:ANALYSIS"


def both_sides(config: AnalysisConfig) -> Problems:
    """Problems of time series data without their method, and of what cannot be combined with them."""
    series, method = config.time_series_data_config, config.methods.of(AsymmetricShapleyValue)
    if method is not None and series is None:
        yield missing(DATA, METHOD, "where the parts of the series are")
    if series is None:
        return
    if method is None:
        yield missing(METHOD, DATA, "an object with direction and granularity")
    if not config.format.time_series:
        allowed = ", ".join(kind for kind, row in DATASET_FORMATS.items() if row.time_series)
        yield finding("dataset_type", f"{config.dataset_type} with {DATA}", allowed)
    yield from _not_with_series(config)


def _not_with_series(config: AnalysisConfig) -> Iterator[Problem]:
    for row, other in all_methods():
        if row.rules != _OWN and getattr(config.methods, other.key, None) is not None:
            yield finding(f"methods.{other.key}", f"this method with {DATA}", "asymmetric_shapley_value")
    for key in ("label", "predicted_label", "excluded_columns"):
        if getattr(config, key) is not None:
            yield finding(key, f"this key with {DATA}", "no such key")
    for key in ("label", "probability"):
        if config.predictor is not None and getattr(config.predictor, key) is not None:
            yield finding(f"predictor.{key}", f"this key with {DATA}", "time_series_predictor_config.forecast")


def columns(config: AnalysisConfig) -> Problems:
    """Problems of how the parts of the series are addressed."""
    series = config.time_series_data_config
    if series is None:
        return
    kinds = {type(column) for column in _columns(series)}
    if len(kinds) > 1:
        yield finding(DATA, "names and indices", "all strings or all integers")
    if str in kinds and series.dataset_format is None:
        yield missing(f"{DATA}.dataset_format", "addressing by JMESPath", "columns, item_records or timestamp_records")


def _columns(series: TimeSeriesData) -> tuple[str | int, ...]:
    related, static = series.related_time_series or (), series.static_covariates or ()
    return (series.target_time_series, series.item_id, series.timestamp, *related, *static)


def method(config: AnalysisConfig) -> Problems:
    """Problems of methods.asymmetric_shapley_value."""
    settings = config.methods.of(AsymmetricShapleyValue)
    if settings is None:
        return
    place = f"{METHOD}.num_samples"
    if settings.granularity == "fine_grained":
        yield from _fine_grained(settings, place)
    elif settings.num_samples is not None:
        yield finding(place, "this key with the granularity timewise", "this key with fine_grained")
    if isinstance(settings.baseline, SeriesBaseline):
        yield from _static_baseline(config.time_series_data_config, settings.baseline)


def _fine_grained(settings: AsymmetricShapleyValue, place: str) -> Iterator[Problem]:
    if settings.direction != "chronological":
        found = f"{settings.direction} with the granularity fine_grained"
        yield finding(f"{METHOD}.direction", found, "chronological")
    if settings.num_samples is None:
        yield missing(place, "the granularity fine_grained", "an integer, 1 or more")
    elif settings.num_samples < 1:
        yield finding(place, str(settings.num_samples), "1 or more")


def _static_baseline(series: TimeSeriesData | None, baseline: SeriesBaseline) -> Iterator[Problem]:
    if series is None or baseline.static_covariates is None:
        return
    count = len(series.static_covariates or ())
    for item, values in baseline.static_covariates.items():
        if len(values) != count:
            place = ("methods", "asymmetric_shapley_value", "baseline", "static_covariates", item)
            yield finding(path_of(place), f"{len(values)} values", f"{count}, one per static covariate")


def predictor(config: AnalysisConfig) -> Problems:
    """Problems of the predictor of a forecast."""
    model, series = config.predictor, config.time_series_data_config
    if model is None:
        return
    if series is None and model.time_series_predictor_config is not None:
        yield finding("predictor.time_series_predictor_config", f"this key without {DATA}", f"this key with {DATA}")
    if series is None:
        return
    if model.time_series_predictor_config is None:
        yield missing("predictor.time_series_predictor_config", DATA, "an object with forecast")
    if model.accept_type == "text/csv":
        found = f"text/csv with {DATA}"
        yield finding("predictor.accept_type", found, "application/json or application/jsonlines")


def unsupported(config: AnalysisConfig) -> Iterator[Problem]:
    """The data of time series, which come in a later release."""
    if config.time_series_data_config is not None:
        yield later(DATA, "a key", "leave it out")


ANALYSIS = AnalysisRules(
    problems=(both_sides, columns, method, predictor),
    unsupported=unsupported,
    plain_words={f"{METHOD}.baseline": "a URI or an object with target_time_series and others"},
)
