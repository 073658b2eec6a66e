"""Features as a model's library expects them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Matrix
from clarify_spark.udfs.model_spec import PredictorSpec

#: Names that libraries generate for data without names.
_GENERATED = re.compile(r"(f|Column_)?\d+")
#: Where libraries keep the names of the columns that a model was trained on.
_NAMES = ("feature_names_in_", "feature_names_", "feature_name_", "feature_names", "feature_name")


def typed_table(table: pa.Table, columns: Sequence[str], spec: PredictorSpec) -> pd.DataFrame:
    """The features of a model from the columns of an Arrow table, in order, typed as by ``typed``."""
    numbers = [table.column(name) for name in columns]
    if all(kind == "float" for kind in spec.feature_kinds) and all(pa.types.is_float64(one.type) for one in numbers):
        cells = np.empty((len(numbers), table.num_rows))
        for row, column in zip(cells, numbers, strict=True):
            row[:] = column.to_numpy()  # missing values are NaN there
        return pd.DataFrame(cells.T, columns=list(spec.feature_names), copy=False)
    return typed(table.select(list(columns)).to_pandas(), spec.feature_names, spec.feature_kinds)


def typed(values: pd.DataFrame, names: Sequence[str], kinds: Sequence[str]) -> pd.DataFrame:
    """The features under their own names, with the dtypes that ``pandas.read_csv`` gives to data of these kinds.

    integer: int64, or float64 with NaN where the block has missing values; float: float64; boolean: bool, or object
    with NaN; anything else: object of str and NaN, since scikit-learn's encoders and imputers, fitted on a frame that
    pandas read, treat a missing text as NaN, not as None.
    """
    if values.shape[1] != len(names):
        raise ModelError(f"the model needs {len(names)} feature columns, but {values.shape[1]} arrived")
    columns = [_as_kind(values.iloc[:, position], kind) for position, kind in enumerate(kinds)]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=values.index)


def _as_kind(column: pd.Series, kind: str) -> pd.Series:
    missing = column.isna()
    if kind == "integer":
        return column.astype("float64" if missing.any() else "int64")
    if kind == "float":
        return column.astype("float64")
    if kind == "boolean" and not missing.any():
        return column.astype("bool")
    return column.astype(object).mask(missing, np.nan)


def names_of(model: Any) -> list[str]:
    """The names of the columns that a fitted model says it was trained on, in their order; empty if it says none."""
    for attribute in _NAMES:
        found = getattr(model, attribute, None)
        if attribute == "feature_name" and callable(found):  # of LightGBM's Booster
            found = found()
        if isinstance(found, list | tuple | np.ndarray) and len(found):
            return [str(name) for name in found]
    return []


def in_training_order(trained: Sequence[str] | None, given: Sequence[str]) -> list[str] | None:
    """The given columns in the order in which a model was trained on them; None if they are not those of its training.

    LightGBM writes ``_`` for a blank in a name.
    """
    written = {name.replace(" ", "_"): name for name in given}
    for known in ({name: name for name in given}, written):
        if trained and len(trained) == len(given) == len(known) and set(trained) == set(known):
            return [known[name] for name in trained]
    return None


def without_names(trained: Sequence[str] | None) -> bool:
    """Whether a model was trained on data without names, as far as it tells: it has none, or those of its library."""
    return not trained or all(_GENERATED.fullmatch(name) for name in trained)


def aligned(features: pd.DataFrame, trained: Sequence[str] | None, where: str) -> pd.DataFrame:
    """The features in the order in which the model was trained; by position when the model has no real names.

    Names such as ``f0`` are real if the data have them, too.
    """
    given = list(features.columns)
    wanted = in_training_order(trained, given)
    if wanted is not None:
        return features if wanted == given else features[wanted]
    if without_names(trained):
        if trained and len(trained) != features.shape[1]:
            raise ModelError(
                f"{where}: the model was trained on {len(trained)} features, but the data has {features.shape[1]}: "
                f"{', '.join(given)}; leave columns out with excluded_columns"
            )
        return features
    missing = [name for name in trained or () if name not in given]
    extra = [name for name in given if name not in (trained or ())]
    says = [f"not in the data: {', '.join(missing)}"] if missing else []
    says += [f"unknown to the model: {', '.join(extra)} (leave them out with excluded_columns)"] if extra else []
    raise ModelError(f"{where}: the features differ from those used in training; {'; '.join(says)}")


def columns_in_order(spec: PredictorSpec, trained: Sequence[str] | None) -> Callable[[Matrix], Matrix] | None:
    """A function that puts a matrix's columns into training order, as ``aligned`` does.

    None when some feature is not numeric or the features are not those of training: ``aligned`` reports that.
    """
    if not set(spec.feature_kinds) <= {"integer", "float", "boolean"}:
        return None
    names = pd.DataFrame(columns=list(spec.feature_names))
    try:
        wanted = aligned(names, trained, spec.path).columns
    except ModelError:
        return None
    order = names.columns.get_indexer(wanted)
    if (order == np.arange(len(order))).all():
        return lambda cells: cells
    return lambda cells: cells.T[order].T


def only_numbers(features: pd.DataFrame, where: str) -> pd.DataFrame:
    """The features as floats; missing values are NaN."""
    if all(dtype == np.float64 for dtype in features.dtypes):
        return features
    texts = [name for name in features.columns if _has_text(features[name])]
    if texts:
        raise ModelError(
            f"{where}: the model takes numbers, but these columns hold text: {', '.join(texts)}; encode them, "
            "leave them out with excluded_columns, or wrap the model in a python: function or a model folder"
        )
    return features.astype("float64")


def as_category(column: pd.Series, known: Sequence[Any]) -> pd.Series:
    """The column with the categories of training, whichever of them it holds; other values are missing."""
    return pd.Series(pd.Categorical(column.where(column.isin(known)), categories=list(known)), index=column.index)


def _has_text(column: pd.Series) -> bool:
    return not pd.api.types.is_numeric_dtype(column) and any(isinstance(value, str) for value in column)
