"""Exact facts about the role columns, in one aggregate over the data and only the passes still needed after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pyspark.sql import functions as sf

from clarify_spark.bias.predicates import column_type
from clarify_spark.columns import ColumnProfile, Scalar
from clarify_spark.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame, Row

    from clarify_spark.spark.data.datasets import Column, Dataset

#: Kinds that Spark holds as text.
TEXT = ("string", "other")
#: A facet without configured values gets one entry per value; beyond this many a report is useless.
MAX_FACET_VALUES = 10_000
#: Rows looked at to guess how many values a column has. A guess decides how to count, never what is counted.
HEAD_ROWS = 2_000
#: Rows from the start of the first file in which most values of a facet are expected to appear.
PREFIX_ROWS = 10_000
#: A column with more values than this in those rows is listed by a separate grouped pass.
FEW_VALUES = 200
#: Integers within 64 * WORDS of the smallest in the first rows are counted as bits of as many machine words.
WORDS = 4

Facts = frozenset[str]
#: The heads of columns of a frame: so many rows, and these values in them.
_seen: WeakKeyDictionary[DataFrame, dict[Column, tuple[int, frozenset[Scalar]]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Head:
    """The first rows Spark happens to deliver: ``rows`` of them and the distinct non-missing values of each column."""

    rows: int
    values: Mapping[str, frozenset[Scalar]]

    def distinct(self, name: str) -> int:
        """Number of different values seen, missing counted as one (at least 1)."""
        return len(self.values[name]) + 1


def profile(dataset: Dataset, facts: Mapping[str, Facts]) -> dict[str, ColumnProfile]:
    """The requested facts about each named column, always including rows and nulls."""
    columns = [dataset.column(name) for name in facts]
    if not columns:
        return {}
    listed = [column for column in columns if "values" in facts[column.name]]
    known = first_values(dataset, listed, columns)
    first = head(dataset, columns)
    wanted = {column.name: _settled_by_head(column, facts[column.name], first) for column in columns}
    measures = [measure for column in columns for measure in _measures(column, wanted[column.name], first)]
    measures += [
        sf.count_if(_is_unknown(column, known[column.name])).alias(f"{column.id}_unknown") for column in listed
    ]
    row = dataset.frame.agg(sf.count(sf.lit(1)).alias("rows"), *measures).collect()[0].asDict()
    values: dict[str, tuple[Scalar | None, ...] | None] = {}
    for column in listed:
        settled = not row[f"{column.id}_unknown"]
        values[column.name] = known[column.name] if settled else values_in_order(dataset, column, known[column.name])
    return {
        column.name: _profile(dataset, column, facts[column.name], row, values.get(column.name)) for column in columns
    }


def head(dataset: Dataset, columns: Sequence[Column]) -> Head:
    """A sample of up to HEAD_ROWS rows; of columns that were looked at before, that of then."""
    seen = _seen.setdefault(dataset.frame, {})
    new = [column for column in columns if column not in seen]
    if new:
        rows = dataset.frame.select(*[present(column).alias(column.id) for column in new]).limit(HEAD_ROWS).collect()
        _remember(dataset, new, rows)
    return Head(
        max((seen[column][0] for column in columns), default=0), {column.name: seen[column][1] for column in columns}
    )


def _remember(dataset: Dataset, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Keep how many rows were seen, and the values of each column in them."""
    seen = _seen.setdefault(dataset.frame, {})
    for column in columns:
        values = frozenset(row[column.id] for row in rows) - {None}
        seen[column] = (len(rows), values)


def present(column: Column, name: str = "") -> Expression:
    """The column (or the same values under another ``name``) with NaN turned into null: both are missing values."""
    raw = sf.col(name or column.id)
    return sf.when(~sf.isnan(raw), raw) if column.kind == "float" else raw


def as_number(column: Column, name: str = "") -> Expression:
    """The column as a number to compare: text becomes a 64-bit integer, or null where it is not one."""
    if column.kind in TEXT:
        # try_cast as SQL text: Column.try_cast came with Spark 4.0, and a plain cast raises in ANSI mode.
        return sf.expr(f"try_cast(`{name or column.id}` as bigint)")
    return present(column, name)


def first_values(
    dataset: Dataset, columns: Sequence[Column], others: Sequence[Column] = ()
) -> dict[str, tuple[Scalar | None, ...]]:
    """The values of the first PREFIX_ROWS rows of the first file, in order of appearance; () where they are many.

    Every value not among them appears later. What ``others`` hold in some of these rows is remembered as their head.
    """
    if not columns:
        return {}
    every = tuple(dict.fromkeys((*columns, *others)))
    wanted = [present(column).alias(column.id) for column in every]
    prefix = dataset.keyed.where(sf.col("row_key") < PREFIX_ROWS).select("row_key", *wanted).limit(PREFIX_ROWS)
    rows = sorted(prefix.collect(), key=lambda row: int(row["row_key"]))
    _remember(dataset, every, rows[:HEAD_ROWS])
    values = {column.name: tuple(dict.fromkeys(row[column.id] for row in rows)) for column in columns}
    return {name: known if len(known) <= FEW_VALUES else () for name, known in values.items()}


def _is_unknown(column: Column, known: Sequence[Scalar | None]) -> Expression:
    """Whether the value, a missing one too, is not among the known ones; never null."""
    values = [value for value in known if value is not None]
    missing_is_unknown = sf.lit(None not in known)
    if not values:
        return present(column).isNotNull() | missing_is_unknown
    return sf.coalesce(~present(column).isin(values), missing_is_unknown)


def values_in_order(
    dataset: Dataset, column: Column, known: tuple[Scalar | None, ...]
) -> tuple[Scalar | None, ...] | None:
    """The known values and the others after them, by their first row; None when there are too many."""
    others = dataset.keyed.where(_is_unknown(column, known)).groupBy(present(column).alias("value"))
    rows = others.agg(sf.min("row_key").alias("row_key")).limit(MAX_FACET_VALUES + 2).collect()
    ordered = sorted(rows, key=lambda row: int(row["row_key"]))
    values = (*known, *(row["value"] for row in ordered))
    return values if sum(value is not None for value in values) <= MAX_FACET_VALUES else None


def _require_few(found: ColumnProfile, distinct: int) -> None:
    """A categorical facet without configured values must have few; a continuous one needs a threshold, as reported
    by ``bias.roles``."""
    if column_type(replace(found, distinct=distinct), (), None) == "categorical":
        raise DataError(
            f"facet {found.name!r} has {distinct:,} different values and none is configured: at most "
            f"{MAX_FACET_VALUES:,} entries are reported. Give the values of interest, or a threshold, in "
            f"value_or_threshold."
        )


def exact_distinct(frame: DataFrame, column: Column) -> int:
    """Number of different non-missing values."""
    only = frame.select(present(column).alias("value"))
    return only.where(sf.col("value").isNotNull()).groupBy("value").agg(sf.lit(1)).count()


def _settled_by_head(column: Column, facts: Facts, first: Head) -> Facts:
    """The facts that still need all rows: one value that is not an integer makes a text column text."""
    is_text = column.kind in TEXT
    if is_text and not all(is_integer_text(value) for value in first.values[column.name]):
        return frozenset()
    return facts


def is_integer_text(value: Scalar) -> bool:
    """Whether Spark would read the text as a 64-bit integer (asked of single values)."""
    text = str(value).strip()
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isascii() and digits.isdigit() and -(2**63) <= int(text) < 2**63


def _measures(column: Column, facts: Facts, first: Head) -> list[Expression]:
    """Aggregates of one column, named ``<id>_<fact>``."""
    name, raw = column.id, sf.col(column.id)
    found = [sf.count(present(column)).alias(f"{name}_present")]
    if not facts & {"distinct", "all_integers", "maximum"}:
        return found
    if column.kind == "boolean":
        return [*found, sf.count_if(raw).alias(f"{name}_true")]
    found.append(sf.max(as_number(column)).alias(f"{name}_maximum"))
    if column.kind in TEXT:
        found.append(sf.count(as_number(column)).alias(f"{name}_whole"))
    if column.kind == "float" and "all_integers" in facts:
        found.append(sf.count_if((raw == sf.rint(raw)) & (sf.abs(raw) < 2.0**63)).alias(f"{name}_whole"))
    return found + _bit_words(column, first) if "distinct" in facts else found


def _bit_words(column: Column, first: Head) -> list[Expression]:
    """Distinct integers without a shuffle: one word per 64 consecutive integers from the smallest in the first rows,
    bit i set when base + i occurs; ``<id>_inside`` counts the rows that fall into a word."""
    if column.kind != "integer" or not first.values[column.name]:
        return []
    seen = [int(value) for value in first.values[column.name]]
    base = 0 if 0 <= min(seen) < 64 else min(seen)
    words, name = (max(seen) - base) // 64 + 1, column.id
    if words > WORDS or base + 64 * words >= 2**63:
        return []
    inside = f"`{name}` BETWEEN {base} AND {base + 64 * words - 1}"
    return [sf.expr(f"count_if({inside})").alias(f"{name}_inside")] + [
        sf.expr(
            f"bit_or(CASE WHEN `{name}` BETWEEN {start} AND {start + 63} "
            f"THEN shiftleft(1L, CAST(`{name}` - {start} AS INT)) ELSE 0L END)"
        ).alias(f"{name}_word{word}")
        for word, start in enumerate(range(base, base + 64 * words, 64))
    ]


def _profile(
    dataset: Dataset,
    column: Column,
    facts: Facts,
    row: Mapping[str, Any],
    values: tuple[Scalar | None, ...] | None,
) -> ColumnProfile:
    rows, non_null = int(row["rows"]), int(row[f"{column.id}_present"])
    is_text = column.kind in TEXT
    whole = row.get(f"{column.id}_whole") == non_null if is_text or column.kind == "float" else None
    usable = not is_text or whole is True
    found = ColumnProfile(
        name=column.name,
        kind=column.kind,
        rows=rows,
        nulls=rows - non_null,
        distinct=_distinct(dataset, column, row, values) if "distinct" in facts and usable else None,
        all_integers=whole if "all_integers" in facts else None,
        maximum=row.get(f"{column.id}_maximum") if "maximum" in facts and usable else None,
        values=values,
    )
    if "values" in facts and values is None:
        _require_few(found, found.distinct or exact_distinct(dataset.frame, column))
    return found


def _distinct(
    dataset: Dataset, column: Column, row: Mapping[str, Any], values: tuple[Scalar | None, ...] | None
) -> int:
    """Distinct non-missing values, from what is already known if that is exact."""
    non_null = int(row[f"{column.id}_present"])
    if values is not None:
        return sum(value is not None for value in values)
    if column.kind == "boolean":
        true = int(row[f"{column.id}_true"])
        return (true > 0) + (true < non_null)
    if row.get(f"{column.id}_inside") == non_null:
        words = [value for key, value in row.items() if key.startswith(f"{column.id}_word")]
        return sum((int(word or 0) & (2**64 - 1)).bit_count() for word in words)
    return exact_distinct(dataset.frame, column)
