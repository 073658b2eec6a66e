"""Strata of a group variable as patterns: equal strata are counted together, in Spark where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as sf

from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.counting.predicates import holds
from clarify_spark.spark.counting.profiles import present
from clarify_spark.spark.counting.scans import Scan, ScanContext, Sums, determines_entry

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

TOTALS, INSIDE = ("t0", "t1", "t2", "t3"), ("d0", "d1", "d2", "d3")
#: Distinct strata (P, M, 2, 2, 2) and how many times each occurs (P,).
Patterns = tuple[Sums, Sums]


def distinct_patterns(strata: Sums, multiplicity: Sums) -> Patterns:
    """Equal rows of ``strata`` (G, 8 M) counted together, in ascending order: the same however they were found."""
    found, place = np.unique(strata, axis=0, return_inverse=True)
    counted = np.zeros(len(found), np.int64)
    np.add.at(counted, place.reshape(-1), multiplicity)
    keep = (counted > 0) & (found.sum(axis=1) > 0)
    return found[keep].reshape(-1, strata.shape[1] // 8, 2, 2, 2), counted[keep]


def wide_patterns(context: ScanContext, scans: Sequence[Scan]) -> dict[tuple[int, int], Patterns]:
    """Patterns of each entry when strata are many: equal strata are counted together before collection."""
    found: dict[tuple[int, int], Patterns] = {}
    for scan in scans:
        by_value = [f for f in scan.by_value if determines_entry(context.roles.facets[f])]
        others = [
            (f, e) for f in scan.by_value if f not in by_value for e in range(len(context.roles.facets[f].entries))
        ]
        conditions = (*scan.conditions, *others)
        if conditions:
            found |= _of_rows(_condition_patterns(context, conditions), dict(enumerate(conditions)))
        for f in by_value:
            entries = context.roles.facets[f].entries
            keys = {value: (f, e) for e, entry in enumerate(entries) for value in entry.values or ()}
            empty = {object(): (f, e) for e, entry in enumerate(entries) if not entry.values}
            found |= _of_rows(_value_patterns(context, f), {**keys, **empty})
    return found


def _by_stratum(context: ScanContext, *more: Expression) -> tuple[DataFrame, list[Expression]]:
    """The rows that have a group, and the grouping expressions (``stratum``, ``cell`` 0 to 3, ``more``)."""
    roles, dataset = context.roles, context.dataset
    group = present(dataset.column(roles.group or ""))
    cell = 2 * holds(roles.label.positive, dataset.column(roles.label.name)).cast("int")
    if roles.predicted is not None:
        cell = cell + holds(roles.predicted.positive, dataset.column(roles.predicted.name)).cast("int")
    return dataset.frame.where(group.isNotNull()), [group.alias("stratum"), cell.alias("cell"), *more]


def _condition_patterns(context: ScanContext, conditions: Sequence[tuple[int, int]]) -> DataFrame:
    """Columns t0 … t3 (stratum), d0 … d3 (its facet d), key (which condition), whole, count."""
    rows, keys = _by_stratum(context)
    roles, dataset = context.roles, context.dataset
    counted = [
        sf.count_if(holds(roles.facets[f].entries[e], dataset.column(roles.facets[f].name))).alias(f"c{i}")
        for i, (f, e) in enumerate(conditions)
    ]
    cells = rows.groupBy(*keys).agg(sf.count(sf.lit(1)).alias("n"), *counted)
    wanted = ["n", *(f"c{i}" for i in range(len(conditions)))]
    sums = [_sum_of_cell(name, j).alias(f"{name}_{j}") for name in wanted for j in range(4)]
    parts = [
        sf.struct(
            sf.lit(i).alias("key"),
            sf.lit(False).alias("whole"),
            *[sf.col(f"c{i}_{j}").alias(f"d{j}") for j in range(4)],
        )
        for i in range(len(conditions))
    ]
    strata = cells.groupBy("stratum").agg(*sums)
    totals = [sf.col(f"n_{j}").alias(f"t{j}") for j in range(4)]
    return _count_equal(strata.select(*totals, sf.explode(sf.array(*parts)).alias("part")))


def _value_patterns(context: ScanContext, f: int) -> DataFrame:
    """As above with the facet's value as key; rows with ``whole`` count every stratum once, without a key."""
    value = present(context.dataset.column(context.roles.facets[f].name)).alias("key")
    rows, keys = _by_stratum(context, value)
    cells = rows.groupBy(*keys).agg(sf.count(sf.lit(1)).alias("n"))
    inside = [_sum_of_cell("n", j).alias(f"d{j}") for j in range(4)]
    by_value = cells.groupBy("stratum", "key").agg(sf.lit(False).alias("whole"), *inside)
    part = sf.struct("key", "whole", *[f"d{j}" for j in range(4)])
    totals = [sf.sum(f"d{j}").alias(f"t{j}") for j in range(4)]
    strata = by_value.groupBy("stratum").agg(*totals, sf.collect_list(part).alias("parts"))
    zeros = [sf.lit(0).cast("bigint").alias(f"d{j}") for j in range(4)]
    kind = by_value.schema["key"].dataType
    whole = sf.struct(sf.lit(None).cast(kind).alias("key"), sf.lit(True).alias("whole"), *zeros)
    every = sf.concat(sf.array(whole), sf.col("parts"))
    return _count_equal(strata.select(*TOTALS, sf.explode(every).alias("part")))


def _sum_of_cell(name: str, cell: int) -> Expression:
    return sf.coalesce(sf.sum(sf.when(sf.col("cell") == cell, sf.col(name))), sf.lit(0).cast("bigint"))


def _count_equal(strata: DataFrame) -> DataFrame:
    return (
        strata.select(*TOTALS, "part.*")
        .groupBy(*TOTALS, "key", "whole", *INSIDE)
        .agg(sf.count(sf.lit(1)).alias("count"))
    )


def _of_rows(patterns: DataFrame, keys: Mapping[Any, tuple[int, int]]) -> dict[tuple[int, int], Patterns]:
    """Patterns per entry; a stratum in which an entry's value does not occur has an empty facet d."""
    found = collected_columns(patterns)
    table = np.array([found[name] for name in (*TOTALS, *INSIDE, "count")], np.int64).T.reshape(-1, 9)
    whole = np.array(found["whole"], bool)
    place = {key: i for i, key in enumerate(keys)}
    of_key = np.array([place.get(key, -1) for key in found["key"]], np.int64)
    every = table[whole]
    return {entry: _entry_patterns(table[(of_key == i) & ~whole], every) for i, entry in enumerate(keys.values())}


def _entry_patterns(own: Sums, every: Sums) -> Patterns:
    """``own`` (N, 9): totals, facet d, repeats; ``every``: all strata, of which own ones are taken off."""
    absent = own.copy()
    absent[:, 4:8], absent[:, 8] = 0, -own[:, 8]
    rows = np.concatenate([own, every, absent]) if len(every) else own
    return distinct_patterns(np.hstack([rows[:, :4] - rows[:, 4:8], rows[:, 4:8]]), rows[:, 8])
