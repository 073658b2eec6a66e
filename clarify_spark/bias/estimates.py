"""What a sample shows about one metric of one comparison: the value types between the statistics and their readers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A confidence interval, ends included and possibly infinite; ``method``: a key of ``intervals.METHODS``."""

    low: float
    high: float
    method: str


@dataclass(frozen=True)
class NullTest:
    """A test of the null hypothesis that both groups are alike; ``name``: a key of ``hypothesis_tests.TESTS``.

    ``holm`` and ``benjamini_hochberg``: the p-value adjusted for all tests of the run.
    """

    name: str
    p_value: float
    holm: float
    benjamini_hochberg: float


@dataclass(frozen=True)
class MetricEstimate:
    """One metric of one comparison: its value, its uncertainty, and what else the sample shows.

    ``value``: ±inf included, None where the counts leave the metric undefined. Without an ``interval`` there is a
    ``reason``, in words. ``minimum_detectable_difference``: the smallest difference from no difference that a sample of
    this size shows with 80 % power, None where that has no meaning. ``silent``: no outcome of the run is positive, so
    that the value compares nothing.
    """

    metric: str
    value: float | None
    interval: Interval | None = None
    reason: str | None = None
    test: NullTest | None = None
    minimum_detectable_difference: float | None = None
    silent: bool = False
