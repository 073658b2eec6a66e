"""Notes on unexpected choices of the type rule: each has led somebody to a wrong result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clarify_spark.bias.memberships import (
    NUMERIC,
    UNIQUENESS_THRESHOLD,
    ColumnType,
    Membership,
    comparable,
    threshold_of,
    uniqueness,
)
from clarify_spark.columns import ColumnProfile, Scalar

#: A column with at most this many distinct values was hardly meant as continuous, one with more hardly as categorical.
FEW_VALUES = 10


@dataclass(frozen=True)
class Choice:
    """How one role column was read; ``declared``: the config states its type."""

    profile: ColumnProfile
    type: ColumnType
    values: Sequence[Scalar]
    declared: bool
    membership: Membership


def surprises(choice: Choice, type_path: str) -> Iterator[str]:
    """Sentences about how the column of a role was read (``type_path``: the config key that overrides its type)."""
    if choice.type == "continuous":
        if not choice.declared:
            yield from _continuous_by_rule(choice, type_path)
        yield from _nothing_above(choice)
    else:
        if not choice.declared:
            yield from _categorical_by_rule(choice, type_path)
        yield from _unused_values(choice)


def predictions(labels: ColumnProfile, predicted: ColumnProfile, error: str | None) -> Iterator[str]:
    """Notes on predictions that are not of the labels' kind."""
    both = f"predictions {predicted.name!r} are of kind {predicted.kind}, labels {labels.name!r} of kind {labels.kind}"
    if error is not None:
        yield (
            f"Predictions and labels cannot be compared ({both}), so no post-training metric can be computed; "
            "if the predictions are scores, set probability_threshold."
        )
    elif {predicted.kind, labels.kind} == {"integer", "float"}:
        yield f"Predictions and labels are compared as numbers, which Clarify rejects ({both})."
    elif (predicted.kind in NUMERIC) != (labels.kind in NUMERIC):
        yield f"The positive values are compared in columns of different kinds ({both})."


def missing(profile: ColumnProfile, what: str) -> Iterator[str]:
    """A sentence about the missing values of a column of labels or predictions."""
    if profile.nulls:
        lacking = f"{profile.nulls:,} of {profile.rows:,} values of the {what} {profile.name!r}"
        yield f"{lacking} {'is' if profile.nulls == 1 else 'are'} missing; as in Clarify they count as negative."


def listing(values: Sequence[Scalar]) -> str:
    """The values as a config shows them, shortened."""
    text = ", ".join(repr(value)[:80] for value in values[:5])
    return text + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def _continuous_by_rule(choice: Choice, type_path: str) -> Iterator[str]:
    profile, threshold = choice.profile, threshold_of(choice.values[0])
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


def _nothing_above(choice: Choice) -> Iterator[str]:
    profile, threshold = choice.profile, threshold_of(choice.values[0])
    if profile.maximum is None:
        yield f"Column {profile.name!r} has {profile.rows} rows and no value, so no row is above {threshold}."
    elif threshold is not None and (choice.membership.interval is None or threshold >= profile.maximum):
        yield (
            f"No row of column {profile.name!r} is selected by the threshold {threshold}: the largest of "
            f"{profile.rows - profile.nulls} values is {profile.maximum}, and only rows above the threshold count."
        )


def _categorical_by_rule(choice: Choice, type_path: str) -> Iterator[str]:
    profile = choice.profile
    if len(choice.values) == 1 and profile.distinct is not None and profile.distinct > FEW_VALUES:
        if profile.kind == "integer" or profile.all_integers:
            value = choice.values[0]
            yield (
                f"Column {profile.name!r} has {_shares(profile)} and counts as categorical, so {value} selects rows "
                f'equal to {value}; if rows above it were meant, set {type_path} to "continuous".'
            )
    elif _looks_like_thresholds(choice):
        yield (
            f"Column {profile.name!r} ({profile.kind}, {profile.rows} rows) is given {len(choice.values)} values and "
            f"hence counts as categorical: only rows equal to {listing(choice.values)} are selected. "
            "A threshold is one number."
        )


def _looks_like_thresholds(choice: Choice) -> bool:
    if len(choice.values) < 2 or choice.profile.kind not in NUMERIC - {"boolean"}:
        return False
    numbers = [number for value in choice.values if (number := threshold_of(value)) is not None]
    if choice.profile.kind == "float":
        return any(not float(number).is_integer() or abs(number) > FEW_VALUES for number in numbers)
    return len(numbers) == 2 and abs(numbers[1] - numbers[0]) > FEW_VALUES


def _unused_values(choice: Choice) -> Iterator[str]:
    used = {value for value, typed in comparable(choice.profile.kind, choice.values) if typed is not None}
    unused = [value for value in choice.values if value not in used]
    if unused:
        column = f"column {choice.profile.name!r} ({choice.profile.kind}, {choice.profile.rows} rows)"
        yield f"No value of {column} can equal {listing(unused)}, which selects no row."
