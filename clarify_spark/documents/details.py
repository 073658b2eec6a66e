"""analysis_details.json: what analysis.json has no place for, from the same result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clarify_spark.bias.evidence import Statistics
from clarify_spark.bias.performance import ModelPerformance
from clarify_spark.bias.result import BiasResult
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.columns import ColumnProfile
from clarify_spark.documents.analysis_json import metric, number
from clarify_spark.documents.bias_details import bias_statistics, comparison, intersections, segments
from clarify_spark.documents.dependence_details import partial_dependence
from clarify_spark.documents.shap_details import kernel_shap
from clarify_spark.explaining.dependence import DependenceResult
from clarify_spark.explaining.result import ShapResult
from clarify_spark.udfs.traffic import Traffic

VERSION = "1.0"
#: Why requests fail, as Traffic counts them.
FAILURES = (
    "throttled", "unavailable", "unreachable", "timed_out", "disconnected", "garbled", "model_errors", "refused",
    "too_large",
)  # fmt: skip


@dataclass(frozen=True)
class RunFacts:
    """What happened in a run besides the numbers, ready for JSON."""

    dataset: Mapping[str, Any]
    model: Mapping[str, Any] | None
    predictions: Traffic | None
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    config_sha256: str
    seed: int
    finished: str | None = None
    command: str | None = None
    report: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """What the analyses found, None for those that were not asked for."""

    bias: BiasResult | None = None
    shap: ShapResult | None = None
    curves: DependenceResult | None = None


def document(results: Results, warnings: Sequence[str], facts: RunFacts) -> dict[str, Any]:
    """The content of analysis_details.json; what was not asked for is absent."""
    bias, shap, curves = results.bias, results.shap, results.curves
    return {
        "version": VERSION,
        "warnings": list(warnings),
        **({"notes": list(facts.notes)} if facts.notes else {}),
        **({} if bias is None else _bias(bias)),
        **({} if shap is None else {"kernel_shap": kernel_shap(shap)}),
        **({} if curves is None else {"partial_dependence": partial_dependence(curves)}),
        "dataset": dict(facts.dataset),
        "model": None if facts.model is None else dict(facts.model),
        **_model_calls(facts, results),
        "seed": facts.seed,
        "config_sha256": facts.config_sha256,
        "versions": dict(facts.versions),
        "seconds": dict(facts.seconds),
        **_for_the_report(facts),
    }


def _for_the_report(facts: RunFacts) -> dict[str, Any]:
    told = {"finished": facts.finished, "command": facts.command, "report": facts.report}
    return {name: value if isinstance(value, str) else dict(value) for name, value in told.items() if value is not None}


def _model_calls(facts: RunFacts, results: Results) -> dict[str, Any]:
    """What was sent to an endpoint, for predictions and for explanations; nothing for models in process."""
    sent = {
        "predictions": facts.predictions,
        "kernel_shap": None if results.shap is None else results.shap.summary.traffic,
        "partial_dependence": None if results.curves is None else results.curves.traffic,
    }
    told = {name: _traffic(traffic) for name, traffic in sent.items() if traffic is not None}
    return {"model_calls": told} if told else {}


def _traffic(traffic: Traffic) -> dict[str, Any]:
    failed = {name: getattr(traffic, name) for name in FAILURES if getattr(traffic, name)}
    mean = traffic.records / traffic.answered if traffic.answered else 0.0
    return {
        "records": traffic.records,
        "requests": traffic.requests,
        "bytes_sent": traffic.bytes_sent,
        "records_per_request": {"fewest": traffic.fewest, "mean": mean, "most": traffic.most},
        "failed_requests": failed,
        "requests_cut_in_two": traffic.splits,
        "seconds_waited": traffic.waited,
    }


def _bias(bias: BiasResult) -> dict[str, Any]:
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
            **bias_statistics(bias.statistics),
            "facets": _facets(roles, bias.statistics),
            **intersections(bias.statistics),
            **segments(roles, bias.statistics),
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
        "maximum": None if profile.maximum is None else number(profile.maximum),
    }
    return {key: value for key, value in found.items() if value is not None}


def _label(role: LabelRole) -> dict[str, Any]:
    found = {"name": role.name, "type": role.type, "positive": role.positive.text}
    return found if role.error is None else {**found, "error": role.error}


def _facets(roles: Roles, statistics: Statistics) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for role, of_role in zip(roles.facets, statistics.facets, strict=True):
        entries = [
            {"value_or_threshold": entry.text, "type": role.type, **comparison(evidence)}
            for entry, evidence in zip(role.entries, of_role, strict=True)
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
