"""Fitted models as files: in-memory models, saved so that executors can load them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clarify_spark.errors import ArgumentError
from clarify_spark.spark.session import Session

MODELS = (
    "a path or URI, python:module:function, a fitted scikit-learn estimator, an XGBoost or LightGBM booster, a "
    "Spark PipelineModel, or a function from a pandas frame to labels or scores"
)


def saved(model: Any, session: Session, scratch: Path, data_folder: str | None) -> str:
    """The location of the model, saved below ``scratch`` (a Spark model on clusters: in ``data_folder``)."""
    library = type(model).__module__.partition(".")[0]
    if library == "pyspark" and hasattr(model, "write"):
        return _spark_model(model, session, scratch, data_folder)
    if library in ("xgboost", "lightgbm") and type(model).__name__ == "Booster":
        path = scratch / ("model.ubj" if library == "xgboost" else "model.txt")
        model.save_model(str(path))
        return str(path)
    if (hasattr(model, "predict") or callable(model)) and not isinstance(model, type):
        return _pickled(model, scratch / "model.pkl")
    raise ArgumentError(f"model: found an object of type {type(model).__name__}; allowed: {MODELS}")


def _spark_model(model: Any, session: Session, scratch: Path, data_folder: str | None) -> str:
    if data_folder is None and not session.local:
        raise ArgumentError(
            "data_folder: the cluster saves the model; name a folder that it can write to and all can read"
        )
    place = str(scratch / "model") if data_folder is None else f"{data_folder.rstrip('/')}/{scratch.name}"
    model.write().overwrite().save(place)
    return place


def _pickled(model: Any, path: Path) -> str:
    """The model with what it needs from the caller's ``__main__``, such as a class defined in a notebook."""
    from pickle import PicklingError

    from pyspark import cloudpickle

    try:
        path.write_bytes(cloudpickle.dumps(model))  # type: ignore[no-untyped-call,unused-ignore]
    except (PicklingError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"model: the {type(model).__name__} cannot be sent to executors ({error}). Save it in its library's own "
            "format and give the path, or write a module and give python:module:function"
        ) from error
    return str(path)
