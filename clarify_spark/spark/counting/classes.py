"""Rows per observed and predicted class: the confusion matrix of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clarify_spark.bias.counts import Cells
from clarify_spark.bias.performance import ClassCount
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.counting.profiles import present
from clarify_spark.spark.counting.scans import GroupedCounts, ScanContext

#: Classes beyond which no confusion matrix of classes is made.
MAX_CLASSES = 1_000
#: Cells of observed × predicted class that may be collected.
MAX_CLASS_CELLS = MAX_CLASSES * MAX_CLASSES


def classes_of(context: ScanContext, table: GroupedCounts) -> tuple[tuple[ClassCount, ...] | None, tuple[str, ...]]:
    """Observed × predicted classes, from the main count if it kept them separate."""
    label, predicted = context.roles.label, context.roles.predicted
    if predicted is None or predicted.error is not None or label.type != "categorical":
        return None, ()
    if context.by_class:
        return _class_counts(table.keys["label"], table.keys["predicted"], context.scaled(table.n)[0])
    keys = [present(context.dataset.column(role.name)).alias(key) for role, key in ((label, "l"), (predicted, "p"))]
    grouped = context.dataset.frame.groupBy(*keys).agg(context.measure(0).alias("n"))
    found = collected_columns(grouped.limit(MAX_CLASS_CELLS + 1))
    return _class_counts(found["l"], found["p"], context.scaled(np.array([found["n"]], np.int64))[0])


def _class_counts(
    labels: Sequence[Any], predicted: Sequence[Any], n: Cells
) -> tuple[tuple[ClassCount, ...] | None, tuple[str, ...]]:
    rows, columns = _places(labels), _places(predicted)
    if max(len(rows), len(columns)) > MAX_CLASSES or len(n) > MAX_CLASS_CELLS:
        note = f"The confusion matrix of classes is left out: there are more than {MAX_CLASSES:,} classes."
        return None, (note,)
    cells: dict[tuple[Any, Any], float] = {}
    for label, prediction, rows_here in zip(labels, predicted, n.tolist(), strict=True):
        cells[label, prediction] = cells.get((label, prediction), 0) + rows_here
    order = sorted(cells, key=lambda cell: (rows[cell[0]], columns[cell[1]]))
    return tuple((label, prediction, cells[label, prediction]) for label, prediction in order), ()


def _places(values: Sequence[Any]) -> dict[Any, int]:
    """Places of the distinct values: ascending, a missing value last."""
    distinct = sorted({value for value in values if value is not None})
    return {value: i for i, value in enumerate([*distinct, None])}
