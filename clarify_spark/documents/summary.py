"""What a person reads when a run is over: the few numbers that matter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clarify_spark.bias.counts import Confusion, facet_a, facet_d
from clarify_spark.bias.evidence import Evidence, Statistics
from clarify_spark.bias.metrics import disparate_impact, divide
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import Roles
from clarify_spark.documents.shap_details import doubtful, exact, intervals
from clarify_spark.explaining.dependence import DependenceResult, Distribution
from clarify_spark.explaining.result import ShapResult
from clarify_spark.udfs.quoting import LONGEST, shown

#: At most so many features of at most so many outputs, and groups of a facet, are shown; the files have all.
MOST_FEATURES, MOST_OUTPUTS, MOST_GROUPS = 10, 5, 10
#: Findings outside their bounds that are shown.
MOST_FINDINGS = 5
METHODS = {"mean_abs": "mean |value|", "median": "median value", "mean_sq": "mean squared value"}


def lines(bias: BiasResult | None, shap: ShapResult | None, curves: DependenceResult | None = None) -> list[str]:
    """Bias: how often facet d and everybody else get a positive outcome. Explanations: what weighs most."""
    parts = [
        [] if bias is None else [*_bias(bias), *_verdicts(bias.statistics)],
        [] if shap is None else list(_explained(shap)),
        [] if curves is None else list(_curves(curves)),
    ]
    found = list[str]()
    for part in parts:
        found += [*([""] if found and part else []), *part]
    return found


def _bias(bias: BiasResult) -> list[str]:
    """Per facet entry how often facet d and everybody else have a positive label and get a positive prediction."""
    label = bias.roles.label
    head = (
        f"Positive outcomes of {label.name!r} ({label.positive.text or 'no value'}), each group against all other rows"
    )
    weighted = "" if bias.roles.weight is None else f", weighted by {bias.roles.weight!r}"
    return [f"{head}{weighted} ({100 * bias.statistics.level:g} % intervals):", *_entries(bias.roles, bias.statistics)]


def _verdicts(statistics: Statistics) -> Iterator[str]:
    """How many metrics are within their bounds and how many are not, and the foremost of those, in words."""
    verdicts = statistics.verdicts()
    if not verdicts:
        return
    outside, within, unknown = (
        verdicts["outside_bounds"], verdicts["within_bounds"], verdicts["not_enough_data"]
    )  # fmt: skip
    yield f"Metrics with bounds: {outside:,} outside, {within:,} within, {unknown:,} without enough data to tell"
    for finding in statistics.foremost()[: min(outside, MOST_FINDINGS)]:
        yield f"  {finding.inference.metric}: {finding.sentence}"
    if outside > MOST_FINDINGS:
        yield f"  … ({outside:,} outside in all)"


def _explained(shap: ShapResult) -> Iterator[str]:
    """Per output the features with the largest global values, with the errors over coalitions and over rows."""
    summary, plan = shap.summary, shap.plan
    how = "exact" if exact(shap) else plan.engine.code.effort(plan)
    yield (
        f"Kernel SHAP: rows: {summary.rows:,}, features: {len(shap.features)}, "
        f"baseline rows: {len(shap.baseline.rows):,}, engine: {plan.engine.key}, {how}, "
        f"model records: {summary.records:,}, calls: {summary.calls:,}"
    )
    if doubtful(shap):
        yield f"  intervals: {intervals(shap)}"
    for output, label in enumerate(shap.labels[:MOST_OUTPUTS]):
        expected = f"(expected value {plan.expected[output]:.4g})"
        yield f"  {_printable(label)}: {METHODS[summary.method]} ± standard errors {expected}"
        order = np.argsort(-np.abs(summary.values[output]), kind="stable")
        width = max(len(_printable(shap.features[player])) for player in order[:MOST_FEATURES])
        for player in order[:MOST_FEATURES]:
            yield f"    {_printable(shap.features[player]):<{width}}  {_value(shap, output, player)}"
        if len(order) > MOST_FEATURES:
            yield f"    … ({len(order)} features in all)"
    if len(shap.labels) > MOST_OUTPUTS:
        yield f"  … ({len(shap.labels)} outputs in all)"


def _value(shap: ShapResult, output: int, player: np.intp) -> str:
    summary = shap.summary
    found = f"{summary.values[output, player]:.4g}"
    if summary.coalition_errors is not None and not exact(shap):
        found += f" ± {summary.coalition_errors[output, player]:.2g} (coalitions)"
    rows = summary.row_errors[output, player]
    return found if np.isnan(rows) else f"{found} ± {rows:.2g} (rows)"


def _curves(found: DependenceResult) -> Iterator[str]:
    """Of each feature from where to where the mean output moves over its grid, or why there is no curve."""
    rows = f"rows: {found.rows:,}" + ("" if found.rows == found.of_rows else f" of {found.of_rows:,}")
    yield f"Partial dependence: {rows}, features: {len(found.curves)}, model records: {found.records:,}"
    for curve in found.curves[:MOST_FEATURES]:
        if isinstance(curve, Distribution):
            yield f"    {_printable(curve.name)}: none, {curve.error}"
            continue
        ends = (
            f"{_printable(label)} from {means.min():.4g} to {means.max():.4g}"
            for label, means in zip(found.labels[:MOST_OUTPUTS], curve.means, strict=False)
        )
        yield f"    {_printable(curve.distribution.name)}: mean output {', '.join(ends)}"
    if len(found.curves) > MOST_FEATURES:
        yield f"    … ({len(found.curves)} features in all)"


def roles(found: Roles) -> Iterator[str]:
    """What each role column is taken for."""
    label = found.label
    yield f"label: {_printable(label.name)} ({label.type}), positive: {_printable(label.positive.text) or 'no value'}"
    for facet in found.facets:
        groups = ", ".join(_printable(entry.text) for entry in facet.entries[:10])
        more = f", … ({len(facet.entries)} in all)" if len(facet.entries) > 10 else ""
        yield f"facet: {_printable(facet.name)} ({facet.type}), groups: {groups}{more}"
    yield f"group variable: {_printable(found.group or 'none')}"


def _entries(roles: Roles, statistics: Statistics) -> Iterator[str]:
    for role, of_role in zip(roles.facets, statistics.facets, strict=True):
        sizes = [-evidence.counts.rows[1].sum() for evidence in of_role]
        largest = sorted(np.argsort(sizes, kind="stable")[:MOST_GROUPS])
        for entry, evidence in ((role.entries[place], of_role[place]) for place in largest):
            counts = evidence.counts
            d, a = facet_d(counts), facet_a(counts)
            rows = counts.rows.sum(axis=(1, 2)).tolist()
            group = f"{_printable(role.name)} = {_printable(entry.text) or '(no row)'}"
            yield f"  {group}: {rows[1]:,} of {sum(rows):,} rows"
            if d.rows and a.rows:
                yield f"    labels       {_rates(d.positives, d, a.positives, a)}{_interval(evidence, 'DPL')})"
                if roles.predicted is not None and roles.predicted.error is None:
                    rates = _rates(d.predicted_positives, d, a.predicted_positives, a)
                    ratio = f", ratio {disparate_impact(counts):.3f}{_interval(evidence, 'DI')}"
                    yield f"    predictions  {rates}{_interval(evidence, 'DPPL')}{ratio})"
        if len(of_role) > MOST_GROUPS:
            yield f"  … the {MOST_GROUPS} largest of {len(of_role):,} groups of {_printable(role.name)}"


def _interval(evidence: Evidence, metric: str) -> str:
    """Of a metric that was asked for."""
    found = next((one.inference.interval for one in evidence.findings if one.inference.metric == metric), None)
    return "" if found is None else f" [{found.low:.3f}, {found.high:.3f}]"


def _printable(text: str) -> str:
    """The text, quoted where it holds line ends or other characters that a terminal obeys, and not longer than fits."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return short if short.isprintable() else shown(short)


def _rates(of_d: float, d: Confusion, of_a: float, a: Confusion) -> str:
    mine, theirs = divide(of_d, d.rows), divide(of_a, a.rows)
    return f"{mine:6.1%} against {theirs:6.1%}  (difference {theirs - mine:+.3f}"
