"""The bias part of analysis_details.json: counts, and the uncertainty of every metric of every comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from clarify_spark.bias.comparisons import BiasStatistics, ComparisonResult, Finding, LeftOut
from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.detectable_differences import POWER
from clarify_spark.bias.hypothesis_tests import TESTS
from clarify_spark.bias.intervals import METHODS
from clarify_spark.bias.posterior_draws import DRAWS
from clarify_spark.bias.roles import Roles
from clarify_spark.bias.samples import kish
from clarify_spark.bias.statistics import Statistic, post_training_statistics, pre_training_statistics
from clarify_spark.config.metrics import METRICS, Metric
from clarify_spark.documents.analysis_json import finite, json_number


def statistics_details(statistics: BiasStatistics) -> dict[str, Any]:
    """What holds for all comparisons, the verdicts together, and the main findings in words."""
    findings = list(statistics.findings())
    methods = {one.estimate.interval.method for one in findings if one.estimate.interval is not None}
    tests = {one.estimate.test.name for one in findings if one.estimate.test is not None}
    found: dict[str, Any] = {
        "statistics": {
            "confidence_level": statistics.level,
            "draws": DRAWS,
            "power_of_smallest_gap": POWER,
            "hypotheses_tested": statistics.hypotheses,
            "interval_methods": {name: METHODS[name] for name in sorted(methods)},
            "tests": {name: TESTS[name] for name in sorted(tests)},
        }
    }
    verdicts = statistics.verdicts()
    if verdicts:
        found["verdicts"] = dict(sorted(verdicts.items()))
    return {**found, "findings": [finding.sentence for finding in statistics.foremost()]}


def comparison(compared: ComparisonResult) -> dict[str, Any]:
    """One comparison: its counts, basic statistics and metrics."""
    counts = compared.counts
    found: dict[str, Any] = {
        "counts": _cells(counts),
        "basic_statistics": [_statistic(statistic) for statistic in _basic(counts)],
    }
    if counts.weighted:
        size_a, size_d = kish(counts)
        found["effective_rows"] = {"d": size_d, "a": size_a}
    if counts.strata is not None:
        found["strata"] = len(counts.strata) if counts.multiplicity is None else int(counts.multiplicity.sum())
    if counts.flips is not None:
        found["flip_test"] = {key: value for key, value in asdict(counts.flips).items() if value is not None}
    return {**found, "metrics": [_finding(finding) for finding in compared.findings]}


def intersections(statistics: BiasStatistics) -> dict[str, Any]:
    """The cells of every intersection and what was left out; nothing when none was requested."""
    if not statistics.intersections:
        return {}
    return {
        "facet_intersections": [
            {
                "facets": list(one.facets),
                "min_cell_size": statistics.min_cell_size,
                "best_cell": None if one.best is None else dict(zip(one.facets, one.best, strict=True)),
                "cells": [
                    {
                        "cell": dict(zip(one.facets, cell.names, strict=True)),
                        "rows": int(cell.against_rest.counts.rows[1].sum()),
                        "against_all_others": comparison(cell.against_rest),
                        **(
                            {}
                            if cell.against_best is None
                            else {"against_best_cell": [_finding(one) for one in cell.against_best.findings]}
                        ),
                    }
                    for cell in one.cells
                ],
                "left_out": [
                    {"cell": dict(zip(one.facets, left.names, strict=True)), "reason": left.reason}
                    for left in one.left_out
                ],
            }
            for one in statistics.intersections
        ]
    }


def segments(roles: Roles, statistics: BiasStatistics) -> dict[str, Any]:
    """The facets of every segment and what was left out; nothing when no segments were requested."""
    if not statistics.segmentations:
        return {}
    return {
        "segments": [
            {
                "name": one.name,
                "column": one.column,
                "min_cell_size": statistics.min_cell_size,
                "segments": [
                    {
                        "segment": segment.name,
                        "rows": segment.rows,
                        "facets": _facets_of_segment(roles, segment.facets),
                    }
                    for segment in one.segments
                ],
                "left_out": [_left_out_of_segment(left) for left in one.left_out],
            }
            for one in statistics.segmentations
        ]
    }


def metrics(statistics: BiasStatistics) -> dict[str, Any]:
    """What each requested metric is, by short name, in the order of a report's reading help."""
    asked = {finding.estimate.metric for finding in statistics.findings()}
    rows = sorted((METRICS[name] for name in asked), key=lambda metric: (metric.reading_place, metric.name))
    return {"metrics": {metric.name: _facts(metric) for metric in rows}}


def _facts(metric: Metric) -> dict[str, Any]:
    found: dict[str, Any] = {
        "full_name": metric.full_name,
        "meaning": metric.meaning,
        "ideal": metric.ideal,
        "ideal_means": metric.ideal_means,
        "worse": metric.worse,
        "minimum": metric.minimum,
        "headline": metric.headline,
    }
    return found if metric.chart_place is None else {**found, "chart_place": metric.chart_place}


def _facets_of_segment(
    roles: Roles, facets: Iterable[Iterable[ComparisonResult | None]]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for role, of_role in zip(roles.facets, facets, strict=True):
        found.setdefault(role.name, []).extend(
            {"value_or_threshold": entry.text, **comparison(compared)}
            for entry, compared in zip(role.entries, of_role, strict=True)
            if compared is not None
        )
    return found


def _left_out_of_segment(left: LeftOut) -> dict[str, str]:
    segment, facet, entry = left.names
    return {"segment": segment, "facet": facet, "value_or_threshold": entry, "reason": left.reason}


def _finding(finding: Finding) -> dict[str, Any]:
    estimate, verdict = finding.estimate, finding.verdict
    found: dict[str, Any] = {
        "name": estimate.metric,
        "stage": finding.stage,
        "value": None if estimate.value is None else json_number(estimate.value),
    }
    if estimate.interval is not None:
        interval = estimate.interval
        found["interval"] = {
            "low": json_number(interval.low),
            "high": json_number(interval.high),
            "method": interval.method,
        }
    if estimate.reason is not None:
        found["reason"] = estimate.reason
    if estimate.test is not None:
        found["test"] = asdict(estimate.test)
    if estimate.minimum_detectable_difference is not None:
        found["smallest_gap"] = estimate.minimum_detectable_difference
    if verdict is not None:
        bound = {"min": verdict.bound.low, "max": verdict.bound.high}
        found["verdict"] = verdict.kind
        found["bounds"] = {key: end for key, end in bound.items() if abs(end) != float("inf")}
    return {**found, "sentence": finding.sentence}


def _cells(counts: FacetCounts) -> list[dict[str, Any]]:
    """The 2 × 2 × 2 cells (2 × 2 without predictions), each with its meaning and its number of rows."""
    found: list[dict[str, Any]] = []
    for facet in (1, 0):
        for label in (1, 0):
            for predicted in (1, 0) if counts.has_predictions else (0,):
                cell: dict[str, Any] = {"facet": "d" if facet else "a", "label_positive": bool(label)}
                if counts.has_predictions:
                    cell["prediction_positive"] = bool(predicted)
                cell["rows"] = int(counts.rows[facet, label, predicted])
                if counts.weighted:
                    cell["weight"] = float(counts.cells[facet, label, predicted])
                found.append(cell)
    return found


def _basic(counts: FacetCounts) -> Iterable[Statistic]:
    return post_training_statistics(counts) if counts.has_predictions else pre_training_statistics(counts)


def _statistic(statistic: Statistic) -> dict[str, Any]:
    value = statistic.value
    return {
        "name": statistic.name,
        "description": statistic.description,
        "value": [finite(part) for part in value] if isinstance(value, tuple) else finite(value),
    }
