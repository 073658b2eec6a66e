"""Plans and Shapley values for the tests of kernel SHAP."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.predictors.features import typed
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, link, outputs_of
from clarify_spark.udfs.shap.shapley import default_prior, game


def spec_of(frame, **changes):
    kinds = {"f": "float", "i": "integer", "b": "boolean"}
    values = {
        "format": "python",
        "uri": "python:shap_functions:nothing",
        "feature_names": tuple(frame.columns),
        "feature_kinds": tuple(kinds.get(dtype.kind, "string") for dtype in frame.dtypes),
    }
    return PredictorSpec(**{**values, **changes})


def settings_of(background, weights=None, **changes):
    weights = np.full(len(background), 1 / len(background)) if weights is None else np.asarray(weights)
    values = {
        "spec": spec_of(background),
        "players": tuple(range(background.shape[1])),
        "background": Background(background.reset_index(drop=True), weights),
        "link": "identity",
        "samples": 2**12,
        "seed": 0,
        "estimator": "blup",
        "standard_errors": True,
    }
    return ShapSettings(**{**values, **changes})


def plan_of(predict, settings, block_rows=256):
    outputs = outputs_of(predict(settings.background.rows), settings.spec)
    prior = default_prior()
    return ShapPlan(
        settings=settings,
        engine=ENGINES["shared"],
        outputs=outputs.shape[1],
        expected=link(settings.background.weights @ outputs, settings.link),
        game=game(len(settings.players), settings.samples, "blup", prior, settings.seed, settings.standard_errors),
        prior=prior,
        block_rows=block_rows,
    )


def mixed(seed, count):
    """Typed rows of five features, with missing values."""
    random = np.random.default_rng(seed)
    values = pd.DataFrame(
        {
            "age": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
            "children": random.integers(0, 5, count),
            "owner": random.random(count) < 0.5,
            "job": pd.Series(random.choice(np.array(["cook", "baker", None], dtype=object), count), dtype=object),
            "income": random.normal(size=count),
        }
    )
    return typed(values, tuple(values.columns), ("float", "integer", "boolean", "string", "float"))


def numbers(seed, count, features):
    values = np.random.default_rng(seed).normal(size=(count, features))
    return pd.DataFrame(values, columns=[f"x{position}" for position in range(features)])


def shapley_values(predict, row, settings):
    """Shapley values (D, K) of one row (a frame), by their definition: a mean over all orders of the players."""
    background = settings.background

    def value(coalition):
        frame = background.rows.copy()
        for position, name in enumerate(frame.columns):
            if position in coalition or position not in settings.players:
                frame[name] = pd.Series([row[name].iloc[0]] * len(frame), dtype=frame[name].dtype)
        return link(background.weights @ outputs_of(predict(frame), settings.spec), settings.link)

    count = len(settings.players)
    values = np.zeros((len(value(())), count))
    for place, player in enumerate(settings.players):
        others = [other for other in settings.players if other != player]
        for size in range(count):
            share = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in combinations(others, size):
                values[:, place] += share * (value((*coalition, player)) - value(coalition))
    return values
