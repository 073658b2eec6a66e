"""What SageMaker's scikit-learn container does by default: decode, predict, encode."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np

from clarify_spark.udfs.errors import ModelError

FUNCTIONS = ("input_fn", "predict_fn", "output_fn")


def input_fn(body: Any, content_type: str) -> Any:
    """The body as an array (records, features): 32-bit floats from CSV and JSON, the array's own type from npy."""
    if content_type == "application/x-npy":
        return np.load(io.BytesIO(body), allow_pickle=False)
    if content_type == "text/csv":
        rows = [[cell or "nan" for cell in row] for row in csv.reader(io.StringIO(body), strict=True) if row]
        return np.array(rows).astype(np.float32)
    if content_type == "application/json":
        return np.array(json.loads(body)).astype(np.float32)
    raise ModelError(f"the default input_fn reads text/csv, application/json and application/x-npy, not {content_type}")


def predict_fn(data: Any, model: Any) -> Any:
    """What ``model.predict`` returns."""
    return model.predict(data)


def output_fn(prediction: Any, accept: str) -> Any:
    """The prediction as CSV (one record a line), JSON or npy."""
    if accept == "text/csv":
        array = np.array(prediction)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(array.reshape(len(array), -1).tolist())
        return text.getvalue()
    if accept == "application/json":
        return json.dumps(prediction, default=_listed)
    if accept == "application/x-npy":
        buffer = io.BytesIO()
        np.save(buffer, prediction, allow_pickle=False)
        return buffer.getvalue()
    raise ModelError(f"the default output_fn writes text/csv, application/json and application/x-npy, not {accept}")


def _listed(value: Any) -> Any:
    """Arrays, frames and numpy numbers as JSON can hold them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON")
