"""Rules about the methods together."""

from __future__ import annotations

from clarify_spark.config.analyses import supported
from clarify_spark.config.methods import Report
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules.findings import Problems, finding, incomplete


def something_to_do(config: AnalysisConfig) -> Problems:
    """Problems of a config that requests no analysis."""
    asked = config.methods.model_fields_set - {"report"}
    if not asked:
        found = "only report" if config.methods.of(Report) else "no method"
        allowed = f"at least one of {', '.join(method.key for row in supported() for method in row.methods)}"
        yield incomplete(finding("methods", found, allowed))


RULES = (something_to_do,)
