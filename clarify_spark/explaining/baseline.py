"""The baseline of Kernel SHAP: the rows that represent "feature unknown", with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.config import Shap
from clarify_spark.errors import ConfigError, Problem
from clarify_spark.explaining.baseline_rows import BaselineRows, Features, UnfitError, frame_of, rows_of
from clarify_spark.explaining.clustering import CRITERION, Attribute, points, prototypes
from clarify_spark.udfs.shap.shapley import default_samples

PATH = "methods.shap.baseline"
#: From this many rows on, their cost is reported.
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


def equally_weighted(rows: BaselineRows, features: Features, source: str) -> Baseline:
    """Rows of equal weight, typed as the model gets them."""
    frame, notes = frame_of(rows, features)
    return Baseline(frame, np.full(len(frame), 1.0 / len(frame)), source, notes)


def _plain(value: Any) -> Any:
    """A JSON value made only of lists and dicts, as the JMESPaths of data expect it."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def baseline_cautions(rows: int, features: int, shap: Shap) -> tuple[str, ...]:
    """What a baseline with this many rows means for the values, or costs."""
    if rows == 1:
        return (
            "The baseline is one row: SHAP values show how a prediction differs from that of this row, not from an "
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


def computed(attributes: Sequence[Attribute], features: Features, clusters: int | None, seed: int) -> Baseline:
    """Rows of a sample of the data, weighted by the clusters they represent; see ``clustering``."""
    chosen = prototypes(points(attributes), clusters, seed)
    values = [[attribute.values[place] for attribute in attributes] for place in chosen.positions]
    frame, _ = frame_of(BaselineRows(values), features)
    mixed = any(attribute.categorical for attribute in attributes)
    facts = {
        "method": "k-prototypes" if mixed else "k-means",
        "criterion": CRITERION if clusters is None else "num_clusters",
        "sampled_rows": len(attributes[0].values),
        "spread_by_clusters": {str(number): spread for number, spread in chosen.spreads.items()},
    }
    return Baseline(frame, chosen.shares, "computed", _computed_notes(len(frame), clusters, facts), facts)


def _computed_notes(rows: int, clusters: int | None, facts: Mapping[str, Any]) -> tuple[str, ...]:
    said = (
        f"Baseline: {rows} {'row' if rows == 1 else 'rows'} of the data chosen by {facts['method']} from a sample of "
        f"{facts['sampled_rows']:,}; each is weighted by the rows of its cluster.",
    )
    if clusters is not None and rows < clusters:
        return (*said, f"num_clusters is {clusters}, but the sample has only {rows} distinct rows.")
    return said
