"""The flip test of every facet entry: facet a's rows go to the executors, which find neighbours for facet d's rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.flip_metrics import flip_note, sampled_note
from clarify_spark.bias.sections import CountTable
from clarify_spark.spark.counting.predicates import holds
from clarify_spark.spark.counting.profiles import TEXT, present
from clarify_spark.spark.counting.scans import FEW_ENTRIES
from clarify_spark.udfs.flip_test import (
    BLOCK_BITS,
    RESULT_DDL,
    EntryPlan,
    FlipPlan,
    Reference,
    classify,
    packed,
    unpacked,
)

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

    from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
    from clarify_spark.spark.counting.sample_weights import WeightColumn
    from clarify_spark.spark.data.datasets import Dataset

#: Rows of facet a up to which the test is exact; beyond that, a seeded sample of that many represents them.
FLIP_REFERENCE_ROWS = 100_000
#: Numbers (rows × features) of one entry's reference: at most 64 MB go to each executor, per disjoint facet a.
FLIP_REFERENCE_NUMBERS = 8_000_000
#: Tasks of the neighbour search at most.
MAX_TASKS = 512

NON_NUMERIC = "FlipTest does not support non-numeric columns"
NO_FEATURES = "FlipTest needs at least one feature column besides the label and the facet"
INFINITE = "Input X contains infinity or a value too large for dtype('float64')."
#: scikit-learn's own words, which Clarify passes on.
MISSING = (
    "Input X contains NaN.\nKNeighborsClassifier does not accept missing values encoded as NaN natively. For "
    "supervised learning, you might want to consider sklearn.ensemble.HistGradientBoostingClassifier and Regressor "
    "which accept missing values encoded as NaNs natively. Alternatively, it is possible to preprocess the data, for "
    "instance by using an imputer transformer in a pipeline or drop samples with missing values. See "
    "https://scikit-learn.org/stable/modules/impute.html You can find a list of all estimators that handle NaN values "
    "at the following page: https://scikit-learn.org/stable/modules/impute.html#estimators-that-handle-nan-values"
)


@dataclass(frozen=True)
class Entry:
    """A facet entry to test: its place in the roles, its features, the rows of facet a and how many of them to use."""

    place: tuple[int, int]
    features: tuple[str, ...]
    rows: int
    used: int

    @property
    def share(self) -> float:
        """Share of facet a to collect: slightly more than used, so that the sample almost certainly has its size."""
        return 1.0 if self.used == self.rows else min(1.0, (self.used + 8 * math.sqrt(self.used)) / self.rows)


@dataclass(frozen=True)
class _Test:
    """The entries that can be tested, numbered, and every feature that any of them compares."""

    dataset: Dataset
    roles: Roles
    predicted: LabelRole
    entries: tuple[Entry, ...]
    features: tuple[str, ...]
    seed: int
    weight: WeightColumn | None


def flip_test(
    dataset: Dataset, roles: Roles, counts: CountTable, seed: int, weight: WeightColumn | None = None
) -> tuple[tuple[FacetCounts, ...], ...]:
    """The counts with the flips of every entry: one job for the rows of all facets a, one for all facets d.

    With a ``weight`` flips are sums of weights; neighbours are unweighted.
    """
    found = _impossible(dataset, roles, counts)
    wanted = [_entry(dataset, roles, counts, (f, e)) for f, e in _places(counts) if (f, e) not in found]
    features = tuple(name for name in dataset.features if any(name in entry.features for entry in wanted))
    unusable = _unusable(dataset, features)
    for entry in wanted:
        errors = [unusable[name] for name in entry.features if name in unusable]
        if errors:
            found[entry.place] = Flips(error=MISSING if MISSING in errors else INFINITE)
    entries = tuple(entry for entry in wanted if entry.place not in found)
    if entries and roles.predicted is not None:
        found |= _run(_Test(dataset, roles, roles.predicted, entries, features, seed, weight))
    return tuple(
        tuple(replace(of_entry, flips=found[f, e]) for e, of_entry in enumerate(of_facet))
        for f, of_facet in enumerate(counts)
    )


def _places(counts: CountTable) -> list[tuple[int, int]]:
    return [(f, e) for f, of_facet in enumerate(counts) for e in range(len(of_facet))]


def _impossible(dataset: Dataset, roles: Roles, counts: CountTable) -> dict[tuple[int, int], Flips]:
    """The outcome of the entries that need no search; an empty side is reported by the metric itself."""
    found: dict[tuple[int, int], Flips] = {}
    for f, e in _places(counts):
        kinds = [dataset.column(name).kind for name in compared_features(dataset, roles.facets[f])]
        a, d = counts[f][e].rows.sum(axis=(1, 2))
        if roles.predicted is None or roles.predicted.error is not None or a == 0 or d == 0:
            found[f, e] = Flips()
        elif not kinds:
            found[f, e] = Flips(error=NO_FEATURES)
        elif any(kind in TEXT for kind in kinds):
            found[f, e] = Flips(error=NON_NUMERIC)
    return found


def compared_features(dataset: Dataset, facet: FacetRole) -> tuple[str, ...]:
    """What the test compares: all features but this facet; other facets and the group variable stay, as in Clarify."""
    return tuple(name for name in dataset.features if name != facet.name)


def _entry(dataset: Dataset, roles: Roles, counts: CountTable, place: tuple[int, int]) -> Entry:
    features = compared_features(dataset, roles.facets[place[0]])
    rows = int(counts[place[0]][place[1]].rows[0].sum())
    limit = min(FLIP_REFERENCE_ROWS, max(FLIP_REFERENCE_NUMBERS // len(features), 10))
    return Entry(place, features, rows, min(rows, limit))


def _unusable(dataset: Dataset, features: Sequence[str]) -> dict[str, str]:
    """For each feature with a missing or infinite value, scikit-learn's message about it."""
    measures = []
    for name in features:
        column = dataset.column(name)
        measures.append(sf.count_if(present(column).isNull()).alias(f"{column.id}_missing"))
        if column.kind == "float":
            endless = sf.abs(sf.col(column.id)) == sf.lit(math.inf)
            measures.append(sf.count_if(endless).alias(f"{column.id}_infinite"))
    if not measures:
        return {}
    row = dataset.frame.agg(*measures).collect()[0].asDict()
    ids = {name: dataset.column(name).id for name in features}
    infinite = {name: INFINITE for name, id_ in ids.items() if row.get(f"{id_}_infinite")}
    return infinite | {name: MISSING for name, id_ in ids.items() if row[f"{id_}_missing"]}


def _run(test: _Test) -> dict[tuple[int, int], Flips]:
    plan = _flip_plan(test, _reference_rows(test))
    rows = (
        _searched(test, plan)
        .groupBy("entry")
        .agg(
            *[sf.sum(name).alias(name) for name in ("to_negative", "to_positive", "tied", "examined")],
            sf.max("error").alias("error"),
        )
    )
    results = {int(row["entry"]): row.asDict() for row in rows.collect()}
    return {entry.place: _flips(test, plan, i, results[i]) for i, entry in enumerate(test.entries)}


def _flips(test: _Test, plan: FlipPlan, number: int, row: Mapping[str, int | str | None]) -> Flips:
    entry, wanted = test.entries[number], plan.entries[number]
    if row["error"] is not None:
        return Flips(error=str(row["error"]))
    compared = plan.reference.features[np.ix_(wanted.rows, wanted.columns)]
    spreads = dict(zip(entry.features, compared.std(axis=0).tolist(), strict=True))
    notes = [
        flip_note(spreads, int(row["tied"] or 0), int(row["examined"] or 0)),
        sampled_note(entry.used, entry.rows),
    ]
    note = " ".join(text for text in notes if text) or None
    unit = 1 if test.weight is None else test.weight.unit
    return Flips(int(row["to_negative"] or 0) * unit, int(row["to_positive"] or 0) * unit, None, note)


# --- facet a: the reference ------------------------------------------------------------------------------------------


def _reference_rows(test: _Test) -> pa.Table:
    """The rows that some entry uses: row_key, draw (a hash of seed and row key), positive, x, and per facet the number
    of the entry the row is in, in ascending row keys."""
    shipped = _rows(test).where(_is_shipped(test))
    data = shipped.mapInArrow(packed, "data binary").collect()
    table = unpacked([bytes(row["data"]) for row in data])
    return table.sort_by("row_key")


def _rows(test: _Test) -> DataFrame:
    dataset = test.dataset
    positive = holds(test.predicted.positive, dataset.column(test.predicted.name))
    numbers = [sf.col(dataset.column(name).id).cast("double") for name in test.features]
    draw = sf.xxhash64(sf.lit(test.seed % 2**63).cast("bigint"), sf.col("row_key"))
    codes = [_code(test, f).alias(f"facet{f}") for f in _facets(test)]
    weight = [] if test.weight is None else [test.weight.units.alias("weight")]
    return dataset.keyed.select(
        "row_key", draw.alias("draw"), positive.alias("positive"), sf.array(*numbers).alias("x"), *codes, *weight
    )


def _facets(test: _Test) -> list[int]:
    return sorted({entry.place[0] for entry in test.entries})


def _code(test: _Test, f: int) -> Expression:
    """The number of the entry of facet ``f`` that a row is in, -1 for none: the entries of one facet are disjoint."""
    facet, column = test.roles.facets[f], test.dataset.column(test.roles.facets[f].name)
    mine = [(i, facet.entries[entry.place[1]]) for i, entry in enumerate(test.entries) if entry.place[0] == f]
    nowhere = sf.lit(-1)
    if len(mine) > FEW_ENTRIES:
        pairs = [sf.lit(part) for i, member in mine for part in ((member.values or ())[0], i)]
        return sf.coalesce(sf.create_map(*pairs)[present(column)], nowhere).cast("int")
    code = nowhere
    for i, member in mine:
        code = sf.when(holds(member, column), sf.lit(i)).otherwise(code)
    return code.cast("int")


def _is_shipped(test: _Test) -> Expression:
    """Whether an entry's sample may hold the row.

    Entries of one facet are disjoint, so all but the largest have about as many rows in facet a: they share a
    threshold, and only the largest is handled separately.
    """
    conditions = []
    for f in _facets(test):
        mine = [i for i, entry in enumerate(test.entries) if entry.place[0] == f]
        largest = min(mine, key=lambda i: test.entries[i].rows)
        outside = sf.col(f"facet{f}") != largest
        conditions.append(outside & (sf.col("draw") <= _threshold(test.entries[largest].share)))
        others = [test.entries[i].share for i in mine if i != largest]
        if others:
            conditions.append(sf.col("draw") <= _threshold(max(others)))
    found = conditions[0]
    for condition in conditions[1:]:
        found = found | condition
    return found


def _threshold(share: float) -> int:
    """The hash up to which a draw belongs to a sample of that share."""
    return 2**63 - 1 if share >= 1 else int(share * 2**64) - 2**63


def _flip_plan(test: _Test, table: pa.Table) -> FlipPlan:
    """The reference rows in order of row key, and which of them each entry uses."""
    features = _matrix(table, len(test.features))
    draw = table.column("draw").to_numpy()
    codes = {f: table.column(f"facet{f}").to_numpy() for f in _facets(test)}
    positive = table.column("positive").to_numpy().astype(bool)
    entries = {}
    for i, entry in enumerate(test.entries):
        outside = np.flatnonzero(codes[entry.place[0]] != i)
        if len(outside) > entry.used:
            smallest = np.argsort(draw[outside], kind="stable")[: entry.used]
            outside = np.sort(outside[smallest])
        entries[i] = EntryPlan(outside.astype(np.int32), _columns(test, entry), _dtype(test, entry))
    return FlipPlan(Reference(features, positive), entries)


def _matrix(table: pa.Table, width: int) -> NDArray[np.float64]:
    flat = table.column("x").combine_chunks()
    values = flat.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64).reshape(table.num_rows, width)


def _columns(test: _Test, entry: Entry) -> NDArray[np.int32]:
    return np.array([test.features.index(name) for name in entry.features], np.int32)


def _dtype(test: _Test, entry: Entry) -> str:
    """The type pandas would find for the features together: it decides how scikit-learn orders tied neighbours."""
    kinds = {test.dataset.column(name).kind for name in entry.features}
    if kinds == {"integer"}:
        return "int64"
    return "bool" if kinds == {"boolean"} else "float64"


# --- facet d: the queries --------------------------------------------------------------------------------------------


def _searched(test: _Test, plan: FlipPlan) -> DataFrame:
    """One row of results per entry and block of consecutive row keys, regardless of partitions."""
    codes = sf.array(*[sf.col(f"facet{f}") for f in _facets(test)])
    entry = sf.explode(sf.array_remove(codes, -1)).alias("entry")
    weight = [] if test.weight is None else ["weight"]
    queries = _rows(test).select(entry, "row_key", "positive", "x", *weight)
    block = sf.shiftright("row_key", BLOCK_BITS)
    placed = queries.repartition(_tasks(test), "entry", block).sortWithinPartitions("entry", "row_key")
    return placed.mapInArrow(partial(classify, plan=plan), RESULT_DDL)


def _tasks(test: _Test) -> int:
    """About as many tasks as there are blocks to search, so that the search spreads over the cluster."""
    rows = max(entry.rows for entry in test.entries)
    return max(1, min(len(test.entries) * (1 + (rows >> BLOCK_BITS)), MAX_TASKS))
