"""What sentences about metrics are made of: direction, counts and interval, with the meaning of Clarify's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from clarify_spark.bias.counts import Confusion, FacetCounts, facet_a, facet_d
from clarify_spark.bias.estimates import Interval
from clarify_spark.bias.formulas import divide

#: Successes and trials of a group.
Counted = Callable[[Confusion], tuple[float, float]]


@dataclass(frozen=True)
class GroupNames:
    """What the two groups of a comparison are called in a sentence; see ``wording.group``."""

    d: str
    a: str = "all other rows"


@dataclass(frozen=True)
class SentenceFacts:
    """What a sentence is made of."""

    value: float
    interval: Interval
    counts: FacetCounts
    groups: GroupNames
    level: float

    @property
    def d(self) -> Confusion:
        return facet_d(self.counts)

    @property
    def a(self) -> Confusion:
        return facet_a(self.counts)

    @property
    def stated(self) -> str:
        """How the interval is introduced."""
        return f"{100 * self.level:g} % interval"

    def shares(self, of_d: float, all_d: float, of_a: float, all_a: float) -> str:
        """The counts behind two shares; with weights the shares, and unweighted rows."""
        if self.counts.weighted:
            rows_a, rows_d = self.counts.rows.sum(axis=(1, 2)).tolist()
            shares = f"weighted {divide(of_d, all_d):.1%} against {divide(of_a, all_a):.1%}"
            return f"{shares} in groups of {rows_d:,} and {rows_a:,} rows"
        return f"{of_d:,} of {all_d:,} against {of_a:,} of {all_a:,}"

    def between(self, digits: str = ".3g") -> str:
        """The interval as numbers."""
        low, high = (format(end, digits) for end in (self.interval.low, self.interval.high))
        return f"{self.stated} {low} to {'no upper limit' if math.isinf(self.interval.high) else high}"


def points(share: float) -> str:
    """A difference of shares in points; as many digits as distinguish it from 0."""
    found = 100 * abs(share)
    return f"{found:.1f}" if found >= 0.05 or found == 0 else f"{found:.1g}"


def compared_points(low: float, high: float, less: str, more: str, stated: str) -> str:
    """An interval of differences (d less a), in the direction of the words when it has one."""
    if low > 0:
        return f"{stated} {points(low)} to {points(high)}"
    if high < 0:
        return f"{stated} {points(high)} to {points(low)}"
    ends = f"from {points(low)} points {less} to {points(high)} points {more}"
    return f"cannot be told from no difference: {stated} {ends}"


def more_or_less_often(what: str, counted: Counted, first_is_d: bool = False) -> Callable[[SentenceFacts], str]:
    """A sentence about two shares; ``what``: the verb of facet d, ``counted``: successes and trials of a group."""

    def written(one: SentenceFacts) -> str:
        sign = 1 if first_is_d else -1
        gap = sign * one.value
        low, high = sorted((sign * one.interval.low, sign * one.interval.high))
        direction = "less often than" if gap < 0 else "more often than"
        interval = compared_points(low, high, "less", "more", one.stated)
        counts = one.shares(*counted(one.d), *counted(one.a))
        if gap == 0:
            return f"{one.groups.d} {what} as often as {one.groups.a} ({interval}; {counts})."
        return f"{one.groups.d} {what} {points(gap)} points {direction} {one.groups.a} ({interval}; {counts})."

    return written


def positive_labels(of: Confusion) -> tuple[float, float]:
    """Of all rows of a group."""
    return of.positives, of.rows


def positive_predictions(of: Confusion) -> tuple[float, float]:
    """Of all rows of a group."""
    return of.predicted_positives, of.rows


def labels_apart(name: str, meaning: str) -> Callable[[SentenceFacts], str]:
    """A sentence about a distance of labels, called by the metric's name."""

    def written(one: SentenceFacts) -> str:
        counts = one.shares(*positive_labels(one.d), *positive_labels(one.a))
        alike = "cannot be told from no difference: " if one.interval.low <= 0 else ""
        return (
            f"The labels of {one.groups.d} and of {one.groups.a} differ by {name} = {one.value:.3g}, {meaning} "
            f"({alike}{one.between()}; positive labels: {counts})."
        )

    return written


def among_outcomes(what: str) -> Callable[[SentenceFacts], str]:
    """A sentence about a conditional disparity; ``what``: labels or predictions."""

    def written(one: SentenceFacts) -> str:
        more = "larger" if one.value >= 0 else "smaller"
        interval = compared_points(one.interval.low, one.interval.high, "smaller", "larger", one.stated)
        return (
            f"Within the values of the group variable, the share of {one.groups.d} is {points(one.value)} points "
            f"{more} among negative {what} than among positive ones ({interval})."
        )

    return written


def for_each(kind: str, per: str, counted: Counted) -> Callable[[SentenceFacts], str]:
    """A sentence about a ratio of counts in either group, of which the metric is the difference."""

    def written(one: SentenceFacts) -> str:
        of_d, of_a = (divide(*counted(side)) for side in (one.d, one.a))
        alike = "cannot be told from no difference: " if one.interval.low <= 0 <= one.interval.high else ""
        return (
            f"For each {per} {one.groups.d} has {of_d:.3g} {kind}, {one.groups.a} {of_a:.3g} "
            f"(difference {one.value:.3g}, {alike}{one.between()})."
        )

    return written
