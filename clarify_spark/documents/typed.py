"""analysis.json as frozen values: attributes are named as the keys of the JSON, sections not asked for are None."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    """A part of the document; keys that this version does not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class Metric(_Part):
    """One metric; an infinite value is a float, a missing one has the reason in ``error``."""

    name: str
    description: str
    value: float | None = None
    error: str | None = None


class FacetEntry(_Part):
    """The metrics of one group of a facet."""

    value_or_threshold: str
    metrics: tuple[Metric, ...]

    def __getitem__(self, name: str) -> Metric:
        """The metric with that short name."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)


class BiasMetrics(_Part):
    """The metrics of every facet; a facet has several entries when several groups are compared one by one."""

    label: str
    facets: dict[str, tuple[FacetEntry, ...]]
    label_value_or_threshold: str


class KernelShap(_Part):
    """Global values of one output of the model, by feature."""

    global_shap_values: dict[str, float]
    expected_value: float


class PartialDependence(_Part):
    """One curve: per output the mean prediction at each value of the feature; or why there is none."""

    feature_name: str
    data_type: str
    feature_values: tuple[Any, ...] = ()
    data_distribution: tuple[float, ...] = ()
    model_predictions: tuple[tuple[float, ...], ...] = ()
    label_headers: tuple[str, ...] = ()
    error: str | None = None


class Explanations(_Part):
    """What explains the predictions; ``kernel_shap`` by output."""

    kernel_shap: dict[str, KernelShap] | None = None
    pdp: tuple[PartialDependence, ...] | None = None


class Analysis(_Part):
    """The whole document."""

    version: str
    post_training_bias_metrics: BiasMetrics | None = None
    pre_training_bias_metrics: BiasMetrics | None = None
    explanations: Explanations = Field(default_factory=Explanations)
