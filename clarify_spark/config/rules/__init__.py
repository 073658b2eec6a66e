"""What a config that keeps to the schema still lacks, or says twice, for the methods it asks for."""

from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules import bias, columns, data, explanations, prediction, report, statistics, time_series
from clarify_spark.errors import Problem

RULES = (
    *data.RULES,
    *columns.RULES,
    *bias.RULES,
    *statistics.RULES,
    *prediction.RULES,
    *explanations.RULES,
    *report.RULES,
    *time_series.RULES,
)


def check_runnable(config: AnalysisConfig) -> tuple[Problem, ...]:
    """Everything that keeps the requested methods from running, as far as the config alone tells."""
    return tuple(dict.fromkeys(problem for rule in RULES for problem in rule(config)))
