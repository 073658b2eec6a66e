"""How often intervals contain the true value: the table of docs/statistics.md (make bench-coverage).

Samples are drawn from pairs of groups with known probabilities; a cell shows the worst and the best of several pairs,
and how often there was an interval at all if not always. The table counts the given intervals that contain the truth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "clarify_spark" / "bias"))

from simulated_groups import METRICS, SCENARIOS, coverage


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=4_000)
    parser.add_argument("--level", type=float, default=0.95)
    arguments = parser.parse_args()
    sizes = list(dict.fromkeys((scenario.rows_a, scenario.rows_d) for scenario in SCENARIOS))
    print("| Metric | " + " | ".join(f"{a:,} / {d:,}" for a, d in sizes) + " |")
    print("|---|" + "---|" * len(sizes))
    found = {
        (scenario, metric): result
        for scenario in SCENARIOS
        for metric, result in coverage(scenario, arguments.samples, arguments.level, seed=1).items()
    }
    for metric in METRICS:
        cells = []
        for size in sizes:
            results = [found[one, metric] for one in SCENARIOS if (one.rows_a, one.rows_d) == size]
            held = [result.held for result in results if result.given > 0.5]
            given = min(result.given for result in results)
            text = f"{min(held):.1%} to {max(held):.1%}" if held else "not enough data"
            cells.append(text if given > 0.995 else f"{text} (given {given:.0%})")
        print(f"| {metric} | " + " | ".join(cells) + " |")
    print(f"\n{arguments.samples:,} samples a scenario: ±{1.96 * np.sqrt(0.05 * 0.95 / arguments.samples):.1%}")


if __name__ == "__main__":
    main()
