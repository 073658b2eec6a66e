"""The kinds of models: their modules, and what identifies a model's kind. Importing these tables loads no pandas."""

from __future__ import annotations

import re
from pathlib import Path

from clarify_spark.udfs.errors import ModelError

PREDICTORS = {
    "sklearn": "clarify_spark.udfs.predictors.sklearn",
    "skops": "clarify_spark.udfs.predictors.skops",
    "xgboost": "clarify_spark.udfs.predictors.xgboost",
    "lightgbm": "clarify_spark.udfs.predictors.lightgbm",
    "onnx": "clarify_spark.udfs.predictors.onnx",
    "mlflow": "clarify_spark.udfs.predictors.mlflow",
    "sparkml": "clarify_spark.udfs.predictors.sparkml",
    "python": "clarify_spark.udfs.predictors.python",
    "sagemaker": "clarify_spark.udfs.predictors.sagemaker",
    "http": "clarify_spark.udfs.predictors.http",
    "endpoint": "clarify_spark.udfs.predictors.endpoint",
}
#: Modules that most models of a format need, for workers to load ahead.
LIBRARIES = {
    "sklearn": ("joblib", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing"),
    "skops": ("skops.io", "sklearn.ensemble", "sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing"),
    "xgboost": ("xgboost",),
    "lightgbm": ("lightgbm",),
}
#: The format of a model file by its suffix.
MODEL_SUFFIXES = {
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "skops",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".xgb": "xgboost",
    ".txt": "lightgbm",
    ".lgb": "lightgbm",
    ".onnx": "onnx",
}
#: Formats of models that take and return bodies.
SPEAKING_BYTES = ("sagemaker", "http", "endpoint")
#: Packed model folders.
ARCHIVES = (".tar.gz", ".tgz", ".tar")
#: A file or folder that identifies the kind of a model folder; any other folder is a SageMaker one.
_SIGNS = {"MLmodel": "mlflow", "stages": "sparkml", "metadata": "sparkml"}


def format_of(model_uri: str) -> str:
    """The format implied by a model's address: its scheme, its suffix, or a folder's content.

    A folder that cannot be read from here, or that is packed, counts as a SageMaker one.
    """
    if model_uri.startswith("python:"):
        return "python"
    if re.match("https?://", model_uri, re.IGNORECASE):
        return "http"
    if model_uri.lower().endswith(ARCHIVES):
        return "sagemaker"
    path = Path(model_uri.removeprefix("file://").removeprefix("file:"))
    suffix = path.suffix.lower()
    if suffix in MODEL_SUFFIXES and not path.is_dir():
        return MODEL_SUFFIXES[suffix]
    if not suffix or model_uri.endswith("/") or path.is_dir():
        return next((found for sign, found in _SIGNS.items() if (path / sign).exists()), "sagemaker")
    raise ModelError(
        f"predictor.model_uri {model_uri!r}: the suffix {suffix!r} does not determine the format; "
        f"set predictor.model_format to one of {', '.join(PREDICTORS)}"
    )


def pickle_refusal(path: str) -> ModelError:
    """Why a pickle is not read, and what to do."""
    return ModelError(
        f"{path} is a pickle: reading it runs any code its author included, on every executor. "
        "If you trust its author, pass --allow-pickle; else save the model with skops (skops.io.dump), "
        "which does not require such trust"
    )
