"""What one analysis adds to the rules of a config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clarify_spark.config.analyses import ANALYSES, Analysis
from clarify_spark.config.models import AnalysisConfig
from clarify_spark.config.places import Place
from clarify_spark.config.rules.findings import Problems
from clarify_spark.errors import Problem
from clarify_spark.udfs.dotted_names import resolved


@dataclass(frozen=True)
class FeatureList:
    """Where a section lists features, and which; ``no_labels``: labels among them are refused."""

    place: Place
    columns: tuple[str | int, ...] | None
    no_labels: bool = False


def _nothing(_: AnalysisConfig) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class AnalysisRules:
    """What finds ``problems`` of its section, the ``features`` that it lists, what this version does not support, and
    keys without effect, a sentence each; ``worker_libraries``: modules that Python workers need for it besides the
    model's; ``plain_words``, by path, for what a schema cannot put into plain words.
    """

    problems: tuple[Callable[[AnalysisConfig], Problems], ...] = ()
    features: Callable[[AnalysisConfig], Iterable[FeatureList]] = _nothing
    unsupported: Callable[[AnalysisConfig], Iterable[Problem]] = _nothing
    without_effect: Callable[[AnalysisConfig], Iterable[str]] = _nothing
    worker_libraries: Callable[[AnalysisConfig], Iterable[str]] = _nothing
    plain_words: Mapping[str, str] = field(default_factory=dict)


def rules_of(row: Analysis) -> AnalysisRules:
    """The rules of an analysis."""
    found: AnalysisRules = resolved(row.rules)
    return found


def all_rules() -> Iterator[AnalysisRules]:
    """The rules of every analysis, in the order of the table."""
    return map(rules_of, ANALYSES.values())
