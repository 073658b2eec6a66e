"""Which column is the label, the prediction, the id, and which are features; columns named in a config must exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clarify_spark.config import AnalysisConfig
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.spark.data.formats.column_names import resolve_name
from clarify_spark.spark.data.formats.table import LoadedTable

DEFAULT_PREDICTED_LABEL = "predicted_label"


@dataclass(frozen=True)
class ColumnRoles:
    """Columns of the main data set by role; ``features`` is everything that a model gets, in column order."""

    label: str | None
    predicted_label: str | None
    join: str | None
    features: tuple[str, ...]


def assign(config: AnalysisConfig, table: LoadedTable) -> ColumnRoles:
    """The roles of the main data set's columns; all names and indices in the config that match none are reported."""
    problems: list[Problem] = []

    def resolved(reference: str | int | None, path: str) -> str | None:
        try:
            return None if reference is None else resolve_name(reference, table.addressable, path)
        except ConfigError as error:
            problems.extend(error.problems)
            return None

    found = config.format.by_jmespath
    label = table.label if found else resolved(config.label, "label")
    predicted = table.predicted_label
    if not found and config.predicted_label_dataset_uri is None:
        predicted = resolved(config.predicted_label, "predicted_label")
    join = resolved(config.joinsource_name_or_index, "joinsource_name_or_index")
    weight = resolved(config.weight, "weight")
    excluded = {resolved(name, f"excluded_columns[{i}]") for i, name in enumerate(config.excluded_columns or ())}
    if config.facet_dataset_uri is None:
        for index, facet in enumerate(config.facet or ()):
            resolved(facet.name_or_index, f"facet[{index}].name_or_index")
        resolved(config.group_variable, "group_variable")
    if any(name in table.unread for name in (label, predicted, join, weight)):
        problems.append(Problem("excluded_columns", f"a list, map or struct has no role: {', '.join(table.unread)}"))
    if problems:
        raise ConfigError(problems)
    others = {label, predicted, join, weight, *excluded}
    return ColumnRoles(label, predicted, join, tuple(name for name in table.names if name not in others))


def names_in_main_data(config: AnalysisConfig) -> frozenset[str]:
    """The column names that the config uses and that a header row of the main data set must have."""
    return frozenset(name for name in _references(config) if isinstance(name, str))


def _references(config: AnalysisConfig) -> Iterator[str | int | None]:
    yield config.label
    yield config.joinsource_name_or_index
    yield config.weight
    yield from config.excluded_columns or ()
    if config.predicted_label_dataset_uri is None:
        yield config.predicted_label
    if config.facet_dataset_uri is None:
        yield config.group_variable
        yield from facet_references(config)


def facet_references(config: AnalysisConfig) -> Iterable[str | int]:
    """The facets as the config names them."""
    return [facet.name_or_index for facet in config.facet or ()]


def facet_columns(config: AnalysisConfig, main: LoadedTable, facets: LoadedTable) -> tuple[str, ...]:
    """The columns to take from the facet data set; a facet or group variable that only the main one has stays there."""
    wanted: dict[str, None] = {}
    problems: list[Problem] = []
    named = [(reference, f"facet[{i}].name_or_index") for i, reference in enumerate(facet_references(config))]
    for reference, path in named:
        if reference in facets.names or reference not in main.names:
            try:
                wanted[resolve_name(reference, facets.names, path)] = None
            except ConfigError as error:
                problems.extend(error.problems)
    group = config.group_variable
    if isinstance(group, str) and group in facets.names and group not in main.names:
        wanted[group] = None
    elif group is not None:
        try:
            resolve_name(group, main.names, "group_variable")
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return tuple(wanted)


def prediction_column(config: AnalysisConfig, predictions: LoadedTable, join: str | None) -> str:
    """The prediction's column in its own data set: as configured, else ``predicted_label``, else the only column."""
    others = [name for name in predictions.names if name != join]
    if config.predicted_label is None and DEFAULT_PREDICTED_LABEL not in predictions.names and len(others) == 1:
        return others[0]
    reference = DEFAULT_PREDICTED_LABEL if config.predicted_label is None else config.predicted_label
    return resolve_name(reference, predictions.names, "predicted_label")
