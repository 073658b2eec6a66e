"""The smallest difference from "alike" that a metric's test finds in a sample of this size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clarify_spark.bias.proportions import Floats, critical
from clarify_spark.bias.samples import Batch, Proportion, pair
from clarify_spark.bias.strata import linearised

#: The power for which a smallest detectable gap is stated.
POWER = 0.8
#: The gaps (E,) of a batch, NaN where there is none: even the largest possible difference would be missed.
Gaps = Callable[[Batch], Floats]


def deviations(level: float) -> float:
    """How many standard errors a gap is that the test at this level finds with that power."""
    return critical(level) + critical(2 * POWER - 1)


def no_gap(batch: Batch) -> Floats:
    """No gap of any comparison."""
    return np.full(len(batch.counts), np.nan)


def gap_of_shares(proportion: Proportion, factor: float = 1.0) -> Gaps:
    """(z_level + z_power) √(p (1 − p) (1/n_a + 1/n_d)), p the common share, times ``factor``."""

    def gaps(batch: Batch) -> Floats:
        _, gap = _common(batch, proportion)
        return np.where((gap > 0) & (gap < 1.0), gap * factor, np.nan)

    return gaps


def gap_of_ratio(proportion: Proportion) -> Gaps:
    """The same, relative to the common share."""

    def gaps(batch: Batch) -> Floats:
        share, gap = _common(batch, proportion)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((gap > 0) & (gap < share), gap / share, np.nan)

    return gaps


def _common(batch: Batch, proportion: Proportion) -> tuple[Floats, Floats]:
    """The common share (E,), and the difference that is found."""
    x_a, n_a, x_d, n_d = pair(batch.sample, proportion)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (x_a + x_d) / (n_a + n_d)
        return share, deviations(batch.level) * np.sqrt(share * (1 - share) * (1 / n_a + 1 / n_d))


def gap_of_strata(outcome_axis: int) -> Gaps:
    """Of conditional demographic disparity; ``outcome_axis``: 1 for labels, 2 for predictions."""
    return lambda batch: np.array(
        [deviations(batch.level) * linearised(of_one, outcome_axis)[1] for of_one in batch.counts]
    )
