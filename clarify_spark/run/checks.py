"""Checks of a run that are possible before anything is started or read. Importing them loads no pandas."""

from __future__ import annotations

from dataclasses import replace

from clarify_spark.config import (
    AnalysisConfig,
    Loaded,
    check_runnable,
    headers_of,
    later,
    load,
    model_format,
    unsupported,
)
from clarify_spark.config.analyses import supported
from clarify_spark.config.rules.prediction import needs_model
from clarify_spark.errors import ConfigError
from clarify_spark.run.context import Options
from clarify_spark.udfs.model_formats import pickle_refusal


def runnable(text: str, *, strict: bool) -> Loaded:
    """The config of a run that this version supports; raises ConfigError with every reason why not."""
    loaded = load(text, strict=strict)
    problems = (*check_runnable(loaded.config), *unsupported(loaded.config))
    if problems:
        raise ConfigError(problems)
    return replace(loaded, warnings=(*loaded.warnings, *later(loaded.config)))


def check_model(config: AnalysisConfig, options: Options) -> None:
    """Raise what is known to be wrong with the model before anything is started or read."""
    predictor = config.predictor
    if predictor is None or not needs_model(config):
        return
    list(headers_of(predictor))
    if model_format(predictor) == "sklearn" and not options.allow_pickle:
        raise pickle_refusal(str(predictor.model_uri))


def check_options(config: AnalysisConfig, options: Options) -> None:
    """Raise what any analysis, requested or not, finds wrong with the options."""
    from clarify_spark.run.analysis import steps_of

    for row in supported():
        steps_of(row).check(config, options)
