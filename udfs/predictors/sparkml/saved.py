"""The folders in which Spark ML saves models: parameters as JSON text, numbers as Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError

#: Columns of a block by name: features (n,), objects if they are texts, else floats; vectors (n, k).
Columns = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
#: Models that contain the selected model.
_TUNED = ("CrossValidatorModel", "TrainValidationSplitModel")


@dataclass(frozen=True, eq=False)
class Saved:
    """One saved stage: its class, its parameters with their defaults, and the rest of its metadata."""

    path: Path
    class_name: str
    uid: str
    params: Mapping[str, Any]
    extra: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The class without its package."""
        return self.class_name.rpartition(".")[2]

    @property
    def where(self) -> str:
        """What messages call the stage."""
        return f"the stage {self.uid} ({self.kind})"

    def given(self, *names: str) -> tuple[Any, ...]:
        """The values of the first of the parameters that is set; a single value is a tuple of one."""
        value: Any = next((self.params[name] for name in names if self.params.get(name) is not None), [])
        return tuple(value) if isinstance(value, list) else (value,)

    def inputs(self) -> tuple[str, ...]:
        """The names of the columns that the stage reads."""
        return self.given("inputCols", "inputCol", "featuresCol")

    def outputs(self) -> tuple[str, ...]:
        """The names of the columns that the stage adds; for a model, those of its predictions."""
        if "featuresCol" in self.params:
            keys = ("predictionCol", "probabilityCol", "rawPredictionCol")
            return tuple(self.params[key] for key in keys if self.params.get(key))
        return self.given("outputCols", "outputCol")

    def rows(self, folder: str = "data") -> list[dict[str, Any]]:
        """The rows of the stage's numbers."""
        rows: list[dict[str, Any]] = _table(self.path / folder).to_pylist()
        if not rows:
            raise ModelError(f"{self.path / folder} is empty")
        return rows


def read(path: Path) -> Saved:
    """The stage in a folder."""
    files = sorted((path / "metadata").glob("part-*"))
    texts = [text for file in files if (text := file.read_text(encoding="utf-8").strip())]
    if not texts:
        raise ModelError(f"{path} is not a saved Spark ML model: it has no metadata")
    try:
        metadata = json.loads(texts[0])
        params = {**metadata.get("defaultParamMap", {}), **metadata["paramMap"]}
        return Saved(path, metadata["class"], metadata["uid"], params, metadata)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path / 'metadata'} is not the metadata of a Spark ML model: {error!r}") from error


def flat(saved: Saved) -> list[Saved]:
    """The stages of a pipeline, including those of nested pipelines; a single model is its only stage."""
    if saved.kind in _TUNED:
        return flat(read(saved.path / "bestModel"))
    if saved.kind != "PipelineModel":
        return [saved]
    folders = {folder.name.partition("_")[2]: folder for folder in (saved.path / "stages").glob("*_*")}
    lost = [uid for uid in saved.params["stageUids"] if uid not in folders]
    if lost:
        raise ModelError(f"{saved.path}: the folders of the stages {', '.join(lost)} are missing")
    return [stage for uid in saved.params["stageUids"] for stage in flat(read(folders[uid]))]


def _table(folder: Path) -> pa.Table:
    try:
        return pq.read_table(str(folder), partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise ModelError(f"{folder} cannot be read as Parquet: {error}") from error


def vector(value: Mapping[str, Any]) -> Floats:
    """A vector as floats (k,), however it was stored."""
    values = np.array(value["values"], dtype=np.float64)
    if value["type"] == 1:
        return values
    filled = np.zeros(value["size"])
    filled[np.array(value["indices"], dtype=np.int64)] = values
    return filled


def matrix(value: Mapping[str, Any]) -> Floats:
    """A matrix as floats (rows, columns), however it was stored."""
    rows, columns = value["numRows"], value["numCols"]
    values = np.array(value["values"], dtype=np.float64)
    turned = bool(value["isTransposed"])
    if value["type"] == 1:
        return values.reshape(rows, columns) if turned else values.reshape(columns, rows).T
    lines = rows if turned else columns
    filled = np.zeros((lines, columns if turned else rows))
    line = np.repeat(np.arange(lines), np.diff(value["colPtrs"]))
    filled[line, np.array(value["rowIndices"], dtype=np.int64)] = values
    return filled if turned else filled.T


def number(value: Any) -> float:
    """A parameter as a float; Spark's JSON has infinities and NaN as texts."""
    return float(value)
