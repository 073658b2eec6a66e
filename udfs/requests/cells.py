"""Values of features as CSV or JSON text, a column at a time: Arrow writes them without holding Python's lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from clarify_spark.udfs.errors import ModelError

Form = Literal["csv", "json"]


def cells_of(column: pd.Series, kind: str, form: Form) -> pa.Array:
    """The texts (n,) of a typed feature; a missing value is an empty cell of CSV, and null in JSON.

    Integers have no point, even where missing values made them floats; a fraction among them (a baseline's mean, a
    point of a grid) is written unchanged. Floats have a point or an exponent, and are
    the shortest text that reads back as the same number. Only texts are quoted.
    """
    texts = _texts(column, kind, form)
    return pc.fill_null(texts, "" if form == "csv" else "null")


def dumped(value: Any) -> str:
    """A value as JSON, without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _texts(column: pd.Series, kind: str, form: Form) -> pa.Array:
    """The texts, null where the value is missing."""
    if kind == "integer" and column.dtype != object:
        return _integers(column.to_numpy())
    if kind == "float" and column.dtype != object:
        return _floats(column.to_numpy(dtype=np.float64), str(column.name), form)
    if kind == "boolean" and column.dtype == bool:
        yes, no = ("True", "False") if form == "csv" else ("true", "false")
        return pc.if_else(pa.array(column.to_numpy()), yes, no)
    if kind == "string":
        return _strings(column, form)
    cast: Callable[[Any], Any] = {"integer": int, "float": float, "boolean": bool}.get(kind, str)
    missing = column.isna().tolist()
    values = [None if gone else cast(value) for value, gone in zip(column.tolist(), missing, strict=True)]
    write = str if form == "csv" and kind in ("integer", "float", "boolean") else _quoting(form)
    return pa.array([None if value is None else write(value) for value in values], pa.string())


def _integers(values: Any) -> pa.Array:
    numbers = pa.array(values, from_pandas=True)
    fractions = np.isfinite(values) & (values != np.rint(values))
    if not fractions.any():
        return numbers.cast(pa.int64()).cast(pa.string())
    whole = pa.array(np.where(fractions, np.nan, values), from_pandas=True)
    return pc.coalesce(whole.cast(pa.int64()).cast(pa.string()), numbers.cast(pa.string()))


def _floats(values: Any, name: str, form: Form) -> pa.Array:
    if form == "json" and np.isinf(values).any():
        raise ModelError(f"feature {name!r} has an infinite value, which JSON does not allow; send CSV or fix the data")
    texts = pa.array(values, from_pandas=True).cast(pa.string())
    if not (values == np.rint(values)).any():
        return texts
    whole = pc.match_substring_regex(texts, "^-?[0-9]+$")  # others have a point or an exponent
    return pc.if_else(whole, pc.binary_join_element_wise(texts, "0", "."), texts)


def _strings(column: pd.Series, form: Form) -> pa.Array:
    """Each distinct text is quoted once."""
    codes, uniques = pd.factorize(column)
    quote = _quoting(form)
    quoted = pa.array([quote(str(unique)) for unique in uniques.tolist()], pa.string())
    return quoted.take(pa.array(codes, mask=codes < 0))


def _quoting(form: Form) -> Callable[[Any], str]:
    return dumped if form == "json" else lambda value: '"' + str(value).replace('"', '""') + '"'
