"""The values of metrics: what their formulas give for the counts of one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.formulas import UndefinedMetric
from clarify_spark.bias.parts import parts_of
from clarify_spark.config.metrics import Metric
from clarify_spark.errors import ConfigError, Problem

ALL: Literal["all"] = "all"


@dataclass(frozen=True)
class MetricResult:
    """A metric's value, ±inf included; None with an ``error`` where the counts leave it undefined."""

    name: str
    description: str
    value: float | None
    error: str | None = None


def measure(table: Sequence[Metric], counts: FacetCounts) -> tuple[MetricResult, ...]:
    """The results of a table's metrics in ASCII order of their short names."""
    return tuple(_result(metric, counts) for metric in sorted(table, key=lambda metric: metric.name))


def undefined_results(table: Sequence[Metric], error: str) -> tuple[MetricResult, ...]:
    """The results of a table's metrics when none can be computed, all for the same reason."""
    return tuple(
        MetricResult(metric.name, metric.full_name, None, error)
        for metric in sorted(table, key=lambda metric: metric.name)
    )


def choose(table: Sequence[Metric], names: Sequence[str] | Literal["all"], path: str) -> tuple[Metric, ...]:
    """The metrics of a table with the given short names (``path``: where the config names them)."""
    if names == ALL or tuple(names) == (ALL,):
        return tuple(table)
    known = {metric.name: metric for metric in table}
    unknown = sorted(set(names) - known.keys())
    if unknown:
        found = ", ".join(repr(name) for name in unknown)
        raise ConfigError([Problem(path, f'unknown metric {found}; allowed are "all" or {", ".join(sorted(known))}')])
    return tuple(metric for metric in table if metric.name in names)


def _result(metric: Metric, counts: FacetCounts) -> MetricResult:
    try:
        return MetricResult(metric.name, metric.full_name, parts_of(metric.name).formula(counts))
    except UndefinedMetric as undefined:
        return MetricResult(metric.name, metric.full_name, None, str(undefined))
