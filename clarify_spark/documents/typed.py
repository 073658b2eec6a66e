"""analysis.json as frozen values: attributes are named as the keys of the JSON, sections not requested are None."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.config.analyses import Analysis as Row
from clarify_spark.config.values import remade
from clarify_spark.udfs.dotted_names import resolved


class _Part(BaseModel):
    """A part of the document; unknown keys are kept."""

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


KernelShapByLabel = dict[str, KernelShap]
PartialDependenceCurves = tuple[PartialDependence, ...]


class Explanations(_Part):
    """The explanations, by the keys below ``explanations`` in the JSON."""


class Analysis(_Part):
    """The whole document."""

    version: str
    explanations: Explanations = Field(default_factory=Explanations)


def analysis_model() -> type[Analysis]:
    """Analysis with an attribute for every section in ANALYSES."""
    return _analysis_model(tuple(ANALYSES.values()))


@lru_cache(maxsize=4)
def _analysis_model(rows: tuple[Row, ...]) -> type[Analysis]:
    below, top = (
        {key: (resolved(kind) | None, None) for row in rows if row.explains is where for key, kind in row.sections}
        for where in (True, False)
    )
    explanations = remade(Explanations, below)
    return remade(Analysis, {**top, "explanations": (explanations, Field(default_factory=explanations))})
