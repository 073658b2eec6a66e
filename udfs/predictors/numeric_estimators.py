"""Which estimators convert any input into one matrix of floats before using it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Packages whose estimators do so, including those that contain other estimators.
_PACKAGES = {
    "calibration",
    "cross_decomposition",
    "decomposition",
    "discriminant_analysis",
    "dummy",
    "ensemble",
    "feature_selection",
    "gaussian_process",
    "kernel_approximation",
    "kernel_ridge",
    "linear_model",
    "model_selection",
    "multiclass",
    "multioutput",
    "naive_bayes",
    "neighbors",
    "neural_network",
    "pipeline",
    "random_projection",
    "svm",
    "tree",
}
#: Of preprocessing and imputing, these: encoders look at values, and user functions at anything.
_CLASSES = {
    "Binarizer",
    "KBinsDiscretizer",
    "LabelBinarizer",
    "LabelEncoder",
    "MaxAbsScaler",
    "MinMaxScaler",
    "Normalizer",
    "PolynomialFeatures",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
    "SimpleImputer",
    "SplineTransformer",
    "StandardScaler",
}


def only_sees_numbers(part: Any) -> bool:
    """Whether an estimator, apart from those in it, treats a matrix of floats like the same numbers in a frame."""
    library, _, rest = type(part).__module__.partition(".")
    if library in ("lightgbm", "xgboost"):
        return not _has_categories(getattr(part, "_Booster", None))
    hands_frames_on = bool(getattr(part, "_sklearn_output_config", None))
    known = rest.partition(".")[0] in _PACKAGES or type(part).__name__ in _CLASSES
    return library == "sklearn" and known and not hands_frames_on


def _has_categories(booster: Any) -> bool:
    """Whether the booster in a LightGBM or XGBoost estimator (None before it is fitted) encodes categories by value."""
    return bool(getattr(booster, "pandas_categorical", None)) or "c" in (getattr(booster, "feature_types", None) or ())


def parts_of(estimator: Any) -> list[Any]:
    """The estimator and, at any depth, the estimators in its attributes, fitted or not."""
    return list(_parts(estimator, set()))


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        if hasattr(value, "get_params"):
            yield value
        elif not type(value).__module__.startswith("sklearn."):  # whose helpers hold estimators, too
            return
        yield from _parts(vars(value), seen)
