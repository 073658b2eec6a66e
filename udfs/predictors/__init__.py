"""Models that executors call: one module per kind, each with ``load(spec) -> Predict``.

To add a kind: write the module and its row in PREDICTORS. HTTP and SageMaker endpoints (``http``, ``endpoint``) will
stand in the same table.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors.answer import Answer, Predict
from clarify_spark.udfs.predictors.spec import PredictorSpec

__all__ = ["FORMATS", "PREDICTORS", "Answer", "Predict", "PredictorSpec", "format_of", "load_predictor"]

PREDICTORS = {
    "sklearn": "clarify_spark.udfs.predictors.sklearn",
    "skops": "clarify_spark.udfs.predictors.skops",
    "xgboost": "clarify_spark.udfs.predictors.xgboost",
    "lightgbm": "clarify_spark.udfs.predictors.lightgbm",
    "python": "clarify_spark.udfs.predictors.python",
    "sagemaker": "clarify_spark.udfs.predictors.sagemaker",
}
#: The format of a model file by its suffix.
FORMATS = {
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "skops",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".xgb": "xgboost",
    ".txt": "lightgbm",
    ".lgb": "lightgbm",
}


@dataclass(frozen=True)
class _Loaded:
    fingerprint: tuple[tuple[str, int, int], ...]
    predict: Predict


_cache: dict[PredictorSpec, _Loaded] = {}
_lock = threading.RLock()


def format_of(model_uri: str) -> str:
    """The format that a model's address speaks for: its scheme, its suffix, or a folder."""
    if model_uri.startswith("python:"):
        return "python"
    suffix = Path(model_uri.rstrip("/")).suffix.lower()
    if suffix in FORMATS and not Path(model_uri).is_dir():
        return FORMATS[suffix]
    if not suffix or model_uri.endswith("/") or Path(model_uri.removeprefix("file://")).is_dir():
        return "sagemaker"
    raise ModelError(
        f"predictor.model_uri {model_uri!r}: the suffix {suffix!r} tells no format; "
        f"set predictor.model_format to one of {', '.join(PREDICTORS)}"
    )


def load_predictor(spec: PredictorSpec) -> Predict:
    """The model as a callable; loaded once per Python worker, and again only when its files change."""
    if spec.format not in PREDICTORS:
        raise ModelError(f"predictor.model_format {spec.format!r} is unknown; allowed: {', '.join(PREDICTORS)}")
    with _lock:
        fingerprint = () if spec.format == "python" else tuple(_fingerprint(spec.path))
        loaded = _cache.get(spec)
        if loaded is None or loaded.fingerprint != fingerprint:
            module = importlib.import_module(PREDICTORS[spec.format])
            loaded = _cache[spec] = _Loaded(fingerprint, module.load(spec))
        return loaded.predict


def _fingerprint(model: str) -> Iterator[tuple[str, int, int]]:
    """Name, time of change and size of each file of the model."""
    path = Path(model)
    if not path.exists():
        raise ModelError(
            f"there is no model at {model} on the machine that should load it: give a path that every executor can open"
        )
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            state = file.stat()
            yield str(file), state.st_mtime_ns, state.st_size
