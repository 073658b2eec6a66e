"""What a config that conforms to the schema still lacks, or states twice, for the methods it requests."""

from collections.abc import Callable, Iterator

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.rules import columns, data, methods, prediction, report
from clarify_spark.config.rules.analysis import rules_of
from clarify_spark.config.rules.findings import Problems
from clarify_spark.errors import Problem

Rule = Callable[[AnalysisConfig], Problems]


def check_runnable(config: AnalysisConfig) -> tuple[Problem, ...]:
    """Everything that keeps the requested methods from running, as far as the config alone shows."""
    return tuple(dict.fromkeys(problem for rule in _rules() for problem in rule(config)))


def _rules() -> Iterator[Rule]:
    """Data and columns first, then what is measured, the model, what is explained, the report, and later releases."""
    yield from (*data.RULES, *columns.RULES, *methods.RULES)
    yield from _of_analyses(explains=False, later=False)
    yield from prediction.RULES
    yield from _of_analyses(explains=True, later=False)
    yield from report.RULES
    yield from (*_of_analyses(explains=False, later=True), *_of_analyses(explains=True, later=True))


def _of_analyses(*, explains: bool, later: bool) -> Iterator[Rule]:
    for row in ANALYSES.values():
        if row.explains == explains and (row.steps is None) == later:
            yield from rules_of(row).problems
