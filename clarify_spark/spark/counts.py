"""How many rows fall into each cell of facet × label × prediction × stratum: one grouped count for all facets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.bias.counts import Cells, FacetCounts
from clarify_spark.bias.performance import ClassCount
from clarify_spark.columns import ColumnProfile, Scalar
from clarify_spark.spark.keys import Part, columns_of, packed_key, unpacked_keys
from clarify_spark.spark.profiles import FEW_VALUES, Head, head, number, present

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

    from clarify_spark.bias.roles import FacetRole, LabelRole, Membership, Roles
    from clarify_spark.spark.datasets import Column, Dataset

#: Cells of a crossed count that one grouped pass may hold (Spark's fast hash map has 65,536 places).
MAX_CELLS = 50_000
#: Conditional counts in one pass; beyond about ten the generated code grows faster than another pass costs.
MAX_CONDITIONS = 10
#: A facet with at most this many entries is counted by conditions, others by crossing their values.
FEW_ENTRIES = 3
#: Classes of label × prediction × strata up to which classes stay apart in the main count.
MAX_CONTEXT = 4_096
#: Classes beyond which no confusion matrix of classes is made.
MAX_CLASSES = 1_000
#: Cells of observed × predicted class that may travel.
MAX_CLASS_CELLS = MAX_CLASSES * MAX_CLASSES
#: Different strata in the first rows from which on strata are reduced to patterns in Spark before they travel.
MANY_STRATA = 500

TOTALS, INSIDE = ("t0", "t1", "t2", "t3"), ("d0", "d1", "d2", "d3")
ALL = slice(None)
#: Distinct strata (P, 2, 2, 2) and how many times each occurs (P,).
Patterns = tuple[Cells, Cells]


@dataclass(frozen=True)
class Counts:
    """Everything the bias metrics need. ``facets``: per facet role, in order, one FacetCounts per entry.

    ``nulls``: missing values per profiled column. ``classes``: rows per observed and predicted class, ascending with a
    missing value last; None for continuous labels, without predictions and beyond MAX_CLASSES classes (a note says so).
    """

    rows: int
    facets: tuple[tuple[FacetCounts, ...], ...]
    nulls: Mapping[str, int]
    classes: tuple[ClassCount, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """One grouped pass: entries counted by a condition and facets counted by their values, all by index."""

    conditions: tuple[tuple[int, int], ...] = ()
    crossed: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Context:
    """What is grouped by besides facets: the classes or only the signs of label and prediction, and the stratum.

    ``cells`` is a guess of how many groups that makes, ``first`` what it is guessed from. ``wide``: so many strata that
    they travel as patterns only.
    """

    dataset: Dataset
    roles: Roles
    by_class: bool
    wide: bool
    cells: int
    first: Head

    def outcome(self, role: LabelRole) -> Part:
        """The label or prediction as a part of the grouping key: its class, or only whether it is positive."""
        column = self.dataset.column(role.name)
        if self.by_class:
            return Part(present(column), (*sorted(self.first.values[role.name]), None))
        return Part(holds(role.positive, column), (False, True))

    def is_positive(self, role: LabelRole, value: Scalar | None) -> bool:
        """Whether a value of that part of the key is positive."""
        return value in (role.positive.values or ()) if self.by_class else value is True


@dataclass(frozen=True)
class _Table:
    """The collected groups of one scan: ``sign`` (N, 2) of label and prediction, ``stratum`` (N,) as an index, ``n``
    (N,) rows, ``inside`` (N, conditions), and the value of every grouping column."""

    sign: NDArray[np.int64]
    stratum: NDArray[np.int64]
    n: Cells
    inside: Cells
    keys: Mapping[str, Sequence[Any]]

    def cells(self, strata: int, weights: Cells, where: slice | NDArray[np.intp] = ALL) -> Cells:
        """Sums of ``weights`` (N,) by stratum, label and prediction (strata, 2, 2), over the groups ``where``."""
        found = np.zeros((strata, 2, 2), np.int64)
        sign = self.sign[where]
        np.add.at(found, (self.stratum[where], sign[:, 0], sign[:, 1]), weights[where])
        return found


def count(dataset: Dataset, roles: Roles, profiles: Mapping[str, ColumnProfile]) -> Counts:
    """Counts of every entry of every facet, all in one scan when the facets' values are configured."""
    context = _context(dataset, roles)
    strata: dict[Any, int] = {None: 0}
    scans = plan(roles.facets, context.cells)
    tables = [_collect(context, scan, strata) for scan in scans]
    total = tables[0].cells(len(strata), tables[0].n)
    patterns = wide_patterns(context, scans) if context.wide else {}
    facets: dict[tuple[int, int], FacetCounts] = {}
    for scan, table in zip(scans, tables, strict=True):
        for key, inside in _inside(roles, scan, table, len(strata)):
            facets[key] = _facet_counts(roles, total, inside, patterns.get(key))
    classes, notes = _classes(context, tables[0])
    return Counts(
        rows=int(total.sum()),
        facets=tuple(tuple(facets[f, e] for e in range(len(facet.entries))) for f, facet in enumerate(roles.facets)),
        nulls={name: found.nulls for name, found in profiles.items()},
        classes=classes,
        notes=notes,
    )


def holds(membership: Membership, column: Column, name: str = "") -> Expression:
    """Whether the row belongs: never null, a missing value belongs nowhere."""
    if membership.interval is not None:
        low, high = membership.interval
        value = number(column, name).cast("double")
        return sf.coalesce((value > sf.lit(float(low))) & (value <= sf.lit(float(high))), sf.lit(False))
    values = [value for value in membership.values or () if not _is_missing(value)]
    if not values:
        return sf.lit(False)
    return sf.coalesce(present(column, name).isin(values), sf.lit(False))


def plan(facets: Sequence[FacetRole], context_cells: int) -> list[Scan]:
    """The passes needed: conditions at most MAX_CONDITIONS a pass, values crossed while the guessed cells stay few."""
    crossed = {str(f): len(facet.entries) + 1 for f, facet in enumerate(facets) if _by_value(facet)}
    conditions = [(f, e) for f, facet in enumerate(facets) if str(f) not in crossed for e in range(len(facet.entries))]
    groups = [tuple(int(f) for f in names) for names in bundles(crossed, max(MAX_CELLS // context_cells, 1))]
    shares = [tuple(conditions[i : i + MAX_CONDITIONS]) for i in range(0, len(conditions), MAX_CONDITIONS)]
    passes = max(len(groups), len(shares), 1)
    return [Scan(share, group) for share, group in zip(_padded(shares, passes), _padded(groups, passes), strict=True)]


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


def _padded(parts: Sequence[tuple[Any, ...]], length: int) -> list[tuple[Any, ...]]:
    return [*parts, *[()] * (length - len(parts))]


def _by_value(facet: FacetRole) -> bool:
    """Whether one value of the column says which entry a row is in, and conditions would be many."""
    single = all(entry.interval is None and len(entry.values or ()) <= 1 for entry in facet.entries)
    return single and len(facet.entries) > FEW_ENTRIES


def _is_missing(value: Scalar | None) -> bool:
    return value is None or value != value


def _context(dataset: Dataset, roles: Roles) -> _Context:
    outcomes = [role for role in (roles.label, roles.predicted) if role is not None]
    names = dict.fromkeys([role.name for role in outcomes] + ([roles.group] if roles.group is not None else []))
    first = head(dataset, [dataset.column(name) for name in names])
    classes = math.prod(first.distinct(role.name) for role in outcomes)
    strata = 1 if roles.group is None else first.distinct(roles.group)
    wide = strata > MANY_STRATA
    categorical = all(role.type == "categorical" for role in outcomes)
    by_class = categorical and classes * (1 if wide else strata) <= MAX_CONTEXT
    cells = (classes if by_class else 2 ** len(outcomes)) * (1 if wide else strata)
    return _Context(dataset, roles, by_class, wide, cells, first)


def _collect(context: _Context, scan: Scan, strata: dict[Any, int]) -> _Table:
    """One grouped count on the driver; ``strata`` numbers the strata met so far and grows."""
    roles, dataset = context.roles, context.dataset
    outcomes = {"label": roles.label} | ({} if roles.predicted is None else {"predicted": roles.predicted})
    parts = {name: context.outcome(role) for name, role in outcomes.items()}
    parts |= {f"f{f}": _facet_part(dataset, roles.facets[f]) for f in scan.crossed}
    conditions = [_condition(dataset, roles, key).alias(f"d{i}") for i, key in enumerate(scan.conditions)]
    keys = [packed_key(parts).alias("key")]
    if roles.group is not None and not context.wide:
        group = present(dataset.column(roles.group))
        keys.append(sf.when(group.isNotNull(), sf.xxhash64(group)).alias("stratum"))
    found = columns_of(dataset.frame.groupBy(*keys).agg(sf.count(sf.lit(1)).alias("n"), *conditions))
    n = np.array(found["n"], np.int64)
    stratum = [strata.setdefault(value, len(strata)) for value in found.get("stratum", [None] * len(n))]
    values = unpacked_keys(dataset.frame, parts, np.array(found["key"], np.int64))
    signs = [[context.is_positive(role, value) for value in values[name]] for name, role in outcomes.items()]
    if roles.predicted is None:
        signs.append([False] * len(n))
    return _Table(
        sign=np.array(signs, np.int64).T.reshape(-1, 2),
        stratum=np.array(stratum, np.int64),
        n=n,
        inside=np.array([found[f"d{i}"] for i in range(len(conditions))], np.int64).reshape(len(conditions), len(n)).T,
        keys=values,
    )


def _facet_part(dataset: Dataset, facet: FacetRole) -> Part:
    values = [value for entry in facet.entries for value in entry.values or ()]
    return Part(present(dataset.column(facet.name)), (*values, None))


def _condition(dataset: Dataset, roles: Roles, key: tuple[int, int]) -> Expression:
    facet = roles.facets[key[0]]
    return sf.count_if(holds(facet.entries[key[1]], dataset.column(facet.name)))


def _inside(roles: Roles, scan: Scan, table: _Table, strata: int) -> Iterator[tuple[tuple[int, int], Cells]]:
    """For each entry of a scan the counts of its facet d (strata, 2, 2)."""
    for i, key in enumerate(scan.conditions):
        yield key, table.cells(strata, table.inside[:, i])
    for f in scan.crossed:
        entries = roles.facets[f].entries
        place = {value: e for e, entry in enumerate(entries) for value in entry.values or ()}
        entry_of = np.array([place.get(value, len(entries)) for value in table.keys[f"f{f}"]], np.int64)
        order = np.argsort(entry_of, kind="stable")
        ends = np.searchsorted(entry_of[order], np.arange(len(entries) + 1))
        for e in range(len(entries)):
            yield (f, e), table.cells(strata, table.n, order[ends[e] : ends[e + 1]])


def _facet_counts(roles: Roles, total: Cells, inside: Cells, patterns: Patterns | None) -> FacetCounts:
    """Counts of one entry from (strata, 2, 2) totals and facet d; stratum 0 holds the rows without a group."""
    cells = np.stack([total - inside, inside], axis=1)
    if patterns is None and roles.group is not None:
        patterns = distinct_patterns(cells[1:].reshape(-1, 8), np.ones(len(cells) - 1, np.int64))
    return FacetCounts(
        cells=cells.sum(axis=0),
        has_predictions=roles.predicted is not None,
        strata=None if patterns is None else patterns[0],
        repeats=None if patterns is None else patterns[1],
    )


def distinct_patterns(strata: Cells, repeats: Cells) -> Patterns:
    """Equal rows of ``strata`` (G, 8) counted together, in ascending order: the same whatever way they were found."""
    found, place = np.unique(strata.reshape(-1, 8), axis=0, return_inverse=True)
    counted = np.zeros(len(found), np.int64)
    np.add.at(counted, place.reshape(-1), repeats)
    keep = (counted > 0) & (found.sum(axis=1) > 0)
    return found[keep].reshape(-1, 2, 2, 2), counted[keep]


def wide_patterns(context: _Context, scans: Sequence[Scan]) -> dict[tuple[int, int], Patterns]:
    """Patterns of each entry when strata are many: equal strata are counted together before they travel."""
    found: dict[tuple[int, int], Patterns] = {}
    for scan in scans:
        if scan.conditions:
            found |= _of_rows(_condition_patterns(context, scan.conditions), dict(enumerate(scan.conditions)))
        for f in scan.crossed:
            entries = context.roles.facets[f].entries
            keys = {value: (f, e) for e, entry in enumerate(entries) for value in entry.values or ()}
            empty = {object(): (f, e) for e, entry in enumerate(entries) if not entry.values}
            found |= _of_rows(_value_patterns(context, f), {**keys, **empty})
    return found


def _by_stratum(context: _Context, *more: Expression) -> tuple[DataFrame, list[Expression]]:
    """The rows that have a group, and the grouping expressions (``stratum``, ``cell`` 0 to 3, ``more``)."""
    roles, dataset = context.roles, context.dataset
    group = present(dataset.column(roles.group or ""))
    cell = 2 * holds(roles.label.positive, dataset.column(roles.label.name)).cast("int")
    if roles.predicted is not None:
        cell = cell + holds(roles.predicted.positive, dataset.column(roles.predicted.name)).cast("int")
    return dataset.frame.where(group.isNotNull()), [group.alias("stratum"), cell.alias("cell"), *more]


def _condition_patterns(context: _Context, conditions: Sequence[tuple[int, int]]) -> DataFrame:
    """Columns t0 … t3 (stratum), d0 … d3 (its facet d), key (which condition), whole, count."""
    rows, keys = _by_stratum(context)
    counted = [_condition(context.dataset, context.roles, key).alias(f"c{i}") for i, key in enumerate(conditions)]
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


def _value_patterns(context: _Context, f: int) -> DataFrame:
    """As above with the facet's value as key; rows with ``whole`` count every stratum once, under no key."""
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
    found = columns_of(patterns)
    table = np.array([found[name] for name in (*TOTALS, *INSIDE, "count")], np.int64).T.reshape(-1, 9)
    whole = np.array(found["whole"], bool)
    place = {key: i for i, key in enumerate(keys)}
    of_key = np.array([place.get(key, -1) for key in found["key"]], np.int64)
    every = table[whole]
    return {entry: _entry_patterns(table[(of_key == i) & ~whole], every) for i, entry in enumerate(keys.values())}


def _entry_patterns(own: Cells, every: Cells) -> Patterns:
    """``own`` (N, 9): totals, facet d, repeats; ``every``: all strata, of which own ones are taken off."""
    absent = own.copy()
    absent[:, 4:8], absent[:, 8] = 0, -own[:, 8]
    rows = np.concatenate([own, every, absent]) if len(every) else own
    return distinct_patterns(np.hstack([rows[:, :4] - rows[:, 4:8], rows[:, 4:8]]), rows[:, 8])


def _classes(context: _Context, table: _Table) -> tuple[tuple[ClassCount, ...] | None, tuple[str, ...]]:
    """Observed × predicted classes, from the main count when it kept them apart."""
    label, predicted = context.roles.label, context.roles.predicted
    if predicted is None or predicted.error is not None or label.type != "categorical":
        return None, ()
    if context.by_class:
        return _class_counts(table.keys["label"], table.keys["predicted"], table.n)
    keys = [present(context.dataset.column(role.name)).alias(key) for role, key in ((label, "l"), (predicted, "p"))]
    grouped = context.dataset.frame.groupBy(*keys).agg(sf.count(sf.lit(1)).alias("n"))
    found = columns_of(grouped.limit(MAX_CLASS_CELLS + 1))
    return _class_counts(found["l"], found["p"], np.array(found["n"], np.int64))


def _class_counts(
    labels: Sequence[Any], predicted: Sequence[Any], n: Cells
) -> tuple[tuple[ClassCount, ...] | None, tuple[str, ...]]:
    rows, columns = _places(labels), _places(predicted)
    if max(len(rows), len(columns)) > MAX_CLASSES or len(n) > MAX_CLASS_CELLS:
        note = f"The confusion matrix of classes is left out: there are more than {MAX_CLASSES:,} classes."
        return None, (note,)
    cells: dict[tuple[Any, Any], int] = {}
    for label, prediction, rows_here in zip(labels, predicted, n.tolist(), strict=True):
        cells[label, prediction] = cells.get((label, prediction), 0) + rows_here
    order = sorted(cells, key=lambda cell: (rows[cell[0]], columns[cell[1]]))
    return tuple((label, prediction, cells[label, prediction]) for label, prediction in order), ()


def _places(values: Sequence[Any]) -> dict[Any, int]:
    """Places of the distinct values: ascending, a missing value last."""
    distinct = sorted({value for value in values if value is not None})
    return {value: i for i, value in enumerate([*distinct, None])}
