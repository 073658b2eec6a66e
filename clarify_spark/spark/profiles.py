"""Exact facts about the role columns, in one aggregate over the data and no more passes than stay open after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as sf

from clarify_spark.bias.memberships import column_type
from clarify_spark.columns import ColumnProfile, Scalar
from clarify_spark.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

    from clarify_spark.spark.datasets import Column, Dataset

#: Kinds that Spark holds as text.
TEXT = ("string", "other")
#: A facet without configured values gets one entry per value; beyond this many the report helps nobody.
MAX_FACET_VALUES = 10_000
#: Rows looked at to guess how many values a column has. A guess decides how to count, never what is counted.
HEAD_ROWS = 2_000
#: Cells of a crossed count that one grouped pass may hold (Spark's fast hash map has 65,536 places).
MAX_CELLS = 50_000
#: A column with more values than this in its first rows is counted alone.
FEW_VALUES = 200
#: Integers within 64 * WORDS of the smallest in the first rows are counted as bits of as many machine words.
WORDS = 4

Facts = frozenset[str]


@dataclass(frozen=True)
class Head:
    """The first rows Spark happens to deliver: ``rows`` of them and the distinct non-missing values of each column."""

    rows: int
    values: Mapping[str, frozenset[Scalar]]

    def distinct(self, name: str) -> int:
        """Number of different values seen, missing counted as one (at least 1)."""
        return len(self.values[name]) + 1


def profile(dataset: Dataset, facts: Mapping[str, Facts]) -> dict[str, ColumnProfile]:
    """The facts asked for about each named column, rows and nulls always among them."""
    columns = [dataset.column(name) for name in facts]
    if not columns:
        return {}
    first = head(dataset, columns)
    wanted = {column.name: _settled_by_head(column, facts[column.name], first) for column in columns}
    listed = values_in_order(dataset, [column for column in columns if "values" in facts[column.name]], first)
    measures = [measure for column in columns for measure in _measures(column, wanted[column.name], first)]
    row = dataset.frame.agg(sf.count(sf.lit(1)).alias("rows"), *measures).collect()[0].asDict()
    return {
        column.name: _profile(dataset, column, facts[column.name], row, listed.get(column.name)) for column in columns
    }


def head(dataset: Dataset, columns: Sequence[Column]) -> Head:
    """A look at up to HEAD_ROWS rows."""
    names = [column.name for column in columns]
    rows = dataset.frame.select(*[present(column).alias(column.id) for column in columns]).limit(HEAD_ROWS).collect()
    seen = zip(*rows, strict=True) if rows else [() for _ in names]
    return Head(
        len(rows),
        {name: frozenset(v for v in values if v is not None) for name, values in zip(names, seen, strict=True)},
    )


def present(column: Column, name: str = "") -> Expression:
    """The column (or the same values under another ``name``) with NaN turned into null: both are missing values."""
    raw = sf.col(name or column.id)
    return sf.when(~sf.isnan(raw), raw) if column.kind == "float" else raw


def number(column: Column, name: str = "") -> Expression:
    """The column as a number to compare: text becomes a 64-bit integer, or null where it is none."""
    if column.kind in TEXT:
        # try_cast as SQL text: Column.try_cast came with Spark 4.0, and a plain cast raises in ANSI mode.
        return sf.expr(f"try_cast(`{name or column.id}` as bigint)")
    return present(column, name)


def values_in_order(
    dataset: Dataset, columns: Sequence[Column], first: Head
) -> dict[str, tuple[Scalar | None, ...] | None]:
    """Every distinct value of each column in order of first appearance, None for a missing one; None instead of the
    values when there are more than MAX_FACET_VALUES."""
    found: dict[str, tuple[Scalar | None, ...] | None] = {}
    for bundle in bundles({column.name: first.distinct(column.name) for column in columns}, MAX_CELLS):
        members = [column for column in columns if column.name in bundle]
        found |= _first_seen(dataset, members)
    return found


def bundles(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """The names in groups whose sizes multiply to at most ``limit`` (larger ones and those of many values alone)."""
    groups: list[tuple[int, list[str]]] = []
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        place = next((i for i, (cells, _) in enumerate(groups) if cells * size <= limit and size <= FEW_VALUES), None)
        if place is None:
            groups.append((size if size <= FEW_VALUES else limit, [name]))
        else:
            groups[place] = (groups[place][0] * size, [*groups[place][1], name])
    return [names for _, names in groups]


def _first_seen(dataset: Dataset, columns: Sequence[Column]) -> dict[str, tuple[Scalar | None, ...] | None]:
    """Values of the columns of one bundle; column by column when the first rows promised too few values."""
    bound = MAX_FACET_VALUES if len(columns) == 1 else 2 * MAX_CELLS
    grouped = dataset.keyed.groupBy(*[present(column).alias(column.id) for column in columns]).agg(
        sf.min("row_key").alias("row_key")
    )
    rows = grouped.limit(bound + 2).collect()
    if len(rows) > bound:
        return {columns[0].name: None} if len(columns) == 1 else _one_by_one(dataset, columns)
    ordered = sorted(rows, key=lambda row: int(row["row_key"]))
    return {column.name: tuple(dict.fromkeys(row[column.id] for row in ordered)) for column in columns}


def _one_by_one(dataset: Dataset, columns: Sequence[Column]) -> dict[str, tuple[Scalar | None, ...] | None]:
    return {name: values for column in columns for name, values in _first_seen(dataset, [column]).items()}


def _require_few(found: ColumnProfile, distinct: int) -> None:
    """A categorical facet without configured values must have few; a continuous one is told that it needs a threshold
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
    """The facts that still need all rows: one value that is no integer makes a text column text."""
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
    found.append(sf.max(number(column)).alias(f"{name}_maximum"))
    if column.kind in TEXT:
        found.append(sf.count(number(column)).alias(f"{name}_whole"))
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
    """Distinct non-missing values, from what is already known when that says it exactly."""
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
