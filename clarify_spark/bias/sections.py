"""The two bias sections of an analysis as values; ``clarify_spark.report`` gives them their JSON keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.metrics import MetricResult, choose, measure, undefined_results
from clarify_spark.bias.roles import Roles
from clarify_spark.config.metrics import of_stage

#: Counts of every entry of every facet role, in the order of ``Roles.facets`` and ``FacetRole.entries``.
CountTable = Sequence[Sequence[FacetCounts]]
MetricNames = Sequence[str] | Literal["all"]


@dataclass(frozen=True)
class EntryReport:
    """The metrics of one facet entry, in ASCII order of their short names."""

    value_or_threshold: str
    metrics: tuple[MetricResult, ...]


@dataclass(frozen=True)
class FacetReport:
    """All entries of one facet column; a column that the config lists twice has the entries of both items."""

    name: str
    entries: tuple[EntryReport, ...]


@dataclass(frozen=True)
class BiasSection:
    """One stage's section: pre- or post-training."""

    label: str
    facets: tuple[FacetReport, ...]
    label_value_or_threshold: str


def pre_training_section(roles: Roles, counts: CountTable, metrics: MetricNames) -> BiasSection:
    """The section of the metrics that need no predictions."""
    table = choose(of_stage("pre_training"), metrics, "methods.pre_training_bias.methods")
    return _section(roles, counts, lambda entry: measure(table, entry))


def post_training_section(roles: Roles, counts: CountTable, metrics: MetricNames) -> BiasSection:
    """The section of the metrics that need predictions; all carry an error where these cannot be read."""
    table = choose(of_stage("post_training"), metrics, "methods.post_training_bias.methods")
    if roles.predicted is None:
        raise ValueError("post-training metrics were requested, but there are no predictions")
    error = roles.predicted.error
    if error is not None:
        return _section(roles, counts, lambda entry: undefined_results(table, error))
    return _section(roles, counts, lambda entry: measure(table, entry))


def _section(
    roles: Roles, counts: CountTable, results: Callable[[FacetCounts], tuple[MetricResult, ...]]
) -> BiasSection:
    reports: dict[str, tuple[EntryReport, ...]] = {}
    for role, of_role in zip(roles.facets, counts, strict=True):
        entries = tuple(
            EntryReport(entry.text, results(of_entry)) for entry, of_entry in zip(role.entries, of_role, strict=True)
        )
        reports[role.name] = reports.get(role.name, ()) + entries
    facets = tuple(FacetReport(name, entries) for name, entries in reports.items())
    return BiasSection(roles.label.name, facets, roles.label.positive.text)
