"""analysis_details.json: what analysis.json has no place for, from the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clarify_spark.documents.section import DocumentSection
from clarify_spark.udfs.traffic import Traffic

VERSION = "1.0"
#: Why requests fail, as Traffic counts them.
FAILURES = (
    "throttled", "unavailable", "unreachable", "timed_out", "disconnected", "garbled", "model_errors", "refused",
    "too_large",
)  # fmt: skip


@dataclass(frozen=True)
class RunFacts:
    """What happened in a run apart from the numbers, ready for JSON."""

    dataset: Mapping[str, Any]
    model: Mapping[str, Any] | None
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    config_sha256: str
    seed: int
    finished: str | None = None
    command: str | None = None
    report: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()


def document(sections: Sequence[DocumentSection], warnings: Sequence[str], facts: RunFacts) -> dict[str, Any]:
    """The content of analysis_details.json; what was not requested is absent."""
    details = [section.details for section in sections]
    return {
        "version": VERSION,
        "warnings": list(warnings),
        **({"notes": list(facts.notes)} if facts.notes else {}),
        **{key: value for of_section in details for key, value in of_section.items()},
        "dataset": dict(facts.dataset),
        "model": None if facts.model is None else dict(facts.model),
        **_model_calls(sections),
        "seed": facts.seed,
        "config_sha256": facts.config_sha256,
        "versions": dict(facts.versions),
        "seconds": dict(facts.seconds),
        **_for_the_report(facts),
    }


def _for_the_report(facts: RunFacts) -> dict[str, Any]:
    parts = {"finished": facts.finished, "command": facts.command, "report": facts.report}
    return {
        name: value if isinstance(value, str) else dict(value) for name, value in parts.items() if value is not None
    }


def _model_calls(sections: Sequence[DocumentSection]) -> dict[str, Any]:
    """What was sent to an endpoint, by purpose; nothing for in-process models."""
    sent = {name: traffic for section in sections for name, traffic in section.traffic.items()}
    parts = {name: _traffic(traffic) for name, traffic in sent.items() if traffic is not None}
    return {"model_calls": parts} if parts else {}


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
