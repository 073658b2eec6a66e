"""A model's answers as the numbers to be explained."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import Answer, Predict, matrix_of
from clarify_spark.udfs.model_spec import PredictorSpec
from clarify_spark.udfs.traffic import Traffic, together

Outputs = NDArray[np.float64]
Link = Literal["identity", "logit"]
#: A mean probability is kept this far from 0 and 1 before its logit is taken, which limits log-odds to about 27.6.
CLIP = 1e-12


def outputs_of(answer: Answer, spec: PredictorSpec) -> Outputs:
    """The scores (n, D), or the numbers (n, 1) that a regressor gives as labels."""
    if answer.scores is not None:
        return answer.scores
    if answer.labels is None:
        raise ModelError("the model gave neither labels nor scores")
    numbers = answer.label_is == "number" and all(_is_number(label) for label in answer.labels)
    if not numbers:
        shown = repr(answer.labels[0])[:80] if len(answer.labels) else ""
        raise ModelError(
            f"explanations need numbers, but the model returns only class labels ({shown}): set "
            "predictor.probability to where its scores are, or use a model that has them"
        )
    return np.array(answer.labels.tolist(), dtype=np.float64)[:, np.newaxis]


def _is_number(label: object) -> bool:
    return isinstance(label, int | float | np.integer | np.floating) and not isinstance(label, bool)


def link(values: Outputs, kind: Link) -> Outputs:
    """The values themselves, or the log-odds of the values clipped to [CLIP, 1 - CLIP]."""
    if kind == "identity":
        return values
    if values.size and not (values.min() >= -1e-9 and values.max() <= 1 + 1e-9):
        raise ModelError(
            "methods.shap.use_logit: the model's outputs are not between 0 and 1 "
            f"(from {values.min():g} to {values.max():g}), so they have no log-odds; set use_logit to false"
        )
    clipped = np.clip(values, CLIP, 1 - CLIP)
    logits: Outputs = np.log(clipped) - np.log1p(-clipped)
    return logits


class ModelCalls:
    """A model as a function from n records to finite outputs (n, D), which counts its calls and records."""

    def __init__(
        self, predict: Predict, spec: PredictorSpec, outputs: int | None = None, link: Link = "identity"
    ) -> None:
        self._matrix = matrix_of(predict)
        self.records = self.calls = self.duplicates = 0
        self.traffic: Traffic | None = None
        self.seconds = 0.0
        self._predict = predict
        self._spec = spec
        self._probabilities = link == "logit"
        self.outputs = outputs

    @property
    def takes_matrix(self) -> bool:
        """Whether records may be given as one matrix of floats (n, M)."""
        return self._matrix is not None

    def __call__(self, features: pd.DataFrame | NDArray[np.float64]) -> Outputs:
        """The outputs (n, D) for typed features, or for the matrix (n, M) that ``matrix`` takes."""
        started = time.perf_counter()
        ask: Callable[[Any], Answer] = self._predict
        if self._matrix is not None and isinstance(features, np.ndarray):
            ask = self._matrix
        answer = ask(features)
        outputs = outputs_of(answer, self._spec)
        self.traffic = together([self.traffic, answer.traffic])
        self.seconds += time.perf_counter() - started
        self.records += len(features)
        self.calls += 1
        self._expect_shape(outputs, len(features))
        self._expect_finite(outputs, features)
        return outputs

    def _expect_shape(self, outputs: Outputs, sent: int) -> None:
        if len(outputs) != sent:
            raise ModelError(f"the model answered {len(outputs)} records, but {sent} were sent")
        if self.outputs is None:
            self.outputs = outputs.shape[1]
        if outputs.shape[1] != self.outputs:
            raise ModelError(f"the model gave {outputs.shape[1]} outputs per record here, but {self.outputs} before")

    def _expect_finite(self, outputs: Outputs, features: pd.DataFrame | NDArray[np.float64]) -> None:
        low, high = outputs.min(initial=np.inf), outputs.max(initial=-np.inf)
        if not (low > -np.inf and high < np.inf) and len(outputs):
            bad = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
            values = features.iloc[bad[0]] if isinstance(features, pd.DataFrame) else features[bad[0]]
            shown = ", ".join(
                f"{name}={value!s:.40}" for name, value in zip(self._spec.feature_names, values, strict=True)
            )
            raise ModelError(
                f"{len(bad)} of {len(outputs)} outputs of the model are not finite numbers, for example "
                f"{outputs[bad[0]].tolist()} for {shown[:400]}"
            )
        if self._probabilities:
            link(np.array([low, high]) if len(outputs) else outputs, "logit")
