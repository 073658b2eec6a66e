"""XGBoost models in its own formats (.json, .ubj, older .model), which hold trees and no code; pickles if allowed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Matrix, NumericPredict, Predict, expect_records
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.boosters import Meaning, answer_of, expect_indices, scores_in
from clarify_spark.udfs.predictors.features import aligned, as_category, columns_in_order, only_numbers
from clarify_spark.udfs.predictors.user_code import calling_user_code, library, model_threads

#: Objectives whose outputs are values on the label's own scale, not scores.
_VALUES = ("reg:", "count:", "survival:", "rank:")
#: How pickles of protocols 2 to 5 begin; none of XGBoost's own formats begins like this.
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def load(spec: PredictorSpec) -> Predict:
    """The booster in a file in XGBoost's own format; trees after the best iteration are left out."""
    expect_indices(spec)
    xgboost = library("xgboost", "xgboost")
    with calling_user_code(f"{spec.path} cannot be loaded by xgboost"):
        content = Path(spec.path).read_bytes()
        if content.startswith(_PICKLES):
            booster = _unpickled(content, xgboost, spec)
        else:
            # From memory, since XGBoost goes by the suffix of a file and SageMaker's have none.
            booster = xgboost.Booster()
            booster.load_model(bytearray(content))
        booster.set_param({"nthread": spec.threads})
        learner = json.loads(booster.save_config())["learner"]
    rounds = (0, int(booster.attr("best_iteration")) + 1) if booster.attr("best_iteration") is not None else (0, 0)
    meaning = _meaning(learner["objective"]["name"])

    # Inplace predictions of dart round in another order, and linear boosters have none.
    trees_of_numbers = learner["gradient_booster"]["name"] == "gbtree" and "c" not in (booster.feature_types or ())

    def predict(features: pd.DataFrame) -> Answer:
        table = _table(aligned(features, booster.feature_names, spec.path), booster, xgboost, spec)
        with calling_user_code(f"the model {spec.path} failed"), model_threads(spec):
            if trees_of_numbers:
                raw = _predicted(booster, table.to_numpy(), rounds, xgboost, spec.threads)
            else:
                frame = xgboost.DMatrix(table, nthread=spec.threads, enable_categorical=True)
                raw = booster.predict(frame, iteration_range=rounds, validate_features=False)
        return expect_records(answer_of(np.asarray(raw), meaning, spec), len(features), spec.path)

    ordered = columns_in_order(spec, booster.feature_names) if trees_of_numbers and meaning != "classes" else None
    if ordered is None:
        return predict

    def matrix(cells: Matrix) -> Answer:
        with calling_user_code(f"the model {spec.path} failed"), model_threads(spec):
            raw = _predicted(booster, ordered(cells), rounds, xgboost, spec.threads)
        return expect_records(scores_in(np.asarray(raw), meaning, spec), len(cells), spec.path)

    return NumericPredict(predict, matrix)


def _unpickled(content: bytes, xgboost: Any, spec: PredictorSpec) -> Any:
    """The booster in a pickle, as older versions of SageMaker's own algorithm wrote it."""
    if not spec.allow_pickle:
        raise ModelError(
            f"{spec.path} is a pickle: reading it runs any code its author included, on every executor. "
            "If you trust its author, pass --allow-pickle; else save the booster with save_model as .ubj or .json"
        )
    found = pickle.loads(content)  # noqa: S301
    booster = found.get_booster() if hasattr(found, "get_booster") else found
    if not isinstance(booster, xgboost.Booster):
        raise ModelError(f"{spec.path}: holds a {type(found).__name__}, which is not an XGBoost model")
    return booster


def _predicted(booster: Any, cells: Matrix, rounds: tuple[int, int], xgboost: Any, threads: int) -> Any:
    """The trees' outputs for a matrix, without a DMatrix (a quarter of the time) unless it has to reject something."""
    with np.errstate(over="ignore"):
        narrow = cells.astype(np.float32)
    if np.isinf(narrow).any():
        return booster.predict(xgboost.DMatrix(cells, nthread=threads), iteration_range=rounds, validate_features=False)
    return booster.inplace_predict(narrow, iteration_range=rounds, validate_features=False)


def _meaning(objective: str) -> Meaning:
    if objective == "multi:softmax":
        return "classes"
    return "values" if objective.startswith(_VALUES) and objective != "reg:logistic" else "scores"


def _table(features: pd.DataFrame, booster: Any, xgboost: Any, spec: PredictorSpec) -> pd.DataFrame:
    """Numbers as floats; the columns that were categories in training become categories again."""
    kinds = booster.feature_types or ["float"] * features.shape[1]
    categories = [name for name, kind in zip(features.columns, kinds, strict=True) if kind == "c"]
    if not categories:
        return only_numbers(features, spec.path)
    if tuple(int(part) for part in xgboost.__version__.split(".")[:2]) < (3, 1):
        raise ModelError(
            f"{spec.path}: trained on categories ({', '.join(categories)}), which xgboost before 3.1 does not store "
            "with the model: update it on the executors, or wrap the model in a python: function or a model folder"
        )
    known = {
        name: values.to_pylist() for name, values in booster.get_categories(export_to_arrow=True).to_arrow() if values
    }
    numbers = only_numbers(features.drop(columns=categories), spec.path)
    return features.assign(
        **{name: numbers[name] for name in numbers.columns},
        **{name: _category(features[name], known[name], spec) for name in categories},
    )


def _category(column: pd.Series, known: list[Any], spec: PredictorSpec) -> pd.Series:
    """The column with all categories of training, whichever of them the block holds."""
    strangers = column[column.notna() & ~column.isin(known)]
    if len(strangers):
        shown = repr(strangers.iloc[0])[:80]
        raise ModelError(f"{spec.path}: column {column.name} holds {shown}, which was not a category in training")
    return as_category(column, known)
