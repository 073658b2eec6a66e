"""scikit-learn estimators, from any kind of file: how to call them and what their answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import (
    Answer,
    Matrix,
    MatrixPredict,
    NumericPredict,
    Predict,
    Scores,
    expect_records,
    labels_of,
    scores_of,
)
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.features import (
    aligned,
    columns_in_order,
    in_training_order,
    names_of,
    without_names,
)
from clarify_spark.udfs.predictors.numeric_estimators import only_sees_numbers, parts_of
from clarify_spark.udfs.predictors.probabilities import class_names, used
from clarify_spark.udfs.predictors.user_code import calling_user_code, library, model_threads

#: Whose estimators, fitted on an array, expect one; any other class may go by the names of a frame.
_LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")


def predictor(estimator: Any, spec: PredictorSpec) -> Predict:
    """A callable that returns the estimator's probabilities if it has them, else its prediction.

    Two classes give one score, the probability of ``classes_[1]``; a score above the threshold predicts
    ``classes_[1]``, else ``classes_[0]``, so that predicted labels have the values of the training labels.
    """
    for key in ("label", "probability"):
        if isinstance(getattr(spec, key), str):
            raise ModelError(
                f"predictor.{key} {getattr(spec, key)!r}: a {spec.format} model has columns, not names; use an index"
            )
    if not hasattr(estimator, "predict"):
        raise ModelError(f"{spec.path}: holds a {type(estimator).__name__}, which has no method predict")
    _use_one_process(estimator)
    trained = _trained(estimator, spec)

    def predict(features: pd.DataFrame) -> Answer:
        with _asking(spec), _sequential():
            answer = _ask(estimator, _as_fitted(features, trained, estimator, spec), spec)
        return expect_records(answer, len(features), spec.path)

    matrix = _matrix(estimator, trained, spec)
    return predict if matrix is None else NumericPredict(predict, matrix)


def _matrix(estimator: Any, trained: list[str], spec: PredictorSpec) -> MatrixPredict | None:
    """A function from a matrix to the numbers that ``predictor`` returns, including those that are labels."""
    parts = parts_of(estimator)
    ordered = columns_in_order(spec, trained)
    # Frames without any float stay integers in matrix products, which then round differently.
    if ordered is None or "float" not in spec.feature_kinds:
        return None
    if not all(map(only_sees_numbers, (estimator, *parts))) or _names_classes(estimator):
        return None
    for part in parts:
        if hasattr(part, "n_jobs"):
            part.n_jobs = 1

    def matrix(cells: Matrix) -> Answer:
        with _asking(spec):
            answer = _scores(estimator, ordered(cells), spec)
        return expect_records(answer, len(cells), spec.path)

    return matrix


@contextmanager
def _asking(spec: PredictorSpec) -> Iterator[None]:
    """A context for a call: the threads of a task, failures reported as the model's own."""
    with calling_user_code(f"the model {spec.path} failed"), model_threads(spec):
        yield


def _ask(estimator: Any, features: Any, spec: PredictorSpec) -> Answer:
    labels = None
    if spec.label is not None or not hasattr(estimator, "predict_proba"):
        labels = labels_of(estimator.predict(features))
    if not hasattr(estimator, "predict_proba"):
        return Answer(labels, None, label_is="class" if _classifies(estimator) else "number")
    scores, classes = _probabilities(estimator, features, spec)
    return Answer(labels, scores, classes, label_is="class")


def _scores(estimator: Any, features: Any, spec: PredictorSpec) -> Answer:
    """The numbers of ``_ask`` as scores, including those that are labels."""
    if not hasattr(estimator, "predict_proba"):
        return Answer(None, scores_of(estimator.predict(features), spec.path))
    scores, classes = _probabilities(estimator, features, spec)
    return Answer(None, scores, classes, label_is="class")


def _probabilities(estimator: Any, features: Any, spec: PredictorSpec) -> tuple[Scores, tuple[Any, ...] | None]:
    probabilities = scores_of(estimator.predict_proba(features), spec.path)
    own = getattr(estimator, "classes_", None)
    names = class_names(None if own is None else tuple(labels_of(own)), probabilities.shape[1], spec)
    return used(probabilities, names, spec.probability, spec)


def _names_classes(estimator: Any) -> bool:
    """Whether the estimator can only return the name of a class."""
    return not hasattr(estimator, "predict_proba") and _classifies(estimator)


def _classifies(estimator: Any) -> bool:
    """Whether predictions are classes; scikit-learn raises for anything that is not one of its estimators."""
    base = library("sklearn.base", "sklearn")
    ours = isinstance(estimator, base.BaseEstimator)
    return bool(base.is_classifier(estimator)) if ours else hasattr(estimator, "classes_")


def _trained(estimator: Any, spec: PredictorSpec) -> list[str]:
    """The names of the columns of training, in their order; empty for an estimator that was trained without names.

    Those of an estimator that tells none, such as a pipeline that begins with "passthrough", are those of its parts
    that were trained on the same columns.
    """
    own = names_of(estimator)
    if own:
        return own
    orders = {tuple(in_training_order(names_of(part), spec.feature_names) or ()) for part in _inside(estimator)} - {()}
    if len(orders) > 1:
        found = " and ".join(", ".join(order) for order in sorted(orders))
        raise ModelError(f"{spec.path}: its parts were trained on the columns in different orders: {found}")
    return list(orders.pop()) if orders else []


def _inside(estimator: Any) -> Iterator[Any]:
    """Estimators and boosters in the attributes of an object, at any depth."""
    for part in (estimator, *parts_of(getattr(estimator, "__dict__", {}))):
        yield part
        yield from (value for value in getattr(part, "__dict__", {}).values() if type(value).__name__ == "Booster")


def _as_fitted(features: pd.DataFrame, trained: list[str], estimator: Any, spec: PredictorSpec) -> Any:
    """The frame in the order of training, or plain numbers for an estimator that was fitted without names."""
    given = list(features.columns)
    wanted = in_training_order(trained, given)
    if wanted is not None:
        return features if wanted == given else features[wanted]
    library = type(estimator).__module__.partition(".")[0]
    if library == "lightgbm":  # takes frames by position, the others by name
        return aligned(features, trained, spec.path)
    bare = without_names(trained) and hasattr(estimator, "n_features_in_") and library in _LIBRARIES
    return features.to_numpy() if bare else features


def _use_one_process(estimator: Any) -> None:
    """Sets n_jobs to 1 wherever the estimator and its parts have it: a forest's jobs are summed in any order."""
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
