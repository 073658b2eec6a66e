"""The statistics of a whole run at once: intervals, adjusted tests and smallest detectable gaps of all its metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.draws import BLOCK
from clarify_spark.bias.hypotheses import Raw, adjusted, null_tests
from clarify_spark.bias.inference import Inference, Interval
from clarify_spark.bias.intervals import DIFFERENCES, DISTANCES, LABELS, PREDICTIONS, intervals, pair
from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.proportions import Floats, critical
from clarify_spark.bias.samples import D, Samples, kish, samples
from clarify_spark.bias.strata import linearised

#: The power that a smallest detectable gap is stated for.
POWER = 0.8


@dataclass(frozen=True)
class Comparison:
    """Two groups and the metrics asked for, in the order of the results."""

    counts: FacetCounts
    results: tuple[MetricResult, ...]


def infer(comparisons: Sequence[Comparison], level: float, seed: int) -> tuple[list[tuple[Inference, ...]], int]:
    """For each comparison what its sample says about each of its metrics, and the number of hypotheses tested.

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
        sample, counts = every[of_comparison], [comparisons[c].counts for c in of_comparison]
        values = np.array([comparisons[c].results[m].value for c, m in of_metric], np.float64)
        told = zip(
            intervals(metric, counts, sample, values, level, seed),
            _gaps(metric, counts, sample, level).tolist(),
            null_tests(metric, counts, sample),
            strict=True,
        )
        for (c, m), value, (end, gap, test) in zip(of_metric, values.tolist(), told, strict=True):
            interval, reason = (end, None) if isinstance(end, Interval) else (None, end)
            smallest = gap if np.isfinite(gap) else None
            found[c][m] = Inference(metric, value, interval, reason, smallest_gap=smallest)
            raw[c][m] = test
    return found, raw


def _gaps(metric: str, counts: Sequence[FacetCounts], sample: Samples, level: float) -> Floats:
    """The smallest difference from "alike" (E,) that the metric's test finds with 80 % power; NaN where there is none.

    For proportions (z_level + z_power) √(p (1 − p) (1/n_a + 1/n_d)), p the common share; relative to p for DI. Where
    even the largest possible difference would be missed, there is none.
    """
    deviations = critical(level) + critical(2 * POWER - 1)
    if metric in DIFFERENCES or metric in DISTANCES or metric == "DI":
        proportion = (
            PREDICTIONS if metric == "DI" else DIFFERENCES[metric].proportion if metric in DIFFERENCES else LABELS
        )
        x_a, n_a, x_d, n_d = pair(sample, proportion)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (x_a + x_d) / (n_a + n_d)
            gap = deviations * np.sqrt(share * (1 - share) * (1 / n_a + 1 / n_d))
            possible = (gap > 0) & (gap < (share if metric == "DI" else 1.0))
            gap = gap / share if metric == "DI" else gap * DISTANCES.get(metric, 1.0)
        return np.where(possible, gap, np.nan)
    if metric in ("CDDL", "CDDPL"):
        axis = 1 if metric == "CDDL" else 2
        return np.array([deviations * linearised(of_one, axis)[1] for of_one in counts])
    if metric == "FT":
        return np.array([_gap_of_flips(of_one, deviations) for of_one in counts])
    return np.full(len(counts), np.nan)


def _gap_of_flips(counts: FacetCounts, deviations: float) -> float:
    """Flips vary as much as their number says when they balance: the variance of their share is share / n_d."""
    flips = counts.flips
    flipped = 0.0 if flips is None else flips.to_negative + flips.to_positive
    share = flipped / float(counts.cells[D].sum())
    gap = deviations * float(np.sqrt(share / kish(counts)[D]))
    return gap if 0 < gap < 1 else np.nan
