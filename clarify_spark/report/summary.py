"""What a person reads when a run is over: the few numbers that matter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clarify_spark.bias.counts import Confusion, FacetCounts, facet_a, facet_d
from clarify_spark.bias.metrics import disparate_impact, divide
from clarify_spark.bias.report import CountTable
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import Roles
from clarify_spark.explain.result import ShapResult
from clarify_spark.report.shap_details import coalitions, doubtful, exact, intervals
from clarify_spark.udfs.quoting import shown

#: At most so many features of at most so many outputs are shown; the files have all.
MOST_FEATURES, MOST_OUTPUTS = 10, 5
METHODS = {"mean_abs": "mean |value|", "median": "median value", "mean_sq": "mean squared value"}


def lines(bias: BiasResult | None, shap: ShapResult | None) -> list[str]:
    """Bias: how often facet d and everybody else get a positive outcome. Kernel SHAP: the weightiest features."""
    found = [] if bias is None else _bias(bias.roles, bias.counts)
    if shap is not None:
        found += [*([""] if found else []), *_explained(shap)]
    return found


def _bias(roles: Roles, counts: CountTable) -> list[str]:
    """Per facet entry how often facet d and everybody else have a positive label and get a positive prediction."""
    positive = roles.label.positive.text or "no value"
    head = f"Positive outcomes of {roles.label.name!r} ({positive}), each group against all other rows:"
    return [head, *_entries(roles, counts)]


def _explained(shap: ShapResult) -> Iterator[str]:
    """Per output the features with the largest global values, with the errors over coalitions and over rows."""
    summary, plan = shap.summary, shap.plan
    per = " at most for each baseline row" if plan.engine == "pairwise" else ""
    how = "exact" if exact(shap) else f"coalitions: {coalitions(shap):,}{per}"
    yield (
        f"Kernel SHAP: rows: {summary.rows:,}, features: {len(shap.features)}, "
        f"baseline rows: {len(shap.baseline.rows):,}, engine: {plan.engine}, {how}, "
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


def roles(found: Roles) -> Iterator[str]:
    """What each role column is taken for."""
    label = found.label
    yield f"label: {_printable(label.name)} ({label.type}), positive: {_printable(label.positive.text) or 'no value'}"
    for facet in found.facets:
        groups = ", ".join(_printable(entry.text) for entry in facet.entries[:10])
        more = f", … ({len(facet.entries)} in all)" if len(facet.entries) > 10 else ""
        yield f"facet: {_printable(facet.name)} ({facet.type}), groups: {groups}{more}"
    yield f"group variable: {_printable(found.group or 'none')}"


def _entries(roles: Roles, counts: CountTable) -> Iterator[str]:
    for role, of_role in zip(roles.facets, counts, strict=True):
        for entry, of_entry in zip(role.entries, of_role, strict=True):
            d, a = facet_d(of_entry), facet_a(of_entry)
            group = f"{_printable(role.name)} = {_printable(entry.text) or '(no row)'}"
            yield f"  {group}: {d.rows:,} of {d.rows + a.rows:,} rows"
            if d.rows and a.rows:
                yield f"    labels       {_rates(d.positives, d, a.positives, a)}"
                if roles.predicted is not None and roles.predicted.error is None:
                    yield f"    predictions  {_predicted(of_entry, d, a)}"


def _printable(text: str) -> str:
    """The text, quoted where it holds line ends or other characters that a terminal obeys."""
    return text if text.isprintable() else shown(text)


def _rates(of_d: float, d: Confusion, of_a: float, a: Confusion) -> str:
    mine, theirs = divide(of_d, d.rows), divide(of_a, a.rows)
    return f"{mine:6.1%} against {theirs:6.1%}  (difference {theirs - mine:+.3f})"


def _predicted(counts: FacetCounts, d: Confusion, a: Confusion) -> str:
    rates = _rates(d.predicted_positives, d, a.predicted_positives, a)
    return f"{rates[:-1]}, ratio {disparate_impact(counts):.3f})"
