"""What each column is in a bias analysis: which rows are facet d, which labels and predictions are positive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from clarify_spark.bias import type_warnings
from clarify_spark.bias.predicates import (
    ColumnType,
    Predicate,
    above,
    column_type,
    entry_of,
    equal_to,
    is_numeric,
    threshold_of,
)
from clarify_spark.columns import ColumnProfile, Kind, Scalar
from clarify_spark.errors import ConfigError, Problem

__all__ = [
    "PREDICTION_MISMATCH",
    "BiasSettings",
    "FacetConfig",
    "FacetRole",
    "LabelRole",
    "Predicate",
    "RoleNames",
    "Roles",
    "needed_facts",
    "resolve",
]

#: Clarify's words for predictions that cannot be compared with the labels.
PREDICTION_MISMATCH = "Predicted Label Column series datatype is not the same as Label Column series"


class FacetConfig(Protocol):
    """The part of a facet's config that is read here."""

    @property
    def value_or_threshold(self) -> Sequence[Scalar] | None: ...

    @property
    def type(self) -> str | None: ...


class BiasSettings(Protocol):
    """The part of an analysis config that is read here."""

    @property
    def label_values_or_threshold(self) -> Sequence[Scalar] | None: ...

    @property
    def label_type(self) -> str | None: ...

    @property
    def facet(self) -> Sequence[FacetConfig] | None: ...


@dataclass(frozen=True)
class RoleNames:
    """Column names of the roles, ``facets`` in the order of the config's facet list."""

    label: str
    facets: tuple[str, ...] = ()
    group: str | None = None
    predicted: str | None = None
    weight: str | None = None


@dataclass(frozen=True)
class FacetRole:
    """One item of the config's facet list; ``listed``: it named no values, so every distinct value is an entry."""

    name: str
    type: ColumnType
    entries: tuple[Predicate, ...]
    listed: bool


@dataclass(frozen=True)
class LabelRole:
    """Labels or predictions; with an ``error`` positive and negative cannot be distinguished and no row is positive."""

    name: str
    type: ColumnType
    positive: Predicate
    error: str | None = None


@dataclass(frozen=True)
class Roles:
    """All roles of a bias analysis, and notes on choices that may be surprising; ``weight``: the weight column."""

    facets: tuple[FacetRole, ...]
    label: LabelRole
    predicted: LabelRole | None
    group: str | None
    warnings: tuple[str, ...]
    weight: str | None = None


@dataclass(frozen=True)
class _ColumnRequest:
    """What the config requests of one column, and where it does so."""

    path: str
    values_key: str
    type_key: str
    column: str
    values: tuple[Scalar, ...]
    override: str | None

    @property
    def values_path(self) -> str:
        return f"{self.path}{self.values_key}"

    @property
    def type_path(self) -> str:
        return f"{self.path}{self.type_key}"


def needed_facts(config: BiasSettings, kinds: Mapping[str, Kind], names: RoleNames) -> dict[str, frozenset[str]]:
    """The optional facts of ``ColumnProfile`` that ``resolve`` needs of each role column, and no more.

    ``values`` are read only when the column turns out categorical, ``maximum`` of a text column only when it spells
    integers.
    """
    label, facets = _label(config, names), _facets(config, names)
    _require_columns(kinds, names)
    facts: dict[str, frozenset[str]] = {}
    for request in (label, *facets):
        facts[request.column] = facts.get(request.column, frozenset()) | _facts_of_kind(kinds[request.column], request)
    if names.predicted is not None:
        wanted = _prediction_facts(kinds[names.predicted], kinds[label.column], label)
        facts[names.predicted] = facts.get(names.predicted, frozenset()) | wanted
    return facts


def resolve(config: BiasSettings, profiles: Mapping[str, ColumnProfile], names: RoleNames) -> Roles:
    """The roles of all columns; raises ConfigError with every problem found.

    ``profiles`` holds the label, every facet and, where there are predictions, their column, with the facts that
    ``needed_facts`` names.
    """
    label_request, facet_requests = _label(config, names), _facets(config, names)
    label = _label_role(label_request, profiles[names.label])
    facets = [_facet_role(request, profiles[request.column]) for request in facet_requests]
    problems = [outcome for outcome in (label, *facets) if isinstance(outcome, Problem)]
    if problems or isinstance(label, Problem):
        raise ConfigError(problems)
    roles = Roles(
        tuple(role for role in facets if isinstance(role, FacetRole)), label, None, names.group, (), names.weight
    )
    if names.predicted is not None:
        predicted = _predicted_role(label, label_request.values, profiles[names.label], profiles[names.predicted])
        roles = replace(roles, predicted=predicted)
    return replace(roles, warnings=tuple(_warnings(roles, profiles, label_request, facet_requests)))


# --- what the config requests ---------------------------------------------------------------------------------------


def _label(config: BiasSettings, names: RoleNames) -> _ColumnRequest:
    values = tuple(config.label_values_or_threshold or ())
    return _ColumnRequest("", "label_values_or_threshold", "label_type", names.label, values, config.label_type)


def _facets(config: BiasSettings, names: RoleNames) -> list[_ColumnRequest]:
    return [
        _ColumnRequest(
            f"facet[{index}].", "value_or_threshold", "type", name, tuple(item.value_or_threshold or ()), item.type
        )
        for index, (item, name) in enumerate(zip(config.facet or (), names.facets, strict=True))
    ]


def _require_columns(kinds: Mapping[str, Kind], names: RoleNames) -> None:
    roles: list[tuple[str, str | None]] = [
        ("label", names.label),
        *((f"facet[{index}].name_or_index", name) for index, name in enumerate(names.facets)),
        ("group_variable", names.group),
        ("predicted_label", names.predicted),
        ("weight", names.weight),
    ]
    problems = [
        Problem(path, f"the data has no column {name!r}; its columns are {_some(kinds)}")
        for path, name in roles
        if name is not None and name not in kinds
    ]
    if problems:
        raise ConfigError(problems)


def _some(columns: Iterable[str]) -> str:
    names = [repr(name) for name in columns]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# --- which facts they need ------------------------------------------------------------------------------------------


#: What distinguishes categorical from continuous where the kind alone does not.
_TO_JUDGE: dict[Kind, frozenset[str]] = {
    "integer": frozenset({"distinct"}),
    "string": frozenset({"distinct", "all_integers"}),
}


def _facts_of_kind(kind: Kind, request: _ColumnRequest) -> frozenset[str]:
    values = frozenset[str]() if request.values else frozenset({"values"})
    if request.override == "continuous":
        return frozenset({"all_integers", "maximum"} if kind == "string" else {"maximum"})
    if request.override == "categorical" or len(request.values) > 1 or kind in ("boolean", "other"):
        return values
    if kind == "float":
        return frozenset({"maximum"}) if request.values else frozenset()
    return _TO_JUDGE[kind] | (values or {"maximum"})


def _prediction_facts(kind: Kind, label_kind: Kind, label: _ColumnRequest) -> frozenset[str]:
    facts: set[str] = set()
    if kind == "float" and label_kind != "float":
        facts.add("all_integers")
    if "maximum" in _facts_of_kind(label_kind, label):
        facts.add("maximum")
        if kind == "string":
            facts.add("all_integers")
    return frozenset(facts)


# --- roles ----------------------------------------------------------------------------------------------------------


def _facet_role(request: _ColumnRequest, profile: ColumnProfile) -> FacetRole | Problem:
    kind = column_type(profile, request.values, request.override)
    if kind == "continuous":
        entry = _above_threshold(request, profile)
        return entry if isinstance(entry, Problem) else FacetRole(profile.name, kind, (entry,), listed=False)
    if request.values:
        return FacetRole(profile.name, kind, (equal_to(profile.name, profile.kind, request.values),), listed=False)
    if profile.values is None:
        raise ValueError(f"the distinct values of column {profile.name!r} were not collected")
    return FacetRole(profile.name, kind, tuple(entry_of(profile.name, value) for value in profile.values), listed=True)


def _label_role(request: _ColumnRequest, profile: ColumnProfile) -> LabelRole | Problem:
    if not request.values:
        return Problem(request.values_path, "missing; bias metrics need the positive label values, or one threshold")
    kind = column_type(profile, request.values, request.override)
    if kind == "continuous":
        positive = _above_threshold(request, profile)
        return positive if isinstance(positive, Problem) else LabelRole(profile.name, kind, positive)
    positive = equal_to(profile.name, profile.kind, request.values)
    if not positive.values:
        return Problem(request.values_path, _incomparable(request, profile))
    return LabelRole(profile.name, kind, positive)


def _above_threshold(request: _ColumnRequest, profile: ColumnProfile) -> Predicate | Problem:
    if not is_numeric(profile) or profile.kind == "boolean":
        wanted = f"column {profile.name!r} is not numeric ({profile.kind}); only numbers can be continuous"
        return Problem(request.type_path, wanted)
    advice = f'give one number, or set {request.type_key} to "categorical"'
    if not request.values:
        why = f"column {profile.name!r} is continuous and needs a threshold (rows above it are the facet)"
        return Problem(request.values_path, f"missing; {why}: {advice}")
    threshold = threshold_of(request.values[0])
    if threshold is None or len(request.values) > 1:
        why = f"column {profile.name!r} is continuous and needs a single numeric threshold"
        return Problem(request.values_path, f"found {type_warnings.listed_values(request.values)}; {why}: {advice}")
    return above(profile.name, threshold, profile.maximum)


def _incomparable(request: _ColumnRequest, profile: ColumnProfile) -> str:
    found = type_warnings.listed_values(request.values)
    return f"found {found}; no value of column {profile.name!r} ({profile.kind}) can equal that"


def _predicted_role(
    label: LabelRole, values: tuple[Scalar, ...], of_label: ColumnProfile, profile: ColumnProfile
) -> LabelRole:
    """The predictions' role: the label's own, or an error where the two cannot be compared.

    On a continuous label the interval ends at the joint maximum of labels and predictions.
    """
    unlike = LabelRole(profile.name, label.type, Predicate(profile.name, (), None, ""), PREDICTION_MISMATCH)
    if label.type == "continuous":
        threshold = threshold_of(values[0])
        if threshold is None or not is_numeric(profile):
            return unlike
        maxima = [maximum for maximum in (of_label.maximum, profile.maximum) if maximum is not None]
        return LabelRole(profile.name, label.type, above(profile.name, threshold, max(maxima, default=None)))
    if profile.kind == "float" and of_label.kind != "float" and not profile.all_integers:
        return unlike
    positive = equal_to(profile.name, profile.kind, values)
    return LabelRole(profile.name, label.type, positive) if positive.values else unlike


# --- warnings -------------------------------------------------------------------------------------------------------


def _warnings(
    roles: Roles, profiles: Mapping[str, ColumnProfile], label: _ColumnRequest, facets: Sequence[_ColumnRequest]
) -> Iterable[str]:
    judged = [(label, roles.label.type, roles.label.positive)]
    judged += [
        (request, role.type, role.entries[0])
        for request, role in zip(facets, roles.facets, strict=True)
        if request.values
    ]
    for request, kind, predicate in judged:
        decision = type_warnings.TypeDecision(
            profiles[request.column], kind, request.values, request.override is not None, predicate
        )
        yield from type_warnings.column_warnings(decision, request.type_path)
    for facet in dict.fromkeys(request.column for request in facets):
        yield from type_warnings.missing_value_warnings(profiles[facet], "facet", "among all other rows")
    yield from type_warnings.missing_value_warnings(profiles[roles.label.name], "label")
    if roles.predicted is not None:
        of_predictions = profiles[roles.predicted.name]
        yield from type_warnings.missing_value_warnings(of_predictions, "prediction")
        yield from type_warnings.prediction_warnings(profiles[roles.label.name], of_predictions, roles.predicted.error)
