"""Probabilities of classes, from any library: the class of each column, and which are used."""

from __future__ import annotations

from typing import Any

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Scores
from clarify_spark.udfs.model_spec import PredictorSpec


def class_names(own: tuple[Any, ...] | None, columns: int, spec: PredictorSpec) -> tuple[Any, ...]:
    """The names of the probability columns: the user's label_headers, else the model's own, else their positions."""
    if spec.label_headers is not None and columns > 1:
        names: tuple[Any, ...] = tuple(spec.label_headers)
    else:
        names = own if own is not None else tuple(range(columns))
    if len(names) != columns:
        raise ModelError(
            f"predictor.label_headers names {len(names)} classes, but {spec.path} gives {columns} probabilities"
        )
    return names


def used(
    scores: Scores, names: tuple[Any, ...], chosen: str | int | None, spec: PredictorSpec
) -> tuple[Scores, tuple[Any, ...] | None]:
    """The scores to use and the classes they refer to: the chosen column, the second of two, else all.

    A single class repeats its only name.
    """
    columns = scores.shape[1]
    if columns == 1:
        return scores, (names[0], names[0])
    chosen = 1 if columns == 2 and chosen is None else chosen
    if chosen is None:
        return scores, names
    if not isinstance(chosen, int) or not 0 <= chosen < columns:
        raise ModelError(f"predictor.probability {chosen!r}: {spec.path} gives {columns} probabilities per record")
    return scores[:, chosen : chosen + 1], (names[1 - chosen], names[chosen]) if columns == 2 else None
