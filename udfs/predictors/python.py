"""A user's function: ``python:package.module:function``, called with the features as a pandas frame."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Predict, expect_records, labels_of, scores_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import calling_user_code, model_threads


def load(spec: PredictorSpec) -> Predict:
    """The function as a predictor."""
    name = spec.uri.removeprefix("python:")
    return calls(_function(name), spec, f"python:{name}")


def calls(function: Callable[[pd.DataFrame], Any], spec: PredictorSpec, where: str) -> Predict:
    """A predictor that calls the function; ``where`` is what messages call it."""

    def predict(features: pd.DataFrame) -> Answer:
        with calling_user_code(f"{where} failed"), model_threads(spec):
            returned = function(features)
        return expect_records(answer_of(returned, spec, where), len(features), where)

    return predict


def _function(name: str) -> Any:
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise ModelError(f"python:{name}: write python:package.module:function")
    with calling_user_code(f"python:{name}: the executors cannot import {module_name}"):
        found: Any = importlib.import_module(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise ModelError(f"python:{name}: {module_name} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(f"python:{name}: is of type {type(found).__name__}, which cannot be called")
    return found


def answer_of(returned: Any, spec: PredictorSpec, where: str) -> Answer:
    """The answer in a function's return value.

    A frame or mapping: its columns ``label`` and ``score`` (or those that predictor.label and predictor.probability
    name). Two dimensions: scores (n, k), or columns picked by those two as indices. One dimension: floats are scores
    unless only predictor.label is configured; integers, booleans and texts are labels.
    """
    if isinstance(returned, pd.DataFrame):
        returned = {name: returned[name] for name in returned.columns}
    if isinstance(returned, Mapping):
        return _from_columns(returned, spec, where)
    if isinstance(returned, pd.Series):
        # Nullable columns become floats or objects, by version and values; floats are scores, objects are labels.
        floats = pd.api.types.is_float_dtype(returned)
        returned = returned.to_numpy(dtype=np.float64, na_value=np.nan) if floats else returned.to_numpy(dtype=object)
    array = np.asarray(returned)
    if array.ndim == 2 and (spec.label is not None or spec.probability is not None):
        return _from_columns(dict(enumerate(array.T)), spec, where)
    if array.ndim == 2:
        return Answer(None, scores_of(array, where))
    if array.ndim == 0:
        kind = type(returned).__name__
        raise ModelError(f"{where}: returned one {kind}; expected a value or a row of scores per record")
    if array.ndim != 1:
        raise ModelError(f"{where}: returned {array.ndim} dimensions; expected a value or a row of scores per record")
    if np.issubdtype(array.dtype, np.floating) and not (spec.label is not None and spec.probability is None):
        return Answer(None, scores_of(array, where))
    return Answer(labels_of(array), None)


def _from_columns(columns: Mapping[Any, Any], spec: PredictorSpec, where: str) -> Answer:
    names = list(columns)
    label = _column(names, spec.label, "label", where)
    score = _column(names, spec.probability, "score", where)
    if label is None and score is None:
        raise ModelError(f"{where}: returned columns {names!r}; expected 'label', 'score' or both")
    if score is None:
        return Answer(labels_of(columns[label]), None)
    scores = scores_of(_rows(columns[score]), where)
    if label is not None and len(columns[label]) != len(scores):
        raise ModelError(f"{where}: returned {len(columns[label])} labels and {len(scores)} scores")
    return Answer(None if label is None else labels_of(columns[label]), scores)


def _column(names: list[Any], configured: str | int | None, default: str, where: str) -> Any:
    """The name of the wanted column: configured (a name, or a position), else the default if there is such a column."""
    if configured is None:
        return default if default in names else None
    if configured in names:
        return configured
    if isinstance(configured, int) and 0 <= configured < len(names):
        return names[configured]
    raise ModelError(f"{where}: no column {configured!r} among those returned: {names!r}")


def _rows(values: Any) -> Any:
    """Scores in a form that numpy reads as (n,) or (n, k): a column of lists becomes a list of lists."""
    return values.tolist() if hasattr(values, "tolist") else list(values)
