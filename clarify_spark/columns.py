"""What is known about the columns of a data set: plain values passed from Spark to the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``integer``, ``float`` and ``boolean`` compare as numbers; ``other`` (dates, decimals in text, …) compares as text.
Kind = Literal["integer", "float", "string", "boolean", "other"]
Scalar = str | int | float | bool


@dataclass(frozen=True)
class ColumnProfile:
    """Facts about one column, counted exactly over all rows.

    ``rows`` counts rows, ``nulls`` the missing values among them (null and NaN alike). The optional facts are counted
    only where a rule needs them:

    * ``distinct``: how many non-null values differ;
    * ``all_integers``: every non-null value is a 64-bit integer, in a text column by its spelling (``"12"``, not
      ``"12.0"``), in a float column by its value (``12.0``);
    * ``maximum``: the largest non-null value of a numeric column, or of a text column as integers where
      ``all_integers`` holds; None when every value is missing;
    * ``values``: every distinct value in order of first appearance, None standing for a missing value.
    """

    name: str
    kind: Kind
    rows: int
    nulls: int
    distinct: int | None = None
    all_integers: bool | None = None
    maximum: int | float | None = None
    values: tuple[Scalar | None, ...] | None = None
