"""The smallest difference from "alike" that a metric's test finds in a sample of this size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clarify_spark.bias.proportions import Floats, critical
from clarify_spark.bias.samples import Batch, Proportion, effective_counts
from clarify_spark.bias.strata import linearised

#: The power for which a minimum detectable difference is stated.
POWER = 0.8
#: The differences (E,) of a batch, NaN where there is none: even the largest possible difference would be missed.
DetectableDifferences = Callable[[Batch], Floats]


def deviations(level: float) -> float:
    """How many standard errors the difference is that the test at this level finds with that power."""
    return critical(level) + critical(2 * POWER - 1)


def no_detectable_difference(batch: Batch) -> Floats:
    """No difference of any comparison."""
    return np.full(len(batch.counts), np.nan)


def detectable_difference_of_shares(proportion: Proportion, factor: float = 1.0) -> DetectableDifferences:
    """(z_level + z_power) √(p (1 − p) (1/n_a + 1/n_d)), p the common share, times ``factor``."""

    def differences(batch: Batch) -> Floats:
        _, difference = _common(batch, proportion)
        return np.where((difference > 0) & (difference < 1.0), difference * factor, np.nan)

    return differences


def detectable_difference_of_ratio(proportion: Proportion) -> DetectableDifferences:
    """The same, relative to the common share."""

    def differences(batch: Batch) -> Floats:
        share, difference = _common(batch, proportion)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((difference > 0) & (difference < share), difference / share, np.nan)

    return differences


def _common(batch: Batch, proportion: Proportion) -> tuple[Floats, Floats]:
    """The common share (E,), and the difference that is found."""
    x_a, n_a, x_d, n_d = effective_counts(batch.sample, proportion)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (x_a + x_d) / (n_a + n_d)
        return share, deviations(batch.level) * np.sqrt(share * (1 - share) * (1 / n_a + 1 / n_d))


def detectable_difference_of_strata(outcome_axis: int) -> DetectableDifferences:
    """Of conditional demographic disparity; ``outcome_axis``: 1 for labels, 2 for predictions."""
    return lambda batch: np.array(
        [deviations(batch.level) * linearised(of_one, outcome_axis)[1] for of_one in batch.counts]
    )
