"""Rules about the report files."""

from __future__ import annotations

from clarify_spark.config.methods import Report
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules.findings import Problems, finding
from clarify_spark.udfs.short_repr import short_repr


def is_plain(name: str) -> bool:
    """Whether a file of that name is directly in the output folder and not hidden."""
    return bool(name) and not name.startswith((".", "_")) and not set(name) & set("/\\:\0") and name.isprintable()


def report(config: AnalysisConfig) -> Problems:
    """Problems of methods.report."""
    asked = config.methods.of(Report)
    if asked is not None and not is_plain(asked.name):
        yield finding("methods.report.name", short_repr(asked.name), "a plain file name without folder and suffix")


RULES = (report,)
