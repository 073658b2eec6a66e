"""Models of Spark ML: from a vector of features to predictions, as Spark computes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.sparkml.saved import Columns, Floats, Saved, matrix, number, vector
from clarify_spark.udfs.predictors.sparkml.trees import Tree, forest_of, tree_of

#: What a model's predictions are: classes with probabilities, classes alone, values of a regression, one probability.
Meaning = Literal["probabilities", "classes", "values", "score"]


@dataclass(frozen=True, eq=False)
class PredictionColumns:
    """Predictions (n,), which are positions of classes for a classifier; its raw scores and probabilities (n, K)."""

    prediction: Floats
    raw: Floats | None = None
    probability: Floats | None = None


@dataclass(frozen=True, eq=False)
class Model:
    """A model that can be called with vectors (n, M)."""

    saved: Saved
    meaning: Meaning
    features: int | None
    ask: Callable[[Floats], PredictionColumns]

    def run(self, columns: Columns) -> Columns:
        """The columns that the model adds."""
        predicted, params = self.predicted(columns), self.saved.params
        values = {
            "predictionCol": predicted.prediction,
            "rawPredictionCol": predicted.raw,
            "probabilityCol": predicted.probability,
        }
        return {params[key]: value for key, value in values.items() if params.get(key) and value is not None}

    def predicted(self, columns: Columns) -> PredictionColumns:
        """The model's outputs for the column with its features."""
        cells = columns[self.saved.params["featuresCol"]]
        if cells.ndim != 2 or self.features not in (None, cells.shape[1]):
            width = cells.shape[1] if cells.ndim == 2 else 1
            raise ModelError(f"{self.saved.where} was trained on {self.features} features, but gets {width}")
        return self.ask(cells)


def logistic_regression(saved: Saved) -> Model:
    """1 / (1 + exp(-x·w - b)) for two classes, softmax(x·W + b) for more."""
    (row,) = saved.rows()
    weights, intercepts = matrix(row["coefficientMatrix"]), vector(row["interceptVector"])
    turned = np.ascontiguousarray(weights.T)
    if row["isMultinomial"]:
        return _classifier(saved, row["numFeatures"], lambda cells: cells @ turned + intercepts, _softmax)
    predicts = _above(_log_odds(_threshold(saved)))

    def ask(cells: Floats) -> PredictionColumns:
        raw = _both_sides(cells @ turned[:, 0] + intercepts[0])
        return PredictionColumns(predicts(raw), raw, _both_of(_sigmoid(raw[:, 0])))

    return Model(saved, "probabilities", row["numFeatures"], ask)


def _threshold(saved: Saved) -> float:
    """The threshold of the second class's probability; the older parameter ``thresholds`` has one for each class."""
    if saved.params.get("thresholds") is None:
        return number(saved.params["threshold"])
    first, second = (number(value) for value in saved.params["thresholds"])
    return 1.0 / (1.0 + first / second) if second else math.inf


def _log_odds(threshold: float) -> float:
    return -math.inf if threshold <= 0 else math.inf if threshold >= 1 else math.log(threshold / (1 - threshold))


def _above(threshold: float) -> Callable[[Floats], Floats]:
    return lambda raw: (raw[:, 1] > threshold).astype(np.float64)


def linear_svc(saved: Saved) -> Model:
    """Class 1 where x·w + b is above the threshold, else class 0."""
    (row,) = saved.rows()
    weights, predicts = vector(row["coefficients"]), _above(number(saved.params["threshold"]))

    def ask(cells: Floats) -> PredictionColumns:
        raw = _both_sides(cells @ weights + row["intercept"])
        return PredictionColumns(predicts(raw), raw)

    return Model(saved, "classes", len(weights), ask)


def linear_regression(saved: Saved) -> Model:
    """x·w + b."""
    (row,) = saved.rows()
    weights = vector(row["coefficients"])
    return Model(saved, "values", len(weights), lambda cells: PredictionColumns(cells @ weights + row["intercept"]))


def generalized_linear_regression(saved: Saved) -> Model:
    """The inverse link of x·w + b; of the binomial family a probability, of the others a value."""
    (row,) = saved.rows()
    weights, family = vector(row["coefficients"]), str(saved.params["family"]).lower()
    link = str(saved.params.get("link") or _LINKS_OF_FAMILIES.get(family, family)).lower()
    if family not in _LINKS_OF_FAMILIES or link not in _INVERSE_LINKS or saved.params.get("offsetCol"):
        raise ModelError(
            f"{saved.where}: the family {family} with the link {link}, or an offset, is not supported; families: "
            f"{', '.join(_LINKS_OF_FAMILIES)}, links: {', '.join(_INVERSE_LINKS)}"
        )
    low, high = _RANGES[family]
    inverse = _INVERSE_LINKS[link]

    def ask(cells: Floats) -> PredictionColumns:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return PredictionColumns(np.clip(inverse(cells @ weights + row["intercept"]), low, high))

    return Model(saved, "score" if family == "binomial" else "values", len(weights), ask)


_LINKS_OF_FAMILIES = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}
_INVERSE_LINKS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "logit": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "inverse": lambda eta: 1.0 / eta,
    "sqrt": np.square,
    "cloglog": lambda eta: 1.0 - np.exp(-np.exp(eta)),
}
#: Spark keeps means away from the ends of their range.
_TINY, _LARGEST = 1e-16, float(np.finfo(np.float64).max)
_RANGES = {
    "gaussian": (-_LARGEST, _LARGEST),
    "binomial": (_TINY, 1 - _TINY),
    "poisson": (_TINY, _LARGEST),
    "gamma": (_TINY, _LARGEST),
}


def naive_bayes(saved: Saved) -> Model:
    """softmax(log prior + log likelihood) of multinomial, Bernoulli or Gaussian features."""
    (row,) = saved.rows()
    prior, theta, kind = vector(row["pi"]), np.ascontiguousarray(matrix(row["theta"]).T), saved.params["modelType"]
    if kind == "multinomial":
        return _classifier(saved, len(theta), lambda cells: _counts(cells, saved) @ theta + prior, _softmax)
    if kind == "bernoulli":
        absent = np.log1p(-np.exp(theta))
        offsets = prior + absent.sum(axis=0)
        return _classifier(saved, len(theta), lambda cells: cells @ (theta - absent) + offsets, _softmax)
    if kind == "gaussian":
        variance = matrix(row["sigma"]).T

        def raw(cells: Floats) -> Floats:
            squares = np.square(cells[:, :, np.newaxis] - theta) / variance + np.log(variance)
            return np.asarray(prior - squares.sum(axis=1) / 2)

        return _classifier(saved, len(theta), raw, _softmax)
    raise ModelError(f"{saved.where}: the modelType {kind} is not supported; multinomial, bernoulli and gaussian are")


def _counts(cells: Floats, saved: Saved) -> Floats:
    if (cells < 0).any():
        raise ModelError(f"{saved.where} takes features of 0 or more, but some are negative")
    return cells


def multilayer_perceptron(saved: Saved) -> Model:
    """softmax of a net of sigmoid layers."""
    (row,) = saved.rows()
    sizes, weights = saved.params["layers"], vector(row["weights"])
    layers, start = [], 0
    for wide, next_wide in pairwise(sizes):
        stop = start + wide * next_wide
        layers.append((weights[start:stop].reshape(wide, next_wide), weights[stop : stop + next_wide]))
        start = stop + next_wide

    def raw(cells: Floats) -> Floats:
        for at, (turned, bias) in enumerate(layers):
            cells = (cells if at == 0 else _sigmoid(cells)) @ turned + bias
        return cells

    return _classifier(saved, sizes[0], raw, _softmax)


def tree_classifier(saved: Saved) -> Model:
    """The share of each class among the training's records in the leaf."""
    tree = tree_of(saved)
    return _classifier(saved, saved.extra.get("numFeatures"), lambda cells: tree.stats[tree.leaves(cells)], _shares)


def forest_classifier(saved: Saved) -> Model:
    """The mean over trees of the shares of the classes in the leaf."""
    trees, _ = forest_of(saved)

    def votes(cells: Floats) -> Floats:
        return np.asarray(sum(_shares(tree.stats[tree.leaves(cells)]) for tree in trees))

    return _classifier(saved, saved.extra.get("numFeatures"), votes, _shares)


def boosted_classifier(saved: Saved) -> Model:
    """1 / (1 + exp(-2 F)) of the weighted sum F of the trees' values."""
    trees, weights = forest_of(saved)

    def raw(cells: Floats) -> Floats:
        return _both_sides(_weighted(trees, weights, cells))

    return _classifier(
        saved, saved.extra.get("numFeatures"), raw, lambda predicted: _both_of(_sigmoid(2 * predicted[:, 0]))
    )


def tree_regression(saved: Saved) -> Model:
    """The mean label of the training's records in the leaf."""
    tree = tree_of(saved)
    return Model(
        saved,
        "values",
        saved.extra.get("numFeatures"),
        lambda cells: PredictionColumns(tree.prediction[tree.leaves(cells)]),
    )


def forest_regression(saved: Saved) -> Model:
    """The mean over trees of the leaf's value."""
    trees, _ = forest_of(saved)
    equal = np.full(len(trees), 1.0)
    return Model(
        saved,
        "values",
        saved.extra.get("numFeatures"),
        lambda cells: PredictionColumns(_weighted(trees, equal, cells) / len(trees)),
    )


def boosted_regression(saved: Saved) -> Model:
    """The weighted sum of the trees' values."""
    trees, weights = forest_of(saved)
    return Model(
        saved,
        "values",
        saved.extra.get("numFeatures"),
        lambda cells: PredictionColumns(_weighted(trees, weights, cells)),
    )


def _weighted(trees: list[Tree], weights: Floats, cells: Floats) -> Floats:
    total = np.zeros(len(cells))
    for tree, weight in zip(trees, weights, strict=True):
        total += weight * tree.prediction[tree.leaves(cells)]
    return total


def _classifier(
    saved: Saved, features: int | None, raw: Callable[[Floats], Floats], probabilities: Callable[[Floats], Floats]
) -> Model:
    """A model with raw scores (n, K), whose class is that of the largest, or of the largest probability / threshold."""
    given = saved.params.get("thresholds")
    thresholds = None if given is None else np.array([number(value) for value in given])

    def ask(cells: Floats) -> PredictionColumns:
        scores = raw(cells)
        shares = probabilities(scores)
        with np.errstate(divide="ignore", invalid="ignore"):
            held = scores if thresholds is None else shares / thresholds
        # As in Spark, NaN is never the largest.
        best = np.where(np.isnan(held), -np.inf, held).argmax(axis=1).astype(np.float64)
        return PredictionColumns(best, scores, shares)

    return Model(saved, "probabilities", features, ask)


def _both_sides(margin: NDArray[Any]) -> Floats:
    return np.column_stack([-margin, margin])


def _both_of(first: Floats) -> Floats:
    return np.column_stack([first, 1.0 - first])


def _sigmoid(values: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-values)))


def _softmax(raw: Floats) -> Floats:
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _shares(counts: Floats) -> Floats:
    """Counts (n, K) divided by their sum, unless it is 0."""
    total = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.where(total == 0, 1.0, total))


MODELS: dict[str, Callable[[Saved], Model]] = {
    "LogisticRegressionModel": logistic_regression,
    "DecisionTreeClassificationModel": tree_classifier,
    "RandomForestClassificationModel": forest_classifier,
    "GBTClassificationModel": boosted_classifier,
    "LinearSVCModel": linear_svc,
    "NaiveBayesModel": naive_bayes,
    "MultilayerPerceptronClassificationModel": multilayer_perceptron,
    "LinearRegressionModel": linear_regression,
    "GeneralizedLinearRegressionModel": generalized_linear_regression,
    "DecisionTreeRegressionModel": tree_regression,
    "RandomForestRegressionModel": forest_regression,
    "GBTRegressionModel": boosted_regression,
}
