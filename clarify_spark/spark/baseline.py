"""The baseline of a run: from the config, from a file, or computed from the data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clarify_spark.config import AnalysisConfig, Shap
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.explain.baseline import PATH, Baseline, cautions, from_config
from clarify_spark.explain.baseline_rows import Features
from clarify_spark.spark.datasets import Dataset
from clarify_spark.spark.formats.roles import JSON_TYPES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def baseline_of(spark: SparkSession, config: AnalysisConfig, dataset: Dataset, seed: int) -> Baseline:
    """The baseline that the config gives or, when it gives none, one computed from the data."""
    shap = config.methods.shap
    assert shap is not None
    baseline = _found(spark, config, shap, dataset, seed)
    said = cautions(len(baseline.rows), len(dataset.features), shap)
    return replace(baseline, notes=(*baseline.notes, *said))


def _found(spark: SparkSession, config: AnalysisConfig, shap: Shap, dataset: Dataset, seed: int) -> Baseline:
    if shap.baseline is None or isinstance(shap.baseline, str):
        raise ConfigError([Problem(PATH, "not yet")])
    return from_config(shap, features_of(config, dataset))


def features_of(config: AnalysisConfig, dataset: Dataset) -> Features:
    """What a baseline of the data set must have, and what its other columns are for."""
    roles = {
        dataset.join: "the join column",
        dataset.predicted_label: "the predicted label",
        dataset.label: "the label",
    }
    others = [name for name in dataset.names if name not in dataset.features]
    return Features(
        names=dataset.features,
        kinds=tuple(dataset.column(name).kind for name in dataset.features),
        others=tuple((name, roles.get(name, "excluded or of another data set")) for name in others),
        path=config.features if config.dataset_type in JSON_TYPES else None,
        whole=config.dataset_type == "application/json",
    )
