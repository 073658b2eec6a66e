"""Column kinds from the values' bits, and text cast to its kind: the rules of pandas.read_csv, over all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from clarify_spark.columns import Kind
from clarify_spark.udfs import kinds

if TYPE_CHECKING:
    from pyspark.sql import Column

LONGEST_SURE_INTEGER = 18
Missing = Callable[[str], "Column"]


def kind_bits(name: str) -> Column:
    """The bits of the kinds in a text column, an aggregate."""
    text = F.col(name)
    # A failing cast costs an exception, so it is used only for integers too long to be certain about.
    short = F.length(text) <= LONGEST_SURE_INTEGER
    bit = (
        F.when(is_missing(name), kinds.MISSING)
        .when(
            text.rlike(kinds.WHOLE),
            F.when(short | F.expr(f"try_cast({name} AS BIGINT)").isNotNull(), kinds.INTEGER).otherwise(kinds.BIG),
        )
        .when(text.rlike(kinds.NUMBER) | text.rlike(kinds.INFINITY), kinds.FLOAT)
        .when(text.isin(*kinds.BOOLEAN_TEXTS), kinds.BOOLEAN)
        .when(text.contains("\ufffd"), kinds.TEXT | kinds.DAMAGED)
        .otherwise(kinds.TEXT)
    )
    return F.bit_or(bit)


def is_missing(name: str) -> Column:
    """True where a text column holds one of the strings for a missing value."""
    return F.col(name).isNull() | F.col(name).isin(*kinds.MISSING_TEXTS)


def is_null(name: str) -> Column:
    """True where a column holds null: in JSON only null is missing."""
    return F.col(name).isNull()


def inferred_kind(found: int) -> Kind:
    """The kind of a column whose values have these bits; a column of missing values only is ``float``, as in pandas."""
    values = found & ~(kinds.MISSING | kinds.DAMAGED)
    if values == kinds.INTEGER:
        return "float" if found & kinds.MISSING else "integer"
    if not values & ~(kinds.INTEGER | kinds.FLOAT):
        return "float"
    if found == kinds.BOOLEAN:
        return "boolean"
    return "string"


def kind_note(name: str, found: int) -> str | None:
    """What a user should know about how a column's kind was determined."""
    if found & kinds.DAMAGED:
        return f"Column {name!r} has the character U+FFFD: bytes that are not UTF-8, or text that was already damaged."
    if found & kinds.BIG:
        return f"Column {name!r} has integers beyond 64 bits; it is read as text."
    if found == kinds.BOOLEAN | kinds.MISSING:
        return f"Column {name!r} has booleans and missing values; it is read as the texts 'True' and 'False'."
    if found & kinds.MISSING and inferred_kind(found) == "float" and not found & kinds.FLOAT:
        what = "integers and missing values" if found & kinds.INTEGER else "only missing values"
        return f"Column {name!r} has {what}; it is read as float."
    return None


def cast(name: str, found: int, gone: Missing) -> Column:
    """A text column as the Spark type of its kind, with null where ``gone`` marks a missing value."""
    kind = inferred_kind(found)
    if kind == "string" and not found & ~(kinds.BOOLEAN | kinds.MISSING):
        value = F.initcap(F.col(name))
    elif kind == "string":
        value = F.col(name)
    else:
        value = F.expr(f"try_cast({name} AS {_SPARK_TYPES[kind]})")
    return F.when(gone(name), F.lit(None)).otherwise(value).alias(name) if found & kinds.MISSING else value.alias(name)


_SPARK_TYPES: dict[Kind, str] = {"integer": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN"}
