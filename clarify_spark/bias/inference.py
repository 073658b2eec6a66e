"""The statistics of a whole run at once: intervals, adjusted tests and minimum detectable differences of all its
metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.estimates import Interval, MetricEstimate
from clarify_spark.bias.hypothesis_tests import UnadjustedTest, adjusted
from clarify_spark.bias.intervals import intervals
from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.parts import parts_of
from clarify_spark.bias.posterior_draws import BLOCK
from clarify_spark.bias.samples import Batch, samples


@dataclass(frozen=True)
class Comparison:
    """Two groups and the requested metrics, in the order of the results; ``silent``: why a metric says nothing."""

    counts: FacetCounts
    results: tuple[MetricResult, ...]
    silent: Mapping[str, str] = field(default_factory=dict)


def infer(comparisons: Sequence[Comparison], level: float, seed: int) -> tuple[list[tuple[MetricEstimate, ...]], int]:
    """For each comparison what its sample shows about each of its metrics, and the number of hypotheses tested.

    P-values are adjusted for all of these together.
    """
    found: list[list[MetricEstimate]] = []
    raw: list[list[UnadjustedTest | None]] = []
    for start in range(0, len(comparisons), BLOCK):
        inferences, tests = _block(comparisons[start : start + BLOCK], level, seed)
        found += inferences
        raw += tests
    every = [test for of_one in raw for test in of_one]
    tested = iter(adjusted(every))
    with_tests = [tuple(replace(inference, test=next(tested)) for inference in of_one) for of_one in found]
    return with_tests, len({test.question for test in every if test is not None})


def _block(
    comparisons: Sequence[Comparison], level: float, seed: int
) -> tuple[list[list[MetricEstimate]], list[list[UnadjustedTest | None]]]:
    """The estimates, still without tests, and in the same places the tests before adjustment."""
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for c, comparison in enumerate(comparisons):
        for m, result in enumerate(comparison.results):
            if result.value is not None and result.name not in comparison.silent:
                places[result.name].append((c, m))
    found = [[_without_statistics(result, comparison) for result in comparison.results] for comparison in comparisons]
    raw: list[list[UnadjustedTest | None]] = [[None] * len(comparison.results) for comparison in comparisons]
    every = samples([comparison.counts for comparison in comparisons])
    for metric, of_metric in places.items():
        of_comparison = np.array([c for c, _ in of_metric], np.intp)
        values = np.array([comparisons[c].results[m].value for c, m in of_metric], np.float64)
        batch = Batch([comparisons[c].counts for c in of_comparison], every[of_comparison], values, level, seed)
        parts = parts_of(metric)
        statistics = zip(
            intervals(parts.interval, parts.too_little(batch), batch),
            parts.minimum_detectable_difference(batch).tolist(),
            parts.null_test(batch),
            strict=True,
        )
        for (c, m), value, (end, difference, test) in zip(of_metric, values.tolist(), statistics, strict=True):
            interval, reason = (end, None) if isinstance(end, Interval) else (None, end)
            smallest = difference if np.isfinite(difference) else None
            found[c][m] = MetricEstimate(metric, value, interval, reason, minimum_detectable_difference=smallest)
            raw[c][m] = test
    return found, raw


def _without_statistics(result: MetricResult, comparison: Comparison) -> MetricEstimate:
    why = comparison.silent.get(result.name)
    return MetricEstimate(result.name, result.value, reason=result.error or why, silent=why is not None)
