"""Time of all intervals and tests for many facet entries, relative to the metrics alone (make bench-statistics).

The counts are random, with 20 strata; no data is read. Ratios to the metrics, measured side by side.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.inference import Comparison, infer
from clarify_spark.bias.metrics import measure
from clarify_spark.bias.posterior_draws import DRAWS
from clarify_spark.config.metrics import METRICS


def counts(entries: int, seed: int) -> list[FacetCounts]:
    """Random counts of that many entries."""
    rng = np.random.default_rng(seed)
    strata = rng.integers(1, 400, (entries, 20, 2, 2, 2))
    return [FacetCounts(one.sum(axis=0), True, one, flips=Flips(30, 20)) for one in strata]


def main() -> None:
    """Print one line per number of entries."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, nargs="*", default=[1, 20, 200, 2_000])
    arguments = parser.parse_args()
    table = tuple(METRICS.values())
    infer([Comparison(one, measure(table, one)) for one in counts(1, 0)], 0.95, 0)  # imports scipy
    print(f"| facet entries | metrics, s | intervals ({DRAWS:,} draws), tests, gaps, s | times the metrics |")
    print("|---|---|---|---|")
    for entries in arguments.entries:
        given = counts(entries, entries)
        start = time.perf_counter()
        comparisons = [Comparison(one, measure(table, one)) for one in given]
        middle = time.perf_counter()
        infer(comparisons, 0.95, 0)
        end = time.perf_counter()
        print(f"| {entries:,} | {middle - start:.3f} | {end - middle:.3f} | {(end - middle) / (middle - start):.0f} |")


if __name__ == "__main__":
    main()
