"""How the outputs of boosted trees are interpreted, the same for each library."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, labels_of, scores_of
from clarify_spark.udfs.model_spec import PredictorSpec

#: ``scores``: (n,) or (n, k) between 0 and 1; ``values``: a regression; ``classes``: the index of the class.
Meaning = Literal["scores", "values", "classes"]


def expect_indices(spec: PredictorSpec) -> None:
    """Rejects names for columns that have none."""
    for key in ("label", "probability"):
        if isinstance(getattr(spec, key), str):
            raise ModelError(
                f"predictor.{key} {getattr(spec, key)!r}: {spec.format} outputs have no names; use an index"
            )


def answer_of(raw: NDArray[Any], meaning: Meaning, spec: PredictorSpec) -> Answer:
    """The answer in a booster's outputs (n,) or (n, k).

    One score per record predicts 1 above the threshold, else 0; several predict the index of the largest, or its name
    in label_headers. Regressions, and outputs named by predictor.label, are labels unchanged.
    """
    if meaning == "classes":
        return Answer(_named(raw, spec), None, label_is="class")
    if _are_labels(meaning, spec):
        return Answer(labels_of(_chosen(raw, meaning, spec)), None)
    scores = scores_of(_chosen(raw, meaning, spec), spec.path)
    return Answer(None, scores, classes=tuple(range(scores.shape[1])) if scores.shape[1] > 1 else None)


def scores_in(raw: NDArray[Any], meaning: Meaning, spec: PredictorSpec) -> Answer:
    """The numbers of ``answer_of`` (of anything but classes) as scores, including those that are labels."""
    return Answer(None, scores_of(_chosen(raw, meaning, spec), spec.path))


def _are_labels(meaning: Meaning, spec: PredictorSpec) -> bool:
    return meaning == "values" or (spec.label is not None and spec.probability is None)


def _chosen(raw: NDArray[Any], meaning: Meaning, spec: PredictorSpec) -> NDArray[Any]:
    if raw.ndim == 1:
        return raw
    if _are_labels(meaning, spec):
        return _column(raw, spec.label or 0, "label", spec)
    return raw if spec.probability is None else _column(raw, spec.probability, "probability", spec)


def _column(raw: NDArray[Any], index: str | int, key: str, spec: PredictorSpec) -> NDArray[Any]:
    if not isinstance(index, int) or not 0 <= index < raw.shape[1]:
        raise ModelError(f"predictor.{key} {index!r}: {spec.path} gives {raw.shape[1]} outputs per record")
    return raw[:, index]


def _named(raw: NDArray[Any], spec: PredictorSpec) -> Any:
    """Class indices as integers, or as their names in label_headers."""
    indices = raw.astype(np.int64)
    if spec.label_headers is None:
        return labels_of(indices)
    if indices.size and indices.max() >= len(spec.label_headers):
        raise ModelError(
            f"predictor.label_headers has {len(spec.label_headers)} names, "
            f"but {spec.path} predicts class {indices.max()}"
        )
    return labels_of([spec.label_headers[index] for index in indices])
