"""scikit-learn estimators, whatever file they came from: how to ask them and what their answers mean."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.answer import Answer, Predict, Scores, expect_records, labels_of, scores_of
from clarify_spark.udfs.predictors.spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import calling_user_code, library, one_thread


def predictor(estimator: Any, spec: PredictorSpec) -> Predict:
    """A callable that asks the estimator for probabilities where it has them, else for its prediction.

    Two classes give one score, the probability of ``classes_[1]``; a score above the threshold predicts
    ``classes_[1]``, else ``classes_[0]``, so that predicted labels have the values of the training labels.
    """
    for key in ("label", "probability"):
        if isinstance(getattr(spec, key), str):
            raise ModelError(
                f"predictor.{key} {getattr(spec, key)!r}: a {spec.format} model has columns, not names; give an index"
            )
    if not hasattr(estimator, "predict"):
        raise ModelError(f"{spec.path}: holds a {type(estimator).__name__}, which has no method predict")
    _use_one_process(estimator)

    def predict(features: pd.DataFrame) -> Answer:
        with calling_user_code(f"the model {spec.path} failed"), one_thread(), _sequential(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = _ask(estimator, _as_fitted(features, estimator), spec)
        return expect_records(answer, len(features), spec.path)

    return predict


def _ask(estimator: Any, features: Any, spec: PredictorSpec) -> Answer:
    labels = None
    if spec.label is not None or not hasattr(estimator, "predict_proba"):
        labels = labels_of(estimator.predict(features))
    if not hasattr(estimator, "predict_proba"):
        classifies = library("sklearn.base", "sklearn").is_classifier(estimator)
        return Answer(labels, None, label_is="class" if classifies else "number")
    probabilities = scores_of(estimator.predict_proba(features), spec.path)
    scores, classes = _named(probabilities, _classes(estimator, probabilities.shape[1], spec), spec)
    return Answer(labels, scores, classes, label_is="class")


def _classes(estimator: Any, columns: int, spec: PredictorSpec) -> tuple[Any, ...]:
    """The names of the probability columns: the user's label_headers, else the estimator's own classes."""
    if spec.label_headers is not None and columns > 1:
        names: tuple[Any, ...] = tuple(spec.label_headers)
    else:
        own = getattr(estimator, "classes_", None)
        names = tuple(labels_of(own)) if own is not None else tuple(range(columns))
    if len(names) != columns:
        raise ModelError(
            f"predictor.label_headers names {len(names)} classes, but {spec.path} gives {columns} probabilities"
        )
    return names


def _named(scores: Scores, names: tuple[Any, ...], spec: PredictorSpec) -> tuple[Scores, tuple[Any, ...] | None]:
    """The scores to use and the classes they speak of; a single class leaves its only name twice."""
    columns = scores.shape[1]
    if columns == 1:
        return scores, (names[0], names[0])
    chosen = 1 if columns == 2 and spec.probability is None else spec.probability
    if chosen is None:
        return scores, names
    if not isinstance(chosen, int) or not 0 <= chosen < columns:
        raise ModelError(f"predictor.probability {chosen!r}: {spec.path} gives {columns} probabilities per record")
    return scores[:, [chosen]], (names[1 - chosen], names[chosen]) if columns == 2 else None


def _as_fitted(features: pd.DataFrame, estimator: Any) -> Any:
    """The frame in the order of training, or plain numbers for an estimator that was fitted without names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return features[list(names)] if set(names) == set(features.columns) else features
    return features.to_numpy() if hasattr(estimator, "n_features_in_") else features


def _use_one_process(estimator: Any) -> None:
    """Sets n_jobs to 1 wherever the estimator and its parts have it."""
    if hasattr(estimator, "get_params") and hasattr(estimator, "set_params"):
        parameters = estimator.get_params(deep=True)
        jobs = {name: 1 for name in parameters if name == "n_jobs" or name.endswith("__n_jobs")}
        if jobs:
            estimator.set_params(**jobs)


@contextmanager
def _sequential() -> Iterator[None]:
    """Also for parts that get_params does not show, such as the best estimator of a search."""
    with library("joblib", "sklearn").parallel_backend("sequential"):
        yield
