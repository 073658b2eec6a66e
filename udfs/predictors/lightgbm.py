"""LightGBM models in its own text format, which holds trees and no code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.answer import Answer, Predict, expect_records
from clarify_spark.udfs.predictors.boosters import Meaning, answer_of, expect_indices
from clarify_spark.udfs.predictors.features import aligned, only_numbers
from clarify_spark.udfs.predictors.spec import PredictorSpec
from clarify_spark.udfs.predictors.user_code import calling_user_code, library, one_thread

#: Objectives whose outputs are scores between 0 and 1; outputs of others are values on the label's own scale.
_SCORES = {"binary", "multiclass", "multiclassova", "cross_entropy", "none", "custom", ""}


def load(spec: PredictorSpec) -> Predict:
    """The booster in a LightGBM text file, on one thread."""
    expect_indices(spec)
    lightgbm = library("lightgbm", "lightgbm")
    with calling_user_code(f"{spec.path} cannot be loaded by lightgbm"):
        booster = lightgbm.Booster(model_file=spec.path)
        meaning: Meaning = "scores" if _objective(Path(spec.path)) in _SCORES else "values"

    def predict(features: pd.DataFrame) -> Answer:
        table = _table(aligned(features, booster.feature_name(), spec.path), booster, spec)
        with calling_user_code(f"the model {spec.path} failed"), one_thread():
            raw = booster.predict(table, num_threads=1)
        return expect_records(answer_of(np.asarray(raw), meaning, spec), len(features), spec.path)

    return predict


def _objective(path: Path) -> str:
    """The first word of the objective in the head of the file; empty for a custom one."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("objective="):
                return line.removeprefix("objective=").split()[0]
            if line.startswith("Tree="):
                break
    return ""


def _table(features: pd.DataFrame, booster: Any, spec: PredictorSpec) -> pd.DataFrame:
    """Numbers as floats; text columns become the categories that the model keeps from its training, in their order."""
    known = booster.pandas_categorical
    if not known:
        return only_numbers(features, spec.path)
    texts = [name for name in features.columns if not pd.api.types.is_numeric_dtype(features[name])]
    if len(texts) != len(known):
        raise ModelError(
            f"{spec.path}: trained on {len(known)} category columns, but {len(texts)} columns of the data hold text"
            f"{': ' + ', '.join(texts) if texts else ''}; wrap the model in a python: function to prepare its columns"
        )
    numbers = [name for name in features.columns if name not in texts]
    table = features.copy()
    table[numbers] = only_numbers(features[numbers], spec.path)
    return table.assign(
        **{name: pd.Categorical(features[name], categories=values) for name, values in zip(texts, known, strict=True)}
    )
