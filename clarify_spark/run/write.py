"""What a run leaves behind: the details, the report and, last and whole, analysis.json."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from clarify_spark.config import AnalysisConfig, Loaded, Report, model_format
from clarify_spark.documents import analysis_json, details, summary
from clarify_spark.documents.section import DocumentSection
from clarify_spark.redaction import without_secrets
from clarify_spark.report.files import report_files
from clarify_spark.run.analysis import AnalysisOutcome
from clarify_spark.run.context import Result, Run
from clarify_spark.version import __version__

ANALYSIS, DETAILS = "analysis.json", "analysis_details.json"
LIBRARIES = ("numpy", "pandas", "pyarrow", "scikit-learn", "pydantic")


def write(run: Run, loaded: Loaded, text: str, found: Sequence[AnalysisOutcome]) -> Result:
    """Write the details, the report and, last and in one step, analysis.json, even if the report fails."""
    sections = [one.section for one in found]
    warnings = (*loaded.warnings, *(warning for section in sections for warning in section.warnings))
    facts = _run_facts(run, text, sections)
    extra = details.document(sections, warnings, facts)
    content = analysis_json.document(sections)
    written = [f"{run.output.uri}/{ANALYSIS}", run.output.write(DETAILS, analysis_json.json_text(extra))]
    written += [f"{run.output.uri}/{folder}/" for section in sections for folder in section.folders]
    with ExitStack() as last:
        last.callback(run.output.write, ANALYSIS, analysis_json.json_text(content))
        if facts.report is not None:
            with run.progress.phase("Report"):
                report = report_files(content, extra)
                written += [run.output.write_bytes(name, data) for name, data in report.files.items()]
                for name in report.missing:
                    run.output.delete(name)  # of an earlier run
            warnings = (*warnings, *report.warnings)
    said = (*warnings, *(caution for section in sections for caution in section.cautions))
    shown = (*summary.lines(sections), "", *(f"Written: {uri}" for uri in written))
    verdicts = Counter[str]()
    for section in sections:
        verdicts.update(section.verdicts)
    return Result(shown, said, dict(verdicts))


def _run_facts(run: Run, text: str, sections: Sequence[DocumentSection]) -> details.RunFacts:
    return details.RunFacts(
        dataset=_dataset_facts(run, sections),
        model=_model_facts(run.config),
        seconds=run.progress.seconds,
        versions=_versions(run.session.spark.version),
        config_sha256=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        seed=run.seed,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        command=_command(run),
        report=_report_request(run.config),
        notes=tuple(run.progress.notes),
    )


def _report_request(config: AnalysisConfig) -> dict[str, str] | None:
    requested = config.methods.of(Report)
    return None if requested is None else {"name": requested.name, "title": requested.title}


def _command(run: Run) -> str:
    """A command that produces the same result."""
    data = without_secrets(run.data_uri)
    return f"clarify-spark analyze --config analysis_config.json --data {data} --output OUTPUT --seed {run.seed}"


def _dataset_facts(run: Run, sections: Sequence[DocumentSection]) -> dict[str, Any]:
    dataset, source = run.dataset, run.dataset.source
    rows = next((section.rows for section in sections), 0)
    return {
        "uri": without_secrets(run.data_uri),
        "files": len(source.files),
        "bytes": sum(file.size for file in source.files),
        "listing_sha256": source.listing_hash,
        "rows": rows,
        "malformed_records": source.malformed,
        "features": list(dataset.features),
        "notes": [without_secrets(note) for note in source.notes],
    }


def _model_facts(config: AnalysisConfig) -> dict[str, Any] | None:
    predictor = config.predictor
    if predictor is None or model_format(predictor) is None:
        return None
    names = ("model_uri", "endpoint_name", "model_name", "target_model")
    given = {name: getattr(predictor, name) for name in names if getattr(predictor, name) is not None}
    return {**{name: without_secrets(text) for name, text in given.items()}, "format": model_format(predictor)}


def _versions(spark_version: str) -> dict[str, str]:
    found = {"clarify_spark": __version__, "python": platform.python_version(), "spark": spark_version}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
