"""Three verdicts on a metric against bounds that the user sets: within, outside, not enough data."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from clarify_spark.bias.estimates import MetricEstimate
from clarify_spark.config.metrics import METRICS
from clarify_spark.errors import CommandError

Kind = Literal["within_bounds", "outside_bounds", "not_enough_data"]
#: Sections of analysis.json by stage.
SECTIONS = {"pre_training": "pre_training_bias_metrics", "post_training": "post_training_bias_metrics"}


class BoundConfig(Protocol):
    """The part of a config's bounds that is read here."""

    @property
    def min(self) -> float | None: ...

    @property
    def max(self) -> float | None: ...


@dataclass(frozen=True)
class Bound:
    """Accepted values from ``low`` to ``high``, ends included and possibly infinite."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"at most {self.high:g}" if math.isinf(self.low) else f"from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class BoundsByMetric:
    """Bounds per metric, and those of a baseline per stage, facet, entry and metric, which the former override."""

    by_metric: Mapping[str, Bound] = field(default_factory=dict)
    baseline: Mapping[tuple[str, str, str, str], Bound] = field(default_factory=dict)

    def of(self, metric: str) -> Bound | None:
        """The bound of a metric in an intersection or a segment."""
        return self.by_metric.get(metric)

    def of_entry(self, stage: str, facet: str, entry: str, metric: str) -> Bound | None:
        """The bound of a metric of a facet entry."""
        return self.by_metric.get(metric) or self.baseline.get((stage, facet, entry, metric))

    def __bool__(self) -> bool:
        return bool(self.by_metric or self.baseline)


@dataclass(frozen=True)
class Verdict:
    """Where a metric's interval lies: inside the bound, beyond it, or across it (or nowhere: not enough data)."""

    kind: Kind
    bound: Bound


def configured(bounds: Mapping[str, BoundConfig] | None) -> dict[str, Bound]:
    """The bounds of a config by metric."""
    return {
        metric: Bound(-math.inf if one.min is None else one.min, math.inf if one.max is None else one.max)
        for metric, one in (bounds or {}).items()
    }


def verdict(estimate: MetricEstimate, bound: Bound | None) -> Verdict | None:
    """The verdict on a metric; None without a bound."""
    if bound is None:
        return None
    interval = estimate.interval
    if interval is None:
        return Verdict("not_enough_data", bound)
    if bound.low <= interval.low and interval.high <= bound.high:
        return Verdict("within_bounds", bound)
    if interval.high < bound.low or interval.low > bound.high:
        return Verdict("outside_bounds", bound)
    return Verdict("not_enough_data", bound)


# --- an earlier result as bounds --------------------------------------------------------------------------------------


def baseline_bounds(text: str, place: str) -> dict[tuple[str, str, str, str], Bound]:
    """For each metric of an analysis.json: no further from its ideal value than there, on either side.

    ``place``: where the text comes from. Metrics without a value set no bound. Raises CommandError for other texts.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--bounds-from {place}: is not valid JSON ({error}); give an analysis.json.") from error
    sections = {stage: document.get(key) if isinstance(document, dict) else None for stage, key in SECTIONS.items()}
    if not any(sections.values()):
        keys = " nor ".join(SECTIONS.values())
        raise CommandError(f"--bounds-from {place}: has neither {keys}; give the analysis.json of a bias analysis.")
    try:
        return {key: no_further(key[-1], value) for key, value in _metric_values(sections)}
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise CommandError(f"--bounds-from {place}: is not laid out as an analysis.json ({error!r}).") from error


def _metric_values(sections: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str, str], float]]:
    for stage, section in sections.items():
        for facet, entries in (section or {}).get("facets", {}).items():
            for entry in entries:
                for metric in entry["metrics"]:
                    value = metric.get("value")
                    if value is not None and not math.isnan(float(value)):
                        yield (stage, facet, str(entry["value_or_threshold"]), metric["name"]), float(value)


def no_further(metric: str, value: float) -> Bound:
    """Values no further from the ideal one, as a difference from 0 or a ratio to 1, than ``value``.

    Only in the directions in which the metric gets worse; in both of a metric that is not known.
    """
    known = METRICS.get(metric)
    low, high = -abs(value), abs(value)
    if known is not None and known.ideal == 1:
        other = 1 / value if value else math.inf
        low, high = min(value, other), max(value, other)
    worse = "both" if known is None else known.worse
    return Bound(-math.inf if worse == "up" else low, math.inf if worse == "down" else high)
