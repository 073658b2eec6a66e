"""What every model returns, whatever it is and however it is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.traffic import Traffic, together

Labels = NDArray[np.object_]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """A model's predictions for n records: labels (n,), scores (n, k), or both.

    ``classes`` names the columns of the scores if the model knows the names; a single score refers to the second of
    two classes. ``label_is`` marks a class (kept unchanged) or a number, which a configured threshold turns into 0/1.
    ``traffic`` is the network traffic for it, None for in-process models.
    """

    labels: Labels | None
    scores: Scores | None
    classes: tuple[Any, ...] | None = None
    label_is: Literal["class", "number"] = "number"
    traffic: Traffic | None = None

    @property
    def records(self) -> int:
        """The number of records answered."""
        return len(self.labels) if self.labels is not None else len(self.scores) if self.scores is not None else 0


#: From typed features (columns named and in order) to the answer for each row.
Predict = Callable[[pd.DataFrame], Answer]
#: Every feature as a float in the order of the spec: (n, M), missing = NaN.
Matrix = NDArray[np.float64]
#: From a matrix to the scores (n, k) of each row; numbers that are labels in the frame's answer are one score here.
MatrixPredict = Callable[[Matrix], Answer]


@dataclass(frozen=True, eq=False)
class NumericPredict:
    """The predictor of a model that takes only numbers; ``matrix`` gives the frame's answer without the frame.

    The answers agree to the last bit for the typed frame and for its values laid out column by column (Fortran order),
    as pandas keeps them: matrix products in another order round differently. A model may overwrite the matrix.
    """

    frame: Predict
    matrix: MatrixPredict

    def __call__(self, features: pd.DataFrame) -> Answer:
        """The answer for a typed frame."""
        return self.frame(features)


def matrix_of(predict: Predict) -> MatrixPredict | None:
    """The predictor's method for a matrix of all features, None if it has none."""
    return predict.matrix if isinstance(predict, NumericPredict) else None


def labels_of(values: Any) -> Labels:
    """The values as a one-dimensional object array (n,) of plain Python values."""
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def scores_of(values: Any, where: str) -> Scores:
    """The values as floats (n, k); one number per record becomes one column."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where}: the scores are not numbers, or not the same number per record ({error})") from error
    if array.ndim not in (1, 2):
        raise ModelError(f"{where}: the scores have {array.ndim} dimensions; one or two are allowed")
    if array.ndim == 2 and array.shape[1] == 0:
        raise ModelError(f"{where}: the rows of scores are empty")
    return array if array.ndim == 2 else array[:, np.newaxis]


def expect_records(answer: Answer, sent: int, where: str) -> Answer:
    """The answer, if it has as many records as were sent."""
    if answer.records != sent:
        raise ModelError(f"{where}: the model answered {answer.records} records, but {sent} were sent")
    return answer


def concatenated(answers: Sequence[Answer]) -> Answer:
    """One answer from the answers to consecutive batches."""
    if len(answers) == 1:
        return answers[0]
    labels = [answer.labels for answer in answers if answer.labels is not None]
    scores = [answer.scores for answer in answers if answer.scores is not None]
    widths = sorted({part.shape[1] for part in scores})
    if len(widths) > 1:
        raise ModelError(f"the model gave {widths[0]} scores per record in one response and {widths[-1]} in another")
    return Answer(
        labels=np.concatenate(labels) if labels else None,
        scores=np.concatenate(scores) if scores else None,
        classes=answers[0].classes,
        label_is=answers[0].label_is,
        traffic=together(answer.traffic for answer in answers),
    )
