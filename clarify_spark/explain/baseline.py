"""The baseline of Kernel SHAP: the rows that stand for "feature unknown", with weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.config import Shap
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.explain.baseline_rows import Features, Rows, UnfitError, frame_of, rows_of
from clarify_spark.udfs.shapley import default_samples

PATH = "methods.shap.baseline"
#: From so many rows on, a user is told what they cost.
MANY_ROWS = 100


@dataclass(frozen=True, eq=False)
class Baseline:
    """B rows (B, M) with the dtypes that the model gets and weights (B,) whose sum is 1.

    ``source``: "config", "uri" or "computed"; ``notes``: sentences for the user; ``facts``: for the details file.
    """

    rows: pd.DataFrame
    weights: NDArray[np.float64]
    source: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def from_config(shap: Shap, features: Features) -> Baseline:
    """The rows written in the config; each has the same weight."""
    try:
        return equally_weighted(rows_of(_plain(shap.baseline), features), features, "config")
    except UnfitError as error:
        raise ConfigError([Problem(PATH, message) for message in error.messages]) from error


def equally_weighted(rows: Rows, features: Features, source: str) -> Baseline:
    """Rows of equal weight, typed as the model gets them."""
    frame, notes = frame_of(rows, features)
    return Baseline(frame, np.full(len(frame), 1.0 / len(frame)), source, notes)


def _plain(value: Any) -> Any:
    """A JSON value whose lists are lists, not the tuples of a frozen config."""
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def cautions(rows: int, features: int, shap: Shap) -> tuple[str, ...]:
    """What a baseline of so many rows means for the values, or costs."""
    if rows == 1:
        return (
            "The baseline is one row: SHAP values tell how a prediction differs from that of this row, not from an "
            "average prediction.",
        )
    if rows <= MANY_ROWS:
        return ()
    players = features if shap.features_to_explain is None else len(shap.features_to_explain)
    most = default_samples(players)
    coalitions = most if shap.num_samples is None else min(shap.num_samples, 2**players - 2)
    return (
        f"The baseline has {rows:,} rows: explaining one row takes up to {coalitions:,} coalitions × {rows:,} = "
        f"{coalitions * rows:,} model records. Fewer rows cost less.",
    )
