"""Stages that prepare features, as Spark computes them; a missing number is NaN, a missing text None or NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.sparkml.saved import Columns, Floats, Saved, matrix, number, vector
from clarify_spark.udfs.short_repr import short_repr

Run = Callable[[Columns], Columns]
#: The kinds of the features by name.
Kinds = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Stage:
    """A runnable stage: from the columns that it reads to those that it adds."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    run: Run


def _each(saved: Saved, functions: list[Callable[[NDArray[Any]], NDArray[Any]]]) -> Stage:
    """A stage that turns each of its input columns into the output column at the same position."""
    inputs, outputs = saved.inputs(), saved.outputs()

    def run(columns: Columns) -> Columns:
        return {
            wanted: function(columns[given]) for given, wanted, function in zip(inputs, outputs, functions, strict=True)
        }

    return Stage(inputs, outputs, run)


def vector_assembler(saved: Saved, kinds: Kinds) -> Stage:
    """All inputs, numbers and vectors, side by side in one vector."""
    keeps = _invalid(saved) == "keep"
    (output,) = saved.outputs()

    def run(columns: Columns) -> Columns:
        for name in saved.inputs():
            values = columns[name]
            if values.dtype == object:
                raise ModelError(f"{saved.where} takes numbers, but the column {name} holds text")
            if not keeps and values.ndim == 1 and np.isnan(values).any():
                raise ModelError(
                    f"{saved.where} does not take missing values, and the column {name} has some; impute them in "
                    "the pipeline, or save it with handleInvalid keep"
                )
        return {output: np.column_stack([columns[name] for name in saved.inputs()])}

    return Stage(saved.inputs(), (output,), run)


def string_indexer(saved: Saved, kinds: Kinds) -> Stage:
    """The position of each value among the training labels; for keep, one more for all others."""
    every = zip(saved.inputs(), labels_in(saved), strict=True)
    return _each(saved, [_indexed(saved, name, known) for name, known in every])


def labels_in(saved: Saved) -> list[list[str]]:
    """The labels of a string indexer for each of its inputs."""
    (row,) = saved.rows()
    return row["labelsArray"] if "labelsArray" in row else [row["labels"]]


def _indexed(saved: Saved, name: str, known: list[str]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    keeps = _invalid(saved) == "keep"
    texts = pd.Index(known, dtype=object)
    numbers = pd.Index([_as_number(label) for label in known])

    def indexed(values: NDArray[Any]) -> Floats:
        labels = texts if values.dtype == object else numbers
        found = labels.get_indexer(pd.Index(values)).astype(np.float64)
        strange = (found < 0) | pd.isna(values)
        if strange.any() and not keeps:
            raise ModelError(
                f"{saved.where}: the column {name} holds {short_repr(values[strange][0])}, "
                "which did not occur in training; "
                "save the pipeline with handleInvalid keep to accept it"
            )
        found[strange] = len(known)
        return found

    return indexed


def _as_number(label: str) -> float:
    """The number that Spark wrote as a label, NaN for a text."""
    try:
        return float(label)
    except ValueError:
        return float("nan")


def one_hot_encoder(saved: Saved, kinds: Kinds) -> Stage:
    """A vector of zeros with a one at the position of the category; the last category has no position if dropped."""
    (row,) = saved.rows()
    keeps, drops = _invalid(saved) == "keep", bool(saved.params["dropLast"])

    def encoded(size: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        def encode(values: NDArray[Any]) -> Floats:
            invalid = ~((values >= 0) & (values < size))
            if (invalid & ~((values >= size) & keeps)).any():
                raise ModelError(
                    f"{saved.where} got {short_repr(values[invalid][0])}, but has only categories below {size}"
                )
            positions = np.where(invalid, size, values).astype(np.int64)
            wide: Floats = np.eye(size + 1)[positions]
            return wide[:, : size + keeps - drops]

        return encode

    return _each(saved, [encoded(size) for size in row["categorySizes"]])


def vector_indexer(saved: Saved, kinds: Kinds) -> Stage:
    """The vector with the positions of categories in place of their values; for keep, one more for all others."""
    (row,) = saved.rows()
    keeps = _invalid(saved) == "keep"
    categories = {feature: dict(positions) for feature, positions in dict(row["categoryMaps"]).items()}

    def indexed(values: NDArray[Any]) -> Floats:
        result = np.array(values)
        for feature, positions in categories.items():
            found = pd.Series(values[:, feature]).map(positions).to_numpy(dtype=np.float64)
            strange = np.isnan(found)
            if strange.any() and not keeps:
                value = short_repr(values[strange, feature][0])
                raise ModelError(
                    f"{saved.where}: feature {feature} of the vector is {value}, which is not one of its categories"
                )
            result[:, feature] = np.where(strange, len(positions), found)
        return result

    return _each(saved, [indexed])


def imputer(saved: Saved, kinds: Kinds) -> Stage:
    """Each column with its surrogate for missing values, truncated to a whole number for an integer column."""
    (row,) = saved.rows()
    missing = number(saved.params["missingValue"])

    def imputed(name: str) -> Callable[[NDArray[Any]], NDArray[Any]]:
        surrogate = np.trunc(row[name]) if kinds.get(name) == "integer" else row[name]
        return lambda values: np.where(np.isnan(values) | (values == missing), surrogate, values)

    return _each(saved, [imputed(name) for name in saved.inputs()])


def bucketizer(saved: Saved, kinds: Kinds) -> Stage:
    """The number of the interval that holds each value; for keep, one more for missing values."""
    several = saved.params.get("splitsArray")
    every = [[number(split) for split in splits] for splits in (several or [saved.params["splits"]])]
    keeps = _invalid(saved) == "keep"

    def bucketed(splits: list[float]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        def bucket(values: NDArray[Any]) -> Floats:
            missing = np.isnan(values)
            outside = (values < splits[0]) | (values > splits[-1]) | (missing & (not keeps))
            if outside.any():
                raise ModelError(f"{saved.where}: {short_repr(values[outside][0])} is outside the buckets {splits}")
            found = np.searchsorted(splits, values, side="right") - 1.0
            return np.where(missing, len(splits) - 1.0, np.minimum(found, len(splits) - 2.0))

        return bucket

    return _each(saved, [bucketed(splits) for splits in every])


def binarizer(saved: Saved, kinds: Kinds) -> Stage:
    """1 for numbers above the threshold, else 0."""
    single = [saved.params["threshold"]] * len(saved.inputs())
    thresholds = [number(value) for value in saved.params.get("thresholds") or single]

    def above(threshold: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return lambda values: (values > threshold).astype(np.float64)

    return _each(saved, [above(threshold) for threshold in thresholds])


def standard_scaler(saved: Saved, kinds: Kinds) -> Stage:
    """(x - mean) / standard deviation, each as configured; 0 where the deviation is 0."""
    (row,) = saved.rows()
    shift = vector(row["mean"]) if saved.params["withMean"] else 0.0
    scale = _inverse(vector(row["std"])) if saved.params["withStd"] else 1.0
    return _each(saved, [lambda values: (values - shift) * scale])


def robust_scaler(saved: Saved, kinds: Kinds) -> Stage:
    """(x - median) / range of quantiles, each as configured; 0 where the range is 0."""
    (row,) = saved.rows()
    shift = vector(row["median"]) if saved.params["withCentering"] else 0.0
    scale = _inverse(vector(row["range"])) if saved.params["withScaling"] else 1.0
    return _each(saved, [lambda values: (values - shift) * scale])


def _inverse(values: Floats) -> Floats:
    """1 / x, and 0 for 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values != 0)


def min_max_scaler(saved: Saved, kinds: Kinds) -> Stage:
    """x moved from the training's range to the configured one; its midpoint where training had one value."""
    (row,) = saved.rows()
    low, high = vector(row["originalMin"]), vector(row["originalMax"])
    least, most = number(saved.params["min"]), number(saved.params["max"])
    constant, scale = low == high, (most - least) * _inverse(high - low)

    def scaled(values: NDArray[Any]) -> Floats:
        moved = (values - low) * scale + least
        return np.where(constant & ~np.isnan(values), (least + most) / 2, moved)

    return _each(saved, [scaled])


def max_abs_scaler(saved: Saved, kinds: Kinds) -> Stage:
    """x / the largest |x| of the training."""
    (row,) = saved.rows()
    largest = vector(row["maxAbs"])
    return _each(saved, [lambda values: values / np.where(largest == 0, 1.0, largest)])


def normalizer(saved: Saved, kinds: Kinds) -> Stage:
    """Each vector divided by its p-norm, unless that is 0."""
    p = number(saved.params["p"])

    def normalized(values: NDArray[Any]) -> Floats:
        norms = np.linalg.norm(values, ord=p, axis=1, keepdims=True)
        return values / np.where(norms == 0, 1.0, norms)

    return _each(saved, [normalized])


def pca(saved: Saved, kinds: Kinds) -> Stage:
    """The vector's coordinates along the principal components; Spark does not centre it."""
    (row,) = saved.rows()
    components = np.ascontiguousarray(matrix(row["pc"]))
    return _each(saved, [lambda values: values @ components])


def _invalid(saved: Saved) -> str:
    """What the stage does with invalid values: keep or error; rows that it would skip are rows without prediction."""
    handling = str(saved.params.get("handleInvalid", "error"))
    if handling == "skip":
        raise ModelError(
            f"{saved.where} has handleInvalid skip, which leaves rows without a prediction; save it with keep or error"
        )
    return handling


FEATURES: dict[str, Callable[[Saved, Kinds], Stage]] = {
    "VectorAssembler": vector_assembler,
    "StringIndexerModel": string_indexer,
    "OneHotEncoderModel": one_hot_encoder,
    "VectorIndexerModel": vector_indexer,
    "ImputerModel": imputer,
    "Bucketizer": bucketizer,
    "Binarizer": binarizer,
    "StandardScalerModel": standard_scaler,
    "MinMaxScalerModel": min_max_scaler,
    "MaxAbsScalerModel": max_abs_scaler,
    "RobustScalerModel": robust_scaler,
    "Normalizer": normalizer,
    "PCAModel": pca,
}
