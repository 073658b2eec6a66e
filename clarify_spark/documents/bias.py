"""The bias part of the documents: metrics, their uncertainty, how columns are interpreted, closing lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from clarify_spark.bias.comparisons import BiasStatistics, ComparisonResult
from clarify_spark.bias.counts import facet_a, facet_d
from clarify_spark.bias.metrics import measure
from clarify_spark.bias.performance import ModelPerformance
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.sections import BiasSection
from clarify_spark.columns import ColumnProfile
from clarify_spark.config.metrics import METRICS
from clarify_spark.documents.analysis_json import json_number, metric, number_of
from clarify_spark.documents.bias_details import comparison, intersections, metrics, segments, statistics_details
from clarify_spark.documents.section import DocumentSection
from clarify_spark.documents.summary import printable

if TYPE_CHECKING:
    import pandas as pd

    from clarify_spark.documents.typed import Analysis

#: Groups of a facet, and findings outside their bounds, that the terminal shows; the files have all.
MOST_GROUPS, MOST_FINDINGS = 10, 5
STAGES = ("pre_training", "post_training")
METRIC_COLUMNS = (
    "stage", "facet", "value_or_threshold", "metric", "description", "value", "error",
    "low", "high", "p_value", "p_value_holm", "verdict", "sentence",
)  # fmt: skip


def section(bias: BiasResult) -> DocumentSection:
    """What the bias analyses contribute to the documents."""
    stages = {"post_training_bias_metrics": bias.post_training, "pre_training_bias_metrics": bias.pre_training}
    return DocumentSection(
        rows=next(iter(bias.profiles.values())).rows,
        measured={key: _section(stage) for key, stage in stages.items() if stage is not None},
        details=_details(bias),
        lines=(*_lines(bias), *_verdicts(bias.statistics)),
        warnings=(*bias.roles.warnings, *bias.notes),
        cautions=tuple(caution.sentence for caution in bias.cautions),
        traffic={"predictions": bias.traffic},
        verdicts={
            **{str(kind): count for kind, count in bias.statistics.verdicts().items()},
            "silent": bias.statistics.silent(),
        },
    )


# --- analysis.json --------------------------------------------------------------------------------------------------


def _section(section: BiasSection) -> dict[str, Any]:
    facets = {
        facet.name: [
            {"value_or_threshold": entry.value_or_threshold, "metrics": [metric(result) for result in entry.metrics]}
            for entry in facet.entries
        ]
        for facet in section.facets
    }
    return {
        "label": section.label,
        "facets": facets,
        "label_value_or_threshold": section.label_value_or_threshold,
    }


# --- analysis_details.json ------------------------------------------------------------------------------------------


def _details(bias: BiasResult) -> dict[str, Any]:
    roles = bias.roles
    return {
        "cautions": [
            {key: value for key, value in asdict(item).items() if value is not None} for item in bias.cautions
        ],
        "columns": [_column(profile, roles) for profile in bias.profiles.values()],
        "bias": {
            "label": _label(roles.label),
            "predicted_label": None if roles.predicted is None else _label(roles.predicted),
            "group_variable": roles.group,
            **({} if roles.weight is None else {"weight": roles.weight}),
            **statistics_details(bias.statistics),
            "facets": _facets(roles, bias.statistics),
            **intersections(bias.statistics),
            **segments(roles, bias.statistics),
            **metrics(bias.statistics),
        },
        "model_performance": None if bias.performance is None else _performance(bias.performance),
    }


def _column(profile: ColumnProfile, roles: Roles) -> dict[str, Any]:
    judged: list[FacetRole | LabelRole] = [*roles.facets, roles.label, *([roles.predicted] if roles.predicted else [])]
    types = sorted({role.type for role in judged if role.name == profile.name})
    present = profile.rows - profile.nulls
    found: dict[str, Any] = {
        "name": profile.name,
        "kind": profile.kind,
        "type": types[0] if types else None,
        "rows": profile.rows,
        "missing": profile.nulls,
        "distinct": profile.distinct,
        "uniqueness": profile.distinct / present if profile.distinct is not None and present else None,
        "maximum": None if profile.maximum is None else json_number(profile.maximum),
    }
    return {key: value for key, value in found.items() if value is not None}


def _label(role: LabelRole) -> dict[str, Any]:
    found = {"name": role.name, "type": role.type, "positive": role.positive.text}
    return found if role.error is None else {**found, "error": role.error}


def _facets(roles: Roles, statistics: BiasStatistics) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for role, of_role in zip(roles.facets, statistics.facets, strict=True):
        entries = [
            {"value_or_threshold": entry.text, "type": role.type, **comparison(compared)}
            for entry, compared in zip(role.entries, of_role, strict=True)
        ]
        found.setdefault(role.name, []).extend(entries)
    return found


def _performance(performance: ModelPerformance) -> dict[str, Any]:
    return {
        "label": performance.label,
        "model_performance_metrics": [metric(result) for result in performance.metrics],
        "binary_confusion_matrix": list(performance.binary_confusion_matrix),
        "confusion_matrix": performance.confusion_matrix,
    }


# --- the terminal ---------------------------------------------------------------------------------------------------


def _lines(bias: BiasResult) -> list[str]:
    """Per facet entry how often facet d and everybody else have a positive label and get a positive prediction."""
    label = bias.roles.label
    head = (
        f"Positive outcomes of {label.name!r} ({label.positive.text or 'no value'}), each group against all other rows"
    )
    weighted = "" if bias.roles.weight is None else f", weighted by {bias.roles.weight!r}"
    return [f"{head}{weighted} ({100 * bias.statistics.level:g} % intervals):", *_entries(bias.roles, bias.statistics)]


def _verdicts(statistics: BiasStatistics) -> Iterator[str]:
    """How many metrics are within their bounds and how many are not, and the main ones of these, in words."""
    verdicts = statistics.verdicts()
    if not verdicts:
        return
    outside, within, unknown = (
        verdicts["outside_bounds"], verdicts["within_bounds"], verdicts["not_enough_data"]
    )  # fmt: skip
    yield f"Metrics with bounds: {outside:,} outside, {within:,} within, {unknown:,} without enough data to tell"
    for finding in statistics.foremost()[: min(outside, MOST_FINDINGS)]:
        yield f"  {finding.estimate.metric}: {finding.sentence}"
    if outside > MOST_FINDINGS:
        yield f"  … ({outside:,} outside in all)"


def _entries(roles: Roles, statistics: BiasStatistics) -> Iterator[str]:
    for role, of_role in zip(roles.facets, statistics.facets, strict=True):
        sizes = [-compared.counts.rows[1].sum() for compared in of_role]
        largest = sorted(np.argsort(sizes, kind="stable")[:MOST_GROUPS])
        for entry, compared in ((role.entries[place], of_role[place]) for place in largest):
            counts = compared.counts
            d, a = facet_d(counts), facet_a(counts)
            rows = counts.rows.sum(axis=(1, 2)).tolist()
            group = f"{printable(role.name)} = {printable(entry.text) or '(no row)'}"
            yield f"  {group}: {rows[1]:,} of {sum(rows):,} rows"
            if d.rows and a.rows:
                yield _rates("labels", (d.positives / d.rows, a.positives / a.rows), compared)
                if roles.predicted is not None and roles.predicted.error is None:
                    rates = d.predicted_positives / d.rows, a.predicted_positives / a.rows
                    yield _rates("predictions", rates, compared)
        if len(of_role) > MOST_GROUPS:
            yield f"  … the {MOST_GROUPS} largest of {len(of_role):,} groups of {printable(role.name)}"


def _interval(compared: ComparisonResult, metric: str) -> str:
    """For a requested metric."""
    found = next((one.estimate.interval for one in compared.findings if one.estimate.metric == metric), None)
    return "" if found is None else f" [{found.low:.3f}, {found.high:.3f}]"


def _rates(line: str, rates: tuple[float, float], compared: ComparisonResult) -> str:
    """The rates of facet d and of everybody else, and the metrics that belong to this line, requested or not."""
    if not any(rates):
        return f"    {line:<12} none of all rows is positive"
    parts = []
    for row in METRICS.values():
        if row.closing_line is not None and row.closing_line[0] == line:
            (result,) = measure([row], compared.counts)
            if result.value is not None:
                value = f"{result.value:.3f}" if row.ideal else f"{result.value:+.3f}"
                parts.append(f"{row.closing_line[1]} {value}{_interval(compared, row.name)}")
    return f"    {line:<12} {rates[0]:6.1%} against {rates[1]:6.1%}  ({', '.join(parts)})"


def roles(found: Roles) -> Iterator[str]:
    """How each role column is interpreted."""
    label = found.label
    yield f"label: {printable(label.name)} ({label.type}), positive: {printable(label.positive.text) or 'no value'}"
    for facet in found.facets:
        groups = ", ".join(printable(entry.text) for entry in facet.entries[:10])
        more = f", … ({len(facet.entries)} in all)" if len(facet.entries) > 10 else ""
        yield f"facet: {printable(facet.name)} ({facet.type}), groups: {groups}{more}"
    yield f"group variable: {printable(found.group or 'none')}"


# --- pandas ---------------------------------------------------------------------------------------------------------


def metrics_table(analysis: Analysis, details: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each bias metric of each group, with its interval, p-values and verdict where there are any."""
    import pandas as pd

    return pd.DataFrame(list(_metrics(analysis, details)), columns=list(METRIC_COLUMNS))


def _metrics(analysis: Analysis, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for stage in STAGES:
        section = getattr(analysis, f"{stage}_bias_metrics", None)
        if section is None:
            continue
        for facet, entries in section.facets.items():
            sure = details.get("bias", {}).get("facets", {}).get(facet, [])
            for place, entry in enumerate(entries):
                of_entry = sure[place]["metrics"] if place < len(sure) else []
                by_name = {sure["name"]: sure for sure in of_entry if sure.get("stage") == stage}
                for one in entry.metrics:
                    yield {
                        "stage": stage,
                        "facet": facet,
                        "value_or_threshold": entry.value_or_threshold,
                        "metric": one.name,
                        "description": one.description,
                        "value": one.value,
                        "error": one.error,
                        **_evidence(by_name.get(one.name, {})),
                    }


def _evidence(entry: Mapping[str, Any]) -> dict[str, Any]:
    """How certain one metric is; floats also where JSON has "Infinity"."""
    interval, test = entry.get("interval", {}), entry.get("test", {})
    return {
        "low": number_of(interval.get("low")),
        "high": number_of(interval.get("high")),
        "p_value": number_of(test.get("p_value")),
        "p_value_holm": number_of(test.get("holm")),
        "verdict": entry.get("verdict"),
        "sentence": entry.get("sentence"),
    }
