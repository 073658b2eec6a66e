"""Notes on unexpected choices of the type rule: each has led somebody to a wrong result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clarify_spark.bias.predicates import (
    NUMERIC,
    UNIQUENESS_THRESHOLD,
    ColumnType,
    Predicate,
    comparable,
    threshold_of,
    uniqueness,
)
from clarify_spark.columns import ColumnProfile, Kind, Scalar

#: A column with at most this many distinct values was hardly meant as continuous, one with more hardly as categorical.
FEW_VALUES = 10


@dataclass(frozen=True)
class TypeDecision:
    """How one role column was read; ``declared``: the config states its type."""

    profile: ColumnProfile
    type: ColumnType
    values: Sequence[Scalar]
    declared: bool
    predicate: Predicate


def column_warnings(decision: TypeDecision, type_path: str) -> Iterator[str]:
    """Sentences about how the column of a role was read (``type_path``: the config key that overrides its type)."""
    if decision.type == "continuous":
        if not decision.declared:
            yield from _continuous_by_rule(decision, type_path)
        yield from _nothing_above(decision)
    else:
        if not decision.declared:
            yield from _categorical_by_rule(decision, type_path)
        yield from _unused_values(decision)


def prediction_warnings(labels: ColumnProfile, predicted: ColumnProfile, error: str | None) -> Iterator[str]:
    """Notes on predictions that are not of the labels' kind."""
    both = f"predictions {predicted.name!r} are of kind {predicted.kind}, labels {labels.name!r} of kind {labels.kind}"
    if error is not None:
        yield (
            f"Predictions and labels cannot be compared ({both}), so no post-training metric can be computed; "
            f"{_remedy(labels.kind, predicted.kind)}."
        )
    elif {predicted.kind, labels.kind} == {"integer", "float"}:
        yield f"Predictions and labels are compared as numbers, which Clarify rejects ({both})."
    elif (predicted.kind in NUMERIC) != (labels.kind in NUMERIC):
        yield f"The positive values are compared in columns of different kinds ({both})."


def _remedy(labels: Kind, predicted: Kind) -> str:
    """What makes predictions and labels of two kinds comparable."""
    if predicted == "float" and labels in NUMERIC:
        return "if the predictions are scores, set probability_threshold"
    if predicted in NUMERIC:
        return "name the classes of a model in predictor.label_headers, or give predictions in the words of the labels"
    return "give predictions in the values of the labels"


def missing_value_warnings(profile: ColumnProfile, what: str, counted: str = "as negative") -> Iterator[str]:
    """A sentence about the missing values of a column, and where they are counted."""
    if profile.nulls:
        lacking = f"{profile.nulls:,} of {profile.rows:,} values of the {what} {profile.name!r}"
        are, count = ("is", "it counts") if profile.nulls == 1 else ("are", "they count")
        yield f"{lacking} {are} missing; as in Clarify {count} {counted}."


def listed_values(values: Sequence[Scalar]) -> str:
    """The values as a config shows them, shortened."""
    text = ", ".join(repr(value)[:80] for value in values[:5])
    return text + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _continuous_by_rule(decision: TypeDecision, type_path: str) -> Iterator[str]:
    profile, threshold = decision.profile, threshold_of(decision.values[0])
    meant = f'so {threshold} is a threshold, not a value; if a value was meant, set {type_path} to "categorical".'
    if profile.kind != "float":
        if profile.distinct is not None and profile.distinct <= FEW_VALUES:
            yield f"Column {profile.name!r} has {_shares(profile)}, enough to count as continuous, {meant}"
    elif _looks_like_codes(profile.maximum) and threshold is not None and float(threshold).is_integer():
        missing = f"; {profile.nulls} of {profile.rows} are missing, which turns integers into floats"
        held = f"floats up to {profile.maximum}{missing if profile.nulls else ''}"
        yield f"Column {profile.name!r} holds {held}; floats always count as continuous, {meant}"


def _shares(profile: ColumnProfile) -> str:
    present = profile.rows - profile.nulls
    share = f"{uniqueness(profile):.2%}, {UNIQUENESS_THRESHOLD:.0%} decides"
    return f"{profile.distinct} distinct values in {present} rows ({share})"


def _looks_like_codes(maximum: int | float | None) -> bool:
    return maximum is not None and abs(maximum) <= FEW_VALUES and float(maximum).is_integer()


def _nothing_above(decision: TypeDecision) -> Iterator[str]:
    profile, threshold = decision.profile, threshold_of(decision.values[0])
    if profile.maximum is None:
        yield f"Column {profile.name!r} has {profile.rows} rows and no value, so no row is above {threshold}."
    elif threshold is not None and (decision.predicate.interval is None or threshold >= profile.maximum):
        yield (
            f"No row of column {profile.name!r} is selected by the threshold {threshold}: the largest of "
            f"{profile.rows - profile.nulls} values is {profile.maximum}, and only rows above the threshold count."
        )


def _categorical_by_rule(decision: TypeDecision, type_path: str) -> Iterator[str]:
    profile = decision.profile
    if len(decision.values) == 1 and profile.distinct is not None and profile.distinct > FEW_VALUES:
        if profile.kind == "integer" or profile.all_integers:
            value = decision.values[0]
            yield (
                f"Column {profile.name!r} has {_shares(profile)} and counts as categorical, so {value} selects rows "
                f'equal to {value}; if rows above it were meant, set {type_path} to "continuous".'
            )
    elif _looks_like_thresholds(decision):
        yield (
            f"Column {profile.name!r} ({profile.kind}, {profile.rows} rows) is given {len(decision.values)} values and "
            f"hence counts as categorical: only rows equal to {listed_values(decision.values)} are selected. "
            "A threshold is one number."
        )


def _looks_like_thresholds(decision: TypeDecision) -> bool:
    if len(decision.values) < 2 or decision.profile.kind not in NUMERIC - {"boolean"}:
        return False
    numbers = [number for value in decision.values if (number := threshold_of(value)) is not None]
    if decision.profile.kind == "float":
        return any(not float(number).is_integer() or abs(number) > FEW_VALUES for number in numbers)
    return len(numbers) == 2 and abs(numbers[1] - numbers[0]) > FEW_VALUES


def _unused_values(decision: TypeDecision) -> Iterator[str]:
    used = {value for value, typed in comparable(decision.profile.kind, decision.values) if typed is not None}
    unused = [value for value in decision.values if value not in used]
    if unused:
        column = f"column {decision.profile.name!r} ({decision.profile.kind}, {decision.profile.rows} rows)"
        yield f"No value of {column} can equal {listed_values(unused)}, which selects no row."
