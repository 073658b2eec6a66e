"""Rules about partial dependence."""

from __future__ import annotations

from collections.abc import Iterator

from clarify_spark.config.methods import Pdp, Shap
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules.analysis import AnalysisRules, FeatureList
from clarify_spark.config.rules.findings import Problems, finding, missing


def pdp(config: AnalysisConfig) -> Problems:
    """Problems of methods.pdp."""
    settings = config.methods.of(Pdp)
    if settings is None:
        return
    if not settings.features and config.methods.of(Shap) is None:
        yield missing("methods.pdp.features", "methods.pdp without methods.shap", "a list of features")
    for key in ("grid_resolution", "top_k_features"):
        value = getattr(settings, key)
        if value < 1:
            yield finding(f"methods.pdp.{key}", str(value), "1 or more")


def _features(config: AnalysisConfig) -> Iterator[FeatureList]:
    settings = config.methods.of(Pdp)
    if settings is not None:
        yield FeatureList(("methods", "pdp", "features"), settings.features)


ANALYSIS = AnalysisRules(problems=(pdp,), features=_features)
