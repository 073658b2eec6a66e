"""LightGBM models in its own text format, which holds trees and no code."""

from __future__ import annotations

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

#: Objectives whose outputs are scores between 0 and 1; outputs of others are values on the label's own scale.
_SCORES = {"binary", "multiclass", "multiclassova", "cross_entropy", "none", "custom", ""}


def load(spec: PredictorSpec) -> Predict:
    """The booster in a LightGBM text file."""
    expect_indices(spec)
    lightgbm = library("lightgbm", "lightgbm")
    with calling_user_code(f"{spec.path} cannot be loaded by lightgbm"):
        booster = lightgbm.Booster(model_file=spec.path)
        head = _head(Path(spec.path))
    objective = head.get("objective", "").partition(" ")[0]
    meaning: Meaning = "scores" if objective in _SCORES else "values"
    # "[0:7.5]" is the range of a number, "2:0:1" the codes of categories, "none" a feature that no tree uses.
    categories = [":" in found and not found.startswith("[") for found in head.get("feature_infos", "").split()]

    def predict(features: pd.DataFrame) -> Answer:
        table = _table(
            aligned(features, booster.feature_name(), spec.path), booster.pandas_categorical, categories, spec
        )
        with calling_user_code(f"the model {spec.path} failed"), model_threads(spec):
            # Without categories a matrix is what LightGBM would build from the frame, one column at a time.
            cells = table if booster.pandas_categorical else table.to_numpy()
            raw = booster.predict(cells, num_threads=spec.threads)
        return expect_records(answer_of(np.asarray(raw), meaning, spec), len(features), spec.path)

    ordered = None if booster.pandas_categorical else columns_in_order(spec, booster.feature_name())
    if ordered is None:
        return predict

    def matrix(cells: Matrix) -> Answer:
        with calling_user_code(f"the model {spec.path} failed"), model_threads(spec):
            raw = booster.predict(ordered(cells), num_threads=spec.threads)
        return expect_records(scores_in(np.asarray(raw), meaning, spec), len(cells), spec.path)

    return NumericPredict(predict, matrix)


def _head(path: Path) -> dict[str, str]:
    """The settings in the head of a model file."""
    settings = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("Tree="):
                break
            key, _, value = line.strip().partition("=")
            settings[key] = value
    return settings


def _table(
    features: pd.DataFrame, known: list[list[Any]] | None, categories: list[bool], spec: PredictorSpec
) -> pd.DataFrame:
    """Numbers as floats; columns that were categories in training get those categories back, in their order."""
    if not known:
        return only_numbers(features, spec.path)
    kinds = dict(zip(spec.feature_names, spec.feature_kinds, strict=True))
    names = [name for name, found in zip(features.columns, categories, strict=True) if found]
    if len(names) != len(known):
        # Some category column is not used by any tree: the text columns are the next best guess.
        names = [name for name in features.columns if kinds[name] in ("string", "other")]
    if len(names) != len(known):
        raise ModelError(
            f"{spec.path}: trained on {len(known)} category columns, and it is unclear which of the data they are; "
            "wrap the model in a python: function to prepare its columns"
        )
    numbers = only_numbers(features.drop(columns=names), spec.path)
    return features.assign(
        **{name: numbers[name] for name in numbers.columns},
        **{name: as_category(features[name], values) for name, values in zip(names, known, strict=True)},
    )
