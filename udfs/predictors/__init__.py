"""Models that executors call: one module per kind, each with ``load(spec) -> Predict``.

To add a kind: write the module and its row in PREDICTORS of ``model_formats``. A kind that is not in the table is the
dotted name of a user's module with the same ``load``.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Predict, expect_records
from clarify_spark.udfs.model_formats import ARCHIVES, MODEL_SUFFIXES, PREDICTORS, format_of
from clarify_spark.udfs.model_spec import REMOTE, Calling, PredictorSpec
from clarify_spark.udfs.predictors.python import answer_of
from clarify_spark.udfs.predictors.shipped import as_errors_of_named_model, by_name, with_local_path
from clarify_spark.udfs.predictors.user_code import calling_user_code, model_threads

__all__ = [
    "ARCHIVES", "MODEL_SUFFIXES", "PREDICTORS", "REMOTE", "Answer", "Calling", "Predict", "PredictorSpec", "format_of",
    "load_predictor",
]  # fmt: skip

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass(frozen=True)
class _Loaded:
    file_stats: tuple[tuple[str, int, int], ...]
    predict: Predict


#: Predictors that a worker keeps; a long-lived session may see many, each with its model or connections.
MOST_KEPT = 8
_cache: dict[PredictorSpec, _Loaded] = {}
_lock = threading.RLock()


def load_predictor(spec: PredictorSpec) -> Predict:
    """The model as a callable; loaded once per Python worker, and again only when its files change."""
    own = spec.format in PREDICTORS
    if not own and not _DOTTED.fullmatch(spec.format):
        raise ModelError(
            f"predictor.model_format {spec.format!r} is unknown; allowed: {', '.join(PREDICTORS)}, "
            "or the dotted name of a module with load(spec)"
        )
    with _lock:
        found = with_local_path(spec)
        with as_errors_of_named_model(found):
            in_files = own and not spec.remote and spec.format != "python"
            fingerprint = tuple(_file_stats(found.path)) if in_files else ()
            loaded = _cache.get(spec)
            if loaded is None or loaded.file_stats != fingerprint:
                predict = load_as(found) if own else _loader(spec.format)(found)
                loaded = _cache[spec] = _Loaded(fingerprint, by_name(predict, found))
                while len(_cache) > MOST_KEPT:
                    _cache.pop(next(iter(_cache)))
            return loaded.predict


def load_as(spec: PredictorSpec) -> Predict:
    """The model as a callable by the module of its format in PREDICTORS, without the cache."""
    predict: Predict = importlib.import_module(PREDICTORS[spec.format]).load(spec)
    return predict


def _loader(module: str) -> Callable[[PredictorSpec], Predict]:
    """The ``load`` of a user's module, with failures of loading and of predicting reported as the module's own."""
    with calling_user_code(f"predictor.model_format {module!r}: the executors cannot import it"):
        found = importlib.import_module(module)
    if not callable(getattr(found, "load", None)):
        raise ModelError(f"predictor.model_format {module!r}: the module has no load(spec)")

    def load(spec: PredictorSpec) -> Predict:
        with calling_user_code(f"{module}.load failed"):
            predict = found.load(spec)
        if not callable(predict):
            raise ModelError(f"{module}.load returned a {type(predict).__name__}; expected a function")

        def asked(features: pd.DataFrame) -> Answer:
            with calling_user_code(f"the model of {module}.load failed"), model_threads(spec):
                returned = predict(features)
            answer = returned if isinstance(returned, Answer) else answer_of(returned, spec, module)
            return expect_records(answer, len(features), module)

        return asked

    return load


def _file_stats(model: str) -> Iterator[tuple[str, int, int]]:
    """Name, modification time and size of each file of the model."""
    path = Path(model)
    if not path.exists():
        raise ModelError(
            f"there is no model at {model} on the machine that should load it; use a path that every executor can open"
        )
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file() and "__pycache__" not in file.parts:
            state = file.stat()
            yield str(file), state.st_mtime_ns, state.st_size
