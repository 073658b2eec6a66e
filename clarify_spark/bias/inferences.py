"""The statistics of a whole run at once: intervals, adjusted tests and smallest detectable gaps of all its metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.draws import BLOCK
from clarify_spark.bias.hypotheses import Raw, adjusted
from clarify_spark.bias.inference import Inference, Interval
from clarify_spark.bias.intervals import intervals
from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.parts import parts_of
from clarify_spark.bias.samples import Batch, samples


@dataclass(frozen=True)
class Comparison:
    """Two groups and the requested metrics, in the order of the results."""

    counts: FacetCounts
    results: tuple[MetricResult, ...]


def infer(comparisons: Sequence[Comparison], level: float, seed: int) -> tuple[list[tuple[Inference, ...]], int]:
    """For each comparison what its sample shows about each of its metrics, and the number of hypotheses tested.

    P-values are adjusted for all of these together.
    """
    found: list[list[Inference]] = []
    raw: list[list[Raw | None]] = []
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
) -> tuple[list[list[Inference]], list[list[Raw | None]]]:
    """The inferences, still without tests, and in the same places the tests before adjustment."""
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for c, comparison in enumerate(comparisons):
        for m, result in enumerate(comparison.results):
            if result.value is not None:
                places[result.name].append((c, m))
    found = [[Inference(r.name, r.value, reason=r.error) for r in comparison.results] for comparison in comparisons]
    raw: list[list[Raw | None]] = [[None] * len(comparison.results) for comparison in comparisons]
    every = samples([comparison.counts for comparison in comparisons])
    for metric, of_metric in places.items():
        of_comparison = np.array([c for c, _ in of_metric], np.intp)
        values = np.array([comparisons[c].results[m].value for c, m in of_metric], np.float64)
        batch = Batch([comparisons[c].counts for c in of_comparison], every[of_comparison], values, level, seed)
        parts = parts_of(metric)
        told = zip(
            intervals(parts.interval, parts.too_little(batch), batch),
            parts.smallest_gap(batch).tolist(),
            parts.null_test(batch),
            strict=True,
        )
        for (c, m), value, (end, gap, test) in zip(of_metric, values.tolist(), told, strict=True):
            interval, reason = (end, None) if isinstance(end, Interval) else (None, end)
            smallest = gap if np.isfinite(gap) else None
            found[c][m] = Inference(metric, value, interval, reason, smallest_gap=smallest)
            raw[c][m] = test
    return found, raw
