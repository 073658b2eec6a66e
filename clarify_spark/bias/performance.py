"""How well the model does over all rows: the model performance section of Clarify's report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clarify_spark.bias.counts import Confusion
from clarify_spark.bias.formulas import divide
from clarify_spark.bias.metrics import MetricResult
from clarify_spark.bias.statistics import confusion_shares
from clarify_spark.columns import Scalar

#: Rows (or their weight) with that label class and that predicted class; None stands for a missing value.
ClassCount = tuple[Scalar | None, Scalar | None, float]


@dataclass(frozen=True)
class ModelPerformance:
    """Performance over all rows.

    ``binary_confusion_matrix``: shares of TP, FP, FN, TN. ``confusion_matrix``: rows by label class, then by predicted
    class, for categorical labels only.
    """

    label: str
    metrics: tuple[MetricResult, ...]
    binary_confusion_matrix: tuple[float, float, float, float]
    confusion_matrix: Mapping[str, Mapping[str, float]] | None


def model_performance(label: str, rows: Confusion, classes: Iterable[ClassCount] | None) -> ModelPerformance:
    """The performance section; ``classes`` is None for continuous labels."""
    matrix = None if classes is None else class_confusion(classes)
    return ModelPerformance(label, performance_metrics(rows), confusion_shares(rows), matrix)


def performance_metrics(rows: Confusion) -> tuple[MetricResult, ...]:
    """The ten measures in the report's order, 0/0 being 0."""
    recall, precision = divide(rows.tp, rows.positives), divide(rows.tp, rows.predicted_positives)
    values = (
        divide(rows.tp + rows.tn, rows.rows),
        divide(rows.predicted_positives, rows.rows),
        divide(rows.predicted_negatives, rows.rows),
        recall,
        divide(rows.tn, rows.negatives),
        precision,
        divide(rows.tn, rows.predicted_negatives),
        divide(rows.positives, rows.predicted_positives),
        divide(rows.negatives, rows.predicted_negatives),
        2 * divide(recall * precision, recall + precision),
    )
    return tuple(MetricResult(name, text, value) for (name, text), value in zip(_MEASURES, values, strict=True))


def class_confusion(classes: Iterable[ClassCount]) -> dict[str, dict[str, float]]:
    """Rows by label class and predicted class, both in ascending order of the label classes.

    As in Clarify, predictions that never occur as a label are left out; so are rows without a label.
    """
    table = [(label, predicted, count) for label, predicted, count in classes if label is not None]
    labels = sorted({label for label, _, _ in table}, key=lambda label: (isinstance(label, str), label))
    columns = {_class_name(label): str(label) for label in labels}
    matrix = {str(label): dict.fromkeys(columns.values(), 0.0) for label in labels}
    for label, predicted, count in table:
        column = None if predicted is None else columns.get(_class_name(predicted))
        if column is not None:
            matrix[str(label)][column] += count
    return matrix


def _class_name(value: Scalar) -> str:
    """A name under which 1, 1.0, True and "1" are one class."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


_MEASURES = (
    ("Accuracy", "Proportion of inputs assigned the correct predicted label by the model."),
    (
        "Proportion of Positive Predictions in Labels",
        "Proportion of input assigned in positive predicted label.",
    ),
    (
        "Proportion of Negative Predictions in Labels",
        "Proportion of input assigned the negative predicted label.",
    ),
    (
        "True Positive Rate / Recall",
        "Proportion of inputs with positive observed label correctly assigned the positive predicted label.",
    ),
    (
        "True Negative Rate / Specificity",
        "Proportion of inputs with negative observed label correctly assigned the negative predicted label.",
    ),
    (
        "Acceptance Rate / Precision",
        "Proportion of inputs with positive predicted label that actually have a positive observed label.",
    ),
    (
        "Rejection Rate",
        "Proportion of inputs with negative predicted label that actually have a negative observed label.",
    ),
    ("Conditional Acceptance", "Ratio between the positive observed labels and positive predicted labels."),
    ("Conditional Rejection", "Ratio between the negative observed labels and negative predicted labels."),
    ("F1 Score", "Harmonic mean of precision and recall."),
)
