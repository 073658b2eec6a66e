"""One plain sentence per metric: direction, counts and interval, as Clarify's numbers mean them.

Names come from data and configs: they are quoted, made printable and shortened. Escaping for HTML is up to the report.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clarify_spark.bias.counts import Confusion, FacetCounts, facet_a, facet_d
from clarify_spark.bias.inference import Inference, Interval
from clarify_spark.bias.metrics import divide
from clarify_spark.udfs.quoting import shown


@dataclass(frozen=True)
class Sides:
    """What the two groups of a comparison are called in a sentence; see ``group``."""

    d: str
    a: str = "all other rows"


def group(columns: Sequence[str], values: Sequence[str]) -> str:
    """Rows of one value of a column, or of one value of each of several."""
    return " and ".join(f"{shown(column)} = {shown(value)}" for column, value in zip(columns, values, strict=True))


def sentence(inference: Inference, counts: FacetCounts, sides: Sides, level: float) -> str:
    """What a metric of a comparison says, in words."""
    metric = inference.metric
    if inference.value is None:
        return f"{metric} of {sides.d} against {sides.a} is not defined: {_ended(inference.reason or '')}"
    if inference.interval is None:
        return f"{metric} of {sides.d} against {sides.a}: not enough data, {_ended(inference.reason or '')}"
    return _SENTENCES[metric](_Told(inference.value, inference.interval, counts, sides, level))


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


@dataclass(frozen=True)
class _Told:
    """What a sentence is made of."""

    value: float
    interval: Interval
    counts: FacetCounts
    sides: Sides
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
        """The counts behind two shares; with weights the shares, and rows that nobody weighs."""
        if self.counts.weighted:
            rows_a, rows_d = self.counts.rows.sum(axis=(1, 2)).tolist()
            shares = f"weighted {divide(of_d, all_d):.1%} against {divide(of_a, all_a):.1%}"
            return f"{shares} in groups of {rows_d:,} and {rows_a:,} rows"
        return f"{of_d:,} of {all_d:,} against {of_a:,} of {all_a:,}"

    def between(self, digits: str = ".3g") -> str:
        """The interval as numbers."""
        low, high = (format(end, digits) for end in (self.interval.low, self.interval.high))
        return f"{self.stated} {low} to {'no upper limit' if math.isinf(self.interval.high) else high}"


def _points(share: float) -> str:
    """A difference of shares in points; as many digits as tell it from 0."""
    points = 100 * abs(share)
    return f"{points:.1f}" if points >= 0.05 or points == 0 else f"{points:.1g}"


def _compared(low: float, high: float, less: str, more: str, stated: str) -> str:
    """An interval of differences (d less a), in the direction of the words when it has one."""
    if low > 0:
        return f"{stated} {_points(low)} to {_points(high)}"
    if high < 0:
        return f"{stated} {_points(high)} to {_points(low)}"
    ends = f"from {_points(low)} points {less} to {_points(high)} points {more}"
    return f"cannot be told from no difference: {stated} {ends}"


def _difference(
    what: str, counted: Callable[[Confusion], tuple[float, float]], first_is_d: bool = False
) -> Callable[[_Told], str]:
    """A sentence about two shares; ``what``: the verb of facet d, ``counted``: successes and trials of a group."""

    def told(one: _Told) -> str:
        sign = 1 if first_is_d else -1
        gap = sign * one.value
        low, high = sorted((sign * one.interval.low, sign * one.interval.high))
        direction = "less often than" if gap < 0 else "more often than"
        interval = _compared(low, high, "less", "more", one.stated)
        counts = one.shares(*counted(one.d), *counted(one.a))
        if gap == 0:
            return f"{one.sides.d} {what} as often as {one.sides.a} ({interval}; {counts})."
        return f"{one.sides.d} {what} {_points(gap)} points {direction} {one.sides.a} ({interval}; {counts})."

    return told


def _positive_labels(of: Confusion) -> tuple[float, float]:
    return of.positives, of.rows


def _positive_predictions(of: Confusion) -> tuple[float, float]:
    return of.predicted_positives, of.rows


def _class_imbalance(one: _Told) -> str:
    low, high = (1 - one.interval.high) / 2, (1 - one.interval.low) / 2
    share = (1 - one.value) / 2
    rows = one.counts.rows.sum(axis=(1, 2)).tolist()
    weighted = "weighted, " if one.counts.weighted else ""
    return (
        f"{one.sides.d} makes up {share:.1%} of the rows compared with {one.sides.a} "
        f"({weighted}{one.stated} {low:.1%} to {high:.1%}; {rows[1]:,} of {sum(rows):,})."
    )


def _impact(one: _Told) -> str:
    counts = one.shares(*_positive_predictions(one.d), *_positive_predictions(one.a))
    alike = "cannot be told from as often: " if one.interval.low <= 1 <= one.interval.high else ""
    return (
        f"{one.sides.d} gets a positive prediction {one.value:.3g} times as often as {one.sides.a} "
        f"({alike}{one.between()}; {counts})."
    )


def _distance(metric: str, meaning: str) -> Callable[[_Told], str]:
    def told(one: _Told) -> str:
        counts = one.shares(*_positive_labels(one.d), *_positive_labels(one.a))
        alike = "cannot be told from no difference: " if one.interval.low <= 0 else ""
        return (
            f"The labels of {one.sides.d} and of {one.sides.a} differ by {metric} = {one.value:.3g}, {meaning} "
            f"({alike}{one.between()}; positive labels: {counts})."
        )

    return told


def _disparity(what: str) -> Callable[[_Told], str]:
    def told(one: _Told) -> str:
        more = "larger" if one.value >= 0 else "smaller"
        interval = _compared(one.interval.low, one.interval.high, "smaller", "larger", one.stated)
        return (
            f"Within the values of the group variable, the share of {one.sides.d} is {_points(one.value)} points "
            f"{more} among negative {what} than among positive ones ({interval})."
        )

    return told


def _ratio(kind: str, per: str, counted: Callable[[Confusion], tuple[float, float]]) -> Callable[[_Told], str]:
    """A sentence about a ratio of counts in either group, of which the metric is the difference."""

    def told(one: _Told) -> str:
        of_d, of_a = (divide(*counted(side)) for side in (one.d, one.a))
        alike = "cannot be told from no difference: " if one.interval.low <= 0 <= one.interval.high else ""
        return (
            f"For each {per} {one.sides.d} has {of_d:.3g} {kind}, {one.sides.a} {of_a:.3g} "
            f"(difference {one.value:.3g}, {alike}{one.between()})."
        )

    return told


def _entropy(one: _Told) -> str:
    rows = int(one.counts.rows.sum())
    return (
        f"Over all {rows:,} rows the generalized entropy of what the predictions grant is {one.value:.3g}, 0 when all "
        f"are granted alike ({one.between()})."
    )


def _flips(one: _Told) -> str:
    flips, rows = one.counts.flips, one.counts.rows[1].sum().item()
    if flips is None:
        raise ValueError("FT has a value, but there are no flips")
    of = "a weight of " if one.counts.weighted else ""
    interval = _compared(one.interval.low, one.interval.high, "worse", "better", one.stated)
    better = "better" if one.value >= 0 else "worse"
    return (
        f"Of {rows:,} rows of {one.sides.d}, {of}{flips.to_negative:,.6g} get a positive prediction where their "
        f"nearest neighbours in {one.sides.a} get a negative one, and {of}{flips.to_positive:,.6g} the reverse: "
        f"{_points(one.value)} points {better} off ({interval}; given the rows of {one.sides.a})."
    )


_SENTENCES: dict[str, Callable[[_Told], str]] = {
    "AD": _difference("is predicted rightly", lambda of: (of.tp + of.tn, of.rows)),
    "CDDL": _disparity("labels"),
    "CDDPL": _disparity("predictions"),
    "CI": _class_imbalance,
    "DAR": _difference("has a positive label after a positive prediction", lambda of: (of.tp, of.predicted_positives)),
    "DCA": _ratio("positive labels", "positive prediction", lambda of: (of.positives, of.predicted_positives)),
    "DCR": _ratio("negative labels", "negative prediction", lambda of: (of.negatives, of.predicted_negatives)),
    "DI": _impact,
    "DPL": _difference("has a positive label", _positive_labels),
    "DPPL": _difference("gets a positive prediction", _positive_predictions),
    "DRR": _difference(
        "has a negative label after a negative prediction", lambda of: (of.tn, of.predicted_negatives), True
    ),
    "FT": _flips,
    "GE": _entropy,
    "JS": _distance("JS", "between 0 and 0.693"),
    "KL": _distance("KL", "0 when they are alike"),
    "KS": _distance("KS", "the largest difference of shares"),
    "LP": _distance("LP", "between 0 and 1.41"),
    "RD": _difference("with a positive label gets a positive prediction", lambda of: (of.tp, of.positives)),
    "SD": _difference("with a negative label gets a negative prediction", lambda of: (of.tn, of.negatives), True),
    "TE": _ratio("false negatives", "false positive", lambda of: (of.fn, of.fp)),
    "TVD": _distance("TVD", "half the summed differences of shares"),
}
