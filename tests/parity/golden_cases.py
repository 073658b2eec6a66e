"""Reference results of smclarify 0.5: reading the cases, evaluating them with any way of counting, comparing.

A way of counting is an ``Engine``: three functions of a case. ``pandas_counts.py`` has one; Spark's is another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from clarify_spark.bias.counts import FacetCounts, everyone
from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.performance import ClassCount, model_performance
from clarify_spark.bias.roles import RoleNames, Roles, needed_facts, resolve
from clarify_spark.bias.sections import BiasSection, post_training_section, pre_training_section
from clarify_spark.bias.statistics import Statistic, post_training_statistics, pre_training_statistics
from clarify_spark.columns import ColumnProfile, Kind, Scalar
from clarify_spark.errors import ConfigError

HERE = Path(__file__).resolve().parent
COMMITTED = HERE
FULL = HERE.parent.parent.parent / "shared" / "golden" / "bias"
NOT_IN_CLONE = "the full golden set is not part of the clone; tests/parity/cases holds the committed subset"
TOLERANCE = 1e-12

PRE = ("pre_training_bias", "basic_stats_pre_training")
POST = ("post_training_bias", "basic_stats_post_training", "model_performance")
PARTS = ("label_value_or_threshold", *PRE, *POST)
PRE_NAMES = frozenset({"CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL"})


@dataclass(frozen=True)
class FacetItem:
    value_or_threshold: tuple[Scalar, ...] | None
    type: str | None = None


@dataclass(frozen=True)
class Case:
    """One golden case: ``name`` as its file, ``root`` the folder that its data path starts from."""

    name: str
    root: Path
    params: Mapping[str, Any]
    expected: Mapping[str, Any]

    @property
    def path(self) -> Path:
        return self.root / self.params["data"]

    @property
    def dtype(self) -> dict[str, str]:
        return self.params["dtype"] or {}

    @property
    def facet(self) -> tuple[FacetItem, ...]:
        values = self.params["facet_values"]
        return (FacetItem(None if values is None else tuple(values)),)

    @property
    def label_values_or_threshold(self) -> tuple[Scalar, ...] | None:
        values = self.params["positive_label_values"]
        return None if values is None else tuple(values)

    @property
    def label_type(self) -> str | None:
        return None

    @property
    def names(self) -> RoleNames:
        params = self.params
        return RoleNames(params["label"], (params["facet"],), params["group_variable"], params["predicted_label"])

    def frame(self) -> pd.DataFrame:
        # The python engine reads floats exactly in every version of pandas; the C engine of pandas 2 is one unit off.
        frame = pd.read_csv(self.path, dtype=self.dtype or None, engine="python")
        frame = frame.drop(columns=list(self.params["drop_columns"] or ()))
        bounds = self.params["set_index"]
        return frame if bounds is None else frame.set_index(pd.RangeIndex(*bounds))

    def metrics(self, stage: str) -> str | tuple[str, ...]:
        """The names asked for at a stage; the reference gives the same list to both and ignores the other's."""
        names = tuple(self.params["metrics"])
        if names == ("all",):
            return "all"
        other = "post" if stage == "pre" else "pre"
        return tuple(name for name in names if _stage(name) != other)


@dataclass(frozen=True)
class Counted:
    """``entries``: counts of every entry of every facet role; ``classes``: rows by label and predicted class."""

    entries: Sequence[Sequence[FacetCounts]]
    classes: Sequence[ClassCount]


@dataclass(frozen=True)
class Engine:
    """A way of counting: the kinds of a case's columns, the facts asked for, and the counts for its roles."""

    kinds: Callable[[Case], Mapping[str, Kind]]
    profiles: Callable[[Case, Mapping[str, frozenset[str]]], Mapping[str, ColumnProfile]]
    count: Callable[[Case, Roles], Counted]


@dataclass
class Outcome:
    """What our code makes of a case: the golden file's parts, or the problems of the config, and all warnings."""

    parts: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_cases(root: Path) -> list[Case]:
    """All cases under ``root/cases``, by name."""
    read = ((path, json.loads(path.read_text(encoding="utf-8"))) for path in sorted((root / "cases").glob("*.json")))
    return [Case(path.stem, root, content["params"], content["expected"]) for path, content in read]


def evaluate(case: Case, engine: Engine) -> Outcome:
    """The parts of a golden file as our code returns them, infinities written as text."""
    try:
        facts = needed_facts(case, engine.kinds(case), case.names)
        roles = resolve(case, engine.profiles(case, facts), case.names)
        counted = engine.count(case, roles)
        return Outcome(_parts(case, roles, counted), warnings=roles.warnings)
    except ConfigError as refused:
        return Outcome(problems=tuple(problem.path for problem in refused.problems))


def mismatches(actual: object, expected: object, where: str) -> list[str]:
    """One line for each place where two JSON values differ by more than the tolerance; order counts, also of keys."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if list(actual) != list(expected):
            return [f"{where}: keys {list(actual)}, expected {list(expected)}"]
        return [line for key in expected for line in mismatches(actual[key], expected[key], f"{where}.{key}")]
    if isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            return [f"{where}: {len(actual)} items, expected {len(expected)}"]
        pairs = enumerate(zip(actual, expected, strict=True))
        return [line for index, (mine, theirs) in pairs for line in mismatches(mine, theirs, f"{where}[{index}]")]
    if _is_number(expected) and _is_number(actual):
        close = math.isclose(actual, expected, rel_tol=0, abs_tol=TOLERANCE)
        return [] if close else [f"{where}: {actual!r}, expected {expected!r}"]
    return [] if actual == expected else [f"{where}: {actual!r}, expected {expected!r}"]


def _parts(case: Case, roles: Roles, counted: Counted) -> dict[str, Any]:
    parts: dict[str, Any] = {"label_value_or_threshold": roles.label.positive.text}
    parts["pre_training_bias"] = _entries(pre_training_section(roles, counted.entries, case.metrics("pre")))
    parts["basic_stats_pre_training"] = _statistics(roles, counted, pre_training_statistics)
    if roles.predicted is None:
        return parts
    parts["post_training_bias"] = _entries(post_training_section(roles, counted.entries, case.metrics("post")))
    if roles.predicted.error is not None:
        parts["basic_stats_post_training"] = parts["basic_stats_pre_training"]
        parts["model_performance"] = {"error": roles.predicted.error}
        return parts
    parts["basic_stats_post_training"] = _statistics(roles, counted, post_training_statistics)
    parts["model_performance"] = _performance(roles, counted)
    return parts


def _entries(section: BiasSection) -> list[dict[str, Any]]:
    (facet,) = section.facets
    return [
        {"value_or_threshold": entry.value_or_threshold, "metrics": [_metric(result) for result in entry.metrics]}
        for entry in facet.entries
    ]


def _statistics(
    roles: Roles, counted: Counted, of_entry: Callable[[FacetCounts], tuple[Statistic, ...]]
) -> list[dict[str, Any]]:
    ((role,), (entries,)) = roles.facets, counted.entries
    return [
        {
            "value_or_threshold": entry.text,
            "metrics": [
                {"name": one.name, "description": one.description, "value": _listed(one.value)}
                for one in of_entry(counts)
            ],
        }
        for entry, counts in zip(role.entries, entries, strict=True)
    ]


def _performance(roles: Roles, counted: Counted) -> dict[str, Any]:
    classes = counted.classes if roles.label.type == "categorical" else None
    report = model_performance(roles.label.name, everyone(counted.entries[0][0]), classes)
    section: dict[str, Any] = {
        "label": report.label,
        "model_performance_metrics": [_metric(result) for result in report.metrics],
        "binary_confusion_matrix": list(report.binary_confusion_matrix),
    }
    if report.confusion_matrix is not None:
        section["confusion_matrix"] = report.confusion_matrix
    return section


def _metric(result: MetricResult) -> dict[str, Any]:
    value: float | str | None = result.value
    if value is not None and math.isinf(value):
        value = "Infinity" if value > 0 else "-Infinity"
    plain = {"name": result.name, "description": result.description, "value": value}
    return plain if result.error is None else {**plain, "error": result.error}


def _listed(value: float | tuple[float, ...]) -> float | list[float]:
    return list(value) if isinstance(value, tuple) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stage(name: str) -> str:
    post = {"DPPL", "DI", "DCA", "DCR", "RD", "SD", "DAR", "DRR", "AD", "CDDPL", "TE", "FT", "GE"}
    return "pre" if name in PRE_NAMES else "post" if name in post else "unknown"
