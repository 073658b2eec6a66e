"""Small frames brought to the driver, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def collected_columns(frame: DataFrame) -> dict[str, Sequence[Any]]:
    """The collected columns; through Arrow if this Spark supports it (4.0 or later), as one Row per group is slow."""
    if hasattr(frame, "toArrow"):
        table = frame.toArrow()
        return {name: table.column(name).to_pylist() for name in table.column_names}
    rows = frame.collect()
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(frame.columns)
    return dict(zip(frame.columns, columns, strict=True))
