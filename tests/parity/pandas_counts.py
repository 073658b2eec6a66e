"""Counting with pandas: the engine that needs no Spark, and an oracle for the one that does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from golden_cases import Case, Counted, Engine
from sklearn.neighbors import KNeighborsClassifier

from clarify_spark.bias.counts import Cells, FacetCounts, Flips
from clarify_spark.bias.performance import ClassCount
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import Roles
from clarify_spark.columns import ColumnProfile, Kind, Scalar

#: Whether each row's label, and whether its prediction, is positive: (rows,) each.
Outcomes = tuple[np.ndarray, np.ndarray]


def kind_of(series: pd.Series) -> Kind:
    if pd.api.types.is_bool_dtype(series) or pd.api.types.infer_dtype(series, skipna=True) == "boolean":
        return "boolean"
    if pd.api.types.is_integer_dtype(series):
        return "integer"
    return "float" if pd.api.types.is_float_dtype(series) else "string"


def profile(series: pd.Series, facts: frozenset[str]) -> ColumnProfile:
    """The column's profile with the optional facts asked for, and None in place of all others."""
    present, kind = series.dropna(), kind_of(series)
    found: dict[str, Any] = {}
    if "distinct" in facts:
        found["distinct"] = int(present.nunique())
    if "all_integers" in facts:
        found["all_integers"] = _all_integers(present, kind)
    if "maximum" in facts and len(present) and (kind != "string" or found.get("all_integers")):
        found["maximum"] = pd.to_numeric(present).max().item()
    if "values" in facts:
        found["values"] = tuple(None if pd.isna(value) else _plain(value) for value in series.unique())
    return ColumnProfile(str(series.name), kind, len(series), int(series.isna().sum()), **found)


def members(series: pd.Series, predicate: Predicate) -> np.ndarray:
    """Whether each row belongs (rows,)."""
    if predicate.interval is not None:
        low, high = predicate.interval
        numbers = pd.to_numeric(series)
        return ((numbers > low) & (numbers <= high)).to_numpy(dtype=bool)
    return series.isin(list(predicate.values or ())).to_numpy(dtype=bool)


def cells_of(in_d: np.ndarray, positive: np.ndarray, predicted: np.ndarray) -> Cells:
    """Rows by facet, label and prediction (2, 2, 2)."""
    codes = in_d.astype(np.int64) * 4 + positive * 2 + predicted
    return np.bincount(codes, minlength=8).reshape(2, 2, 2).astype(np.int64)


def _kinds(case: Case) -> Mapping[str, Kind]:
    frame = case.frame()
    return {str(name): kind_of(frame[name]) for name in frame.columns}


def _profiles(case: Case, facts: Mapping[str, frozenset[str]]) -> Mapping[str, ColumnProfile]:
    frame = case.frame()
    return {name: profile(frame[name], wanted) for name, wanted in facts.items()}


def _count(case: Case, roles: Roles) -> Counted:
    frame = case.frame()
    positive = members(frame[roles.label.name], roles.label.positive)
    predicted = np.zeros(len(frame), dtype=bool)
    if roles.predicted is not None:
        predicted = members(frame[roles.predicted.name], roles.predicted.positive)
    outcomes = (positive, predicted)
    entries = [
        [_facet_counts(frame, roles, role.name, members(frame[role.name], entry), outcomes) for entry in role.entries]
        for role in roles.facets
    ]
    return Counted(entries, _classes(frame, roles))


def _facet_counts(frame: pd.DataFrame, roles: Roles, facet: str, in_d: np.ndarray, outcomes: Outcomes) -> FacetCounts:
    strata = repeats = flips = None
    if roles.group is not None:
        groups = frame[roles.group]
        rows = [(groups == group).to_numpy(dtype=bool) for group in groups.dropna().unique()]
        cells = [cells_of(in_d[row], *(outcome[row] for outcome in outcomes)) for row in rows]
        strata, repeats = np.unique(np.array(cells).reshape(-1, 2, 2, 2), axis=0, return_counts=True)
    if roles.predicted is not None and in_d.any() and not in_d.all():
        features = frame.drop(columns=[roles.label.name, roles.predicted.name, facet])
        flips = flip(features, in_d, outcomes[1])
    return FacetCounts(cells_of(in_d, *outcomes), roles.predicted is not None, strata, repeats, flips)


def flip(features: pd.DataFrame, in_d: np.ndarray, predicted: np.ndarray) -> Flips:
    """The flip test as contract c.3 states it: scikit-learn's neighbours in a, unscaled, asked about d."""
    if len(features.select_dtypes([np.number, bool]).columns) != len(features.columns):
        return Flips(error="FlipTest does not support non-numeric columns")
    rows = np.array(features)
    nearest = KNeighborsClassifier(n_neighbors=5 if int((~in_d).sum()) > 9 else 1)
    try:
        nearest.fit(rows[~in_d], predicted[~in_d])
        neighbours = nearest.predict(rows[in_d])
    except ValueError as unusable:
        return Flips(error=str(unusable))
    own = predicted[in_d]
    return Flips(int((own & ~neighbours).sum()), int((~own & neighbours).sum()))


def _classes(frame: pd.DataFrame, roles: Roles) -> list[ClassCount]:
    if roles.predicted is None:
        return []
    pairs = frame.groupby([roles.label.name, roles.predicted.name], dropna=False, observed=True).size()
    return [
        (*(None if pd.isna(value) else _plain(value) for value in pair), int(count)) for pair, count in pairs.items()
    ]


def _all_integers(present: pd.Series, kind: Kind) -> bool:
    if kind == "float":
        return bool((present == present.round()).all())
    return bool(present.map(lambda text: re.fullmatch(r"[+-]?\d{1,18}", text) is not None).all())


def _plain(value: Any) -> Scalar:
    return value.item() if isinstance(value, np.generic) else value


PANDAS = Engine(_kinds, _profiles, _count)
