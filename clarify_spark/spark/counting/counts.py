"""How many rows fall into each cell of facet × label × prediction × stratum: one grouped count for all facets.

Intersections of facets and segments of the data are further parts of the grouping key of the same count. With a weight
column three measures are summed in place of one: weights, squared weights (both in whole units) and rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.bias.counts import Cells, FacetCounts
from clarify_spark.bias.crossed import CrossCounts
from clarify_spark.bias.performance import ClassCount
from clarify_spark.bias.segments import Segment, Segmentation, SegmentCounts
from clarify_spark.columns import ColumnProfile, Scalar
from clarify_spark.errors import DataError
from clarify_spark.spark.collect import columns_of
from clarify_spark.spark.counting.packed_keys import Part, packed_key, unpacked_keys
from clarify_spark.spark.counting.profiles import FEW_VALUES, Head, head, number, present
from clarify_spark.spark.counting.weights import Weight, weight_of

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

    from clarify_spark.bias.roles import FacetRole, LabelRole, Membership, Roles
    from clarify_spark.spark.data.datasets import Column, Dataset

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
#: Cells that one intersection may have.
MAX_CROSSED = 10_000
#: Different strata in the first rows from which on strata are reduced to patterns in Spark before they travel.
MANY_STRATA = 500

NO_CROSSED_STRATA = "CDDL and CDDPL of facet intersections are left out: the group variable has too many values."
TOTALS, INSIDE = ("t0", "t1", "t2", "t3"), ("d0", "d1", "d2", "d3")
ALL = slice(None)
Places = slice | NDArray[np.intp]
#: Sums of M measures: (rows,), or with a weight column (weights, squared weights, rows), the first two in whole units.
Sums = NDArray[np.int64]
#: Distinct strata (P, M, 2, 2, 2) and how many times each occurs (P,).
Patterns = tuple[Sums, Sums]


@dataclass(frozen=True)
class Counts:
    """Everything the bias metrics need. ``facets``: per facet role, in order, one FacetCounts per entry.

    ``crossed``: one for each intersection asked for. ``segments``: for each segmentation one for each of its segments.
    ``weight``: the weight column, with the units that its sums are counted in.
    ``nulls``: missing values per profiled column. ``classes``: rows per observed and predicted class, ascending with a
    missing value last; None for continuous labels, without predictions and beyond MAX_CLASSES classes (a note says so).
    """

    rows: int
    facets: tuple[tuple[FacetCounts, ...], ...]
    nulls: Mapping[str, int]
    classes: tuple[ClassCount, ...] | None = None
    notes: tuple[str, ...] = ()
    crossed: tuple[CrossCounts, ...] = ()
    segments: tuple[tuple[SegmentCounts, ...], ...] = ()
    weight: Weight | None = None


@dataclass(frozen=True)
class Scan:
    """One grouped pass: entries counted by a condition, facets counted by their values, intersections; all by index."""

    conditions: tuple[tuple[int, int], ...] = ()
    crossed: tuple[int, ...] = ()
    intersections: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Context:
    """What is grouped by besides facets: the classes or only the signs of label and prediction, and the stratum.

    ``cells`` is a guess of how many groups that makes, ``first`` what it is guessed from. ``wide``: so many strata that
    they travel as patterns only. ``intersections`` and ``segmentations`` as asked for, ``weight`` if rows have one.
    """

    dataset: Dataset
    roles: Roles
    by_class: bool
    wide: bool
    cells: int
    first: Head
    intersections: tuple[tuple[int, ...], ...]
    segmentations: tuple[Segmentation, ...]
    weight: Weight | None

    @property
    def measures(self) -> int:
        """M, the number of sums of a cell."""
        return 1 if self.weight is None else 3

    def measure(self, number: int, where: Expression | None = None) -> Expression:
        """The aggregate of one of the measures over the rows, or over those ``where`` it holds."""
        if self.weight is None or number == 2:
            return sf.count(sf.lit(1)) if where is None else sf.count_if(where)
        value = (self.weight.units, self.weight.square_units)[number]
        zero = sf.lit(0).cast("bigint")
        return sf.sum(value if where is None else sf.when(where, value).otherwise(zero))

    def scaled(self, sums: Sums) -> Sequence[Cells]:
        """The sums (M, …) measure by measure, those of units as numbers."""
        if self.weight is None:
            return [sums[0]]
        units = (self.weight.unit, self.weight.square_unit, 1)
        return [of_measure * unit for of_measure, unit in zip(sums, units, strict=False)]

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
    (M, N) the measures, ``inside`` (M, N, conditions), and the value of every grouping column."""

    sign: NDArray[np.int64]
    stratum: NDArray[np.int64]
    n: Sums
    inside: Sums
    keys: Mapping[str, Sequence[Any]]

    def cells(self, strata: int, sums: Sums, where: Places = ALL) -> Sums:
        """The ``sums`` (M, N) by stratum, label and prediction (M, strata, 2, 2), over the groups ``where``."""
        found = np.zeros((len(sums), strata, 2, 2), np.int64)
        sign = self.sign[where]
        for of_measure, values in zip(found, sums[:, where], strict=True):
            np.add.at(of_measure, (self.stratum[where], sign[:, 0], sign[:, 1]), values)
        return found

    def only(self, where: Places) -> _Table:
        """The groups ``where`` alone."""
        keys = {name: np.array(values, object)[where].tolist() for name, values in self.keys.items()}
        return _Table(self.sign[where], self.stratum[where], self.n[:, where], self.inside[:, where], keys)


def count(
    dataset: Dataset,
    roles: Roles,
    profiles: Mapping[str, ColumnProfile],
    intersections: Sequence[tuple[int, ...]] = (),
    segmentations: Sequence[Segmentation] = (),
) -> Counts:
    """Counts of every entry of every facet, all in one scan when the facets' values are configured.

    ``intersections``: positions of facet roles whose entries are combined. Of each of ``segmentations`` every segment
    gets counts of its own.
    """
    context = _context(dataset, roles, tuple(intersections), tuple(segmentations))
    strata: dict[Any, int] = {None: 0}
    scans = plan(roles.facets, context.cells, intersections)
    tables = [_collect(context, scan, strata) for scan in scans]
    patterns = wide_patterns(context, scans) if context.wide else {}
    classes, notes = _classes(context, tables[0])
    return Counts(
        rows=int(tables[0].n[-1].sum()),
        facets=_table_of_facets(context, scans, tables, len(strata), patterns),
        nulls={name: found.nulls for name, found in profiles.items()},
        classes=classes,
        notes=(*notes, *([NO_CROSSED_STRATA] if context.wide and intersections else [])),
        crossed=tuple(_crossed(context, scans, tables, len(strata), i) for i in range(len(intersections))),
        segments=tuple(_segments(context, scans, tables, len(strata), j) for j in range(len(segmentations))),
        weight=context.weight,
    )


def _table_of_facets(
    context: _Context,
    scans: Sequence[Scan],
    tables: Sequence[_Table],
    strata: int,
    patterns: Mapping[tuple[int, int], Patterns],
) -> tuple[tuple[FacetCounts, ...], ...]:
    total = tables[0].cells(strata, tables[0].n)
    facets: dict[tuple[int, int], FacetCounts] = {}
    for scan, table in zip(scans, tables, strict=True):
        for key, inside in _inside(context.roles, scan, table, strata):
            facets[key] = _facet_counts(context, total, inside, patterns.get(key))
    return tuple(tuple(facets[f, e] for e in range(len(facet.entries))) for f, facet in enumerate(context.roles.facets))


def _crossed(context: _Context, scans: Sequence[Scan], tables: Sequence[_Table], strata: int, i: int) -> CrossCounts:
    """The cells of intersection ``i``."""
    roles, facets = context.roles, context.intersections[i]
    table = next(table for scan, table in zip(scans, tables, strict=True) if i in scan.intersections)
    shape = tuple(len(roles.facets[f].entries) + 1 for f in facets)
    places = np.stack([_entry_of(roles.facets[f], table.keys[f"f{f}"]) for f in facets])
    cell = np.ravel_multi_index(tuple(places), shape)
    found = np.zeros((len(table.n), math.prod(shape), strata, 2, 2), np.int64)
    for of_measure, values in zip(found, table.n, strict=True):
        np.add.at(of_measure, (cell, table.stratum, table.sign[:, 0], table.sign[:, 1]), values)
    sums = context.scaled(found)
    return CrossCounts(
        facets=facets,
        shape=shape,
        cells=sums[0],
        has_predictions=roles.predicted is not None,
        grouped=roles.group is not None and not context.wide,
        squares=None if context.weight is None else sums[1],
        counted=None if context.weight is None else found[2],
    )


def _segments(
    context: _Context, scans: Sequence[Scan], tables: Sequence[_Table], strata: int, j: int
) -> tuple[SegmentCounts, ...]:
    """The counts of every segment of segmentation ``j``, the rest last."""
    segmentation = context.segmentations[j]
    found = []
    for k in range(len(segmentation.names)):
        own = []
        for table in tables:
            masks = np.array(table.keys[f"s{j}"], np.int64)
            inside = masks == 0 if k == len(segmentation.segments) else (masks >> k) & 1 == 1
            own.append(table.only(np.flatnonzero(inside)))
        patterns = {}
        if context.wide:
            only = replace(context, dataset=restricted(context.dataset, segmentation, k))
            patterns = wide_patterns(only, scans)
        facets = _table_of_facets(context, scans, own, strata, patterns)
        found.append(SegmentCounts(int(own[0].n[-1].sum()), facets))
    return tuple(found)


def restricted(dataset: Dataset, segmentation: Segmentation, k: int) -> Dataset:
    """The rows of segment ``k`` of the segmentation, the number of its segments standing for the rest."""
    mask = _mask(dataset, segmentation)
    inside = mask == 0 if k == len(segmentation.segments) else mask.bitwiseAND(sf.lit(1 << k)) != 0
    return replace(dataset, frame=dataset.frame.where(inside), keyed=dataset.keyed.where(inside))


def _mask(dataset: Dataset, segmentation: Segmentation) -> Expression:
    """The segments that a row is in, as bits: bit k for segment k."""
    column = dataset.column(segmentation.column)
    mask = sf.lit(0).cast("bigint")
    for k, segment in enumerate(segmentation.segments):
        mask = mask.bitwiseOR(sf.when(_in_segment(segment, column), sf.lit(1 << k)).otherwise(sf.lit(0)).cast("bigint"))
    return mask


def _in_segment(segment: Segment, column: Column) -> Expression:
    """Whether the row's value is in the segment; a missing value is in none."""
    inside = present(column).isin(list(segment.values)) if segment.values else sf.lit(False)
    for span in segment.spans:
        value = number(column).cast("double")
        low, high = sf.lit(span.low), sf.lit(span.high)
        above = value >= low if span.low_included else value > low
        below = value <= high if span.high_included else value < high
        inside = inside | (above & below)
    return sf.coalesce(inside, sf.lit(False))


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


def plan(facets: Sequence[FacetRole], context_cells: int, intersections: Sequence[tuple[int, ...]] = ()) -> list[Scan]:
    """The passes needed: conditions at most MAX_CONDITIONS a pass, values crossed while the guessed cells stay few.

    A facet that is part of an intersection is counted where that is.
    """
    sizes = {f"x{i}": math.prod(len(facets[f].entries) + 1 for f in crossed) for i, crossed in enumerate(intersections)}
    covered = {f for crossed in intersections for f in crossed}
    sizes |= {str(f): len(facet.entries) + 1 for f, facet in enumerate(facets) if _by_value(facet) and f not in covered}
    conditions = [
        (f, e)
        for f, facet in enumerate(facets)
        if f not in covered and not _by_value(facet)
        for e in range(len(facet.entries))
    ]
    groups = bundles(sizes, max(MAX_CELLS // context_cells, 1))
    shares = [tuple(conditions[i : i + MAX_CONDITIONS]) for i in range(0, len(conditions), MAX_CONDITIONS)]
    passes = max(len(groups), len(shares), 1)
    scans = []
    for share, names in zip(_padded(shares, passes), _padded(groups, passes), strict=True):
        here = tuple(int(name[1:]) for name in names if name.startswith("x"))
        mine = [int(name) for name in names if not name.startswith("x")]
        mine += [f for i in here for f in intersections[i] if f in covered]
        covered -= set(mine)
        scans.append(Scan(tuple(share), tuple(dict.fromkeys(mine)), here))
    return scans


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


def _padded(parts: Sequence[Sequence[Any]], length: int) -> list[Sequence[Any]]:
    return [*parts, *[()] * (length - len(parts))]


def _by_value(facet: FacetRole) -> bool:
    """Whether one value of the column says which entry a row is in, and conditions would be many."""
    return _tells_entry(facet) and len(facet.entries) > FEW_ENTRIES


def _tells_entry(facet: FacetRole) -> bool:
    """Whether a value of the facet's column is in the one entry of that value."""
    return facet.listed and all(entry.interval is None and len(entry.values or ()) <= 1 for entry in facet.entries)


def _is_missing(value: Scalar | None) -> bool:
    return value is None or value != value


def _context(
    dataset: Dataset,
    roles: Roles,
    intersections: tuple[tuple[int, ...], ...],
    segmentations: tuple[Segmentation, ...],
) -> _Context:
    _require_few_cells(roles, intersections)
    weight = None if roles.weight is None else weight_of(dataset, roles.weight)
    outcomes = [role for role in (roles.label, roles.predicted) if role is not None]
    names = dict.fromkeys([role.name for role in outcomes] + ([roles.group] if roles.group is not None else []))
    first = head(dataset, [dataset.column(name) for name in names])
    classes = math.prod(first.distinct(role.name) for role in outcomes)
    strata = 1 if roles.group is None else first.distinct(roles.group)
    wide = strata > MANY_STRATA and weight is None
    categorical = all(role.type == "categorical" for role in outcomes)
    by_class = categorical and classes * (1 if wide else strata) <= MAX_CONTEXT
    cells = (classes if by_class else 2 ** len(outcomes)) * (1 if wide else strata)
    cells *= math.prod(len(segmentation.names) for segmentation in segmentations)
    return _Context(dataset, roles, by_class, wide, cells, first, intersections, segmentations, weight)


def _require_few_cells(roles: Roles, intersections: Sequence[tuple[int, ...]]) -> None:
    for crossed in intersections:
        cells = math.prod(len(roles.facets[f].entries) + 1 for f in crossed)
        if cells > MAX_CROSSED:
            names = " × ".join(repr(roles.facets[f].name) for f in crossed)
            raise DataError(
                f"the facet intersection {names} has {cells:,} combinations of values; at most {MAX_CROSSED:,} are "
                "counted. Name the values of interest in value_or_threshold of these facets, or take one facet less."
            )


def _collect(context: _Context, scan: Scan, strata: dict[Any, int]) -> _Table:
    """One grouped count on the driver; ``strata`` numbers the strata met so far and grows."""
    roles, dataset = context.roles, context.dataset
    outcomes = {"label": roles.label} | ({} if roles.predicted is None else {"predicted": roles.predicted})
    parts = {name: context.outcome(role) for name, role in outcomes.items()}
    here = dict.fromkeys((*scan.crossed, *(f for i in scan.intersections for f in context.intersections[i])))
    parts |= {f"f{f}": _facet_part(dataset, roles.facets[f]) for f in here}
    parts |= {f"s{j}": _segment_part(dataset, one) for j, one in enumerate(context.segmentations)}
    conditions = [
        context.measure(m, holds(roles.facets[f].entries[e], dataset.column(roles.facets[f].name))).alias(f"d{m}_{i}")
        for m in range(context.measures)
        for i, (f, e) in enumerate(scan.conditions)
    ]
    keys = [packed_key(parts).alias("key")]
    if roles.group is not None and not context.wide:
        group = present(dataset.column(roles.group))
        keys.append(sf.when(group.isNotNull(), sf.xxhash64(group)).alias("stratum"))
    counted = [context.measure(m).alias(f"n{m}") for m in range(context.measures)]
    found = columns_of(dataset.frame.groupBy(*keys).agg(*counted, *conditions))
    n = np.array([found[f"n{m}"] for m in range(context.measures)], np.int64)
    stratum = [strata.setdefault(value, len(strata)) for value in found.get("stratum", [None] * n.shape[1])]
    values = unpacked_keys(dataset.frame, parts, np.array(found["key"], np.int64))
    signs = [[context.is_positive(role, value) for value in values[name]] for name, role in outcomes.items()]
    if roles.predicted is None:
        signs.append([False] * n.shape[1])
    inside = [[found[f"d{m}_{i}"] for i in range(len(scan.conditions))] for m in range(context.measures)]
    return _Table(
        sign=np.array(signs, np.int64).T.reshape(-1, 2),
        stratum=np.array(stratum, np.int64),
        n=n,
        inside=np.array(inside, np.int64).reshape(len(n), len(scan.conditions), n.shape[1]).transpose(0, 2, 1),
        keys=values,
    )


def _facet_part(dataset: Dataset, facet: FacetRole) -> Part:
    """The facet's value where that tells the entry, else the number of the entry, one more for rows in none."""
    column = dataset.column(facet.name)
    if _tells_entry(facet):
        values = [value for entry in facet.entries for value in entry.values or ()]
        return Part(present(column), (*values, None))
    number_of_entry = sf.lit(len(facet.entries))
    for e, entry in enumerate(facet.entries):
        number_of_entry = sf.when(holds(entry, column), sf.lit(e)).otherwise(number_of_entry)
    return Part(number_of_entry, tuple(range(len(facet.entries) + 1)))


def _segment_part(dataset: Dataset, segmentation: Segmentation) -> Part:
    """The row's segments as bits; rows in several are looked up like any unexpected value."""
    return Part(_mask(dataset, segmentation), (0, *(1 << k for k in range(len(segmentation.segments)))))


def _entry_of(facet: FacetRole, values: Sequence[Any]) -> NDArray[np.int64]:
    """The number of the entry that each of the values of ``_facet_part`` stands for, one more for none."""
    if not _tells_entry(facet):
        return np.array(values, np.int64)
    place = {value: e for e, entry in enumerate(facet.entries) for value in entry.values or ()}
    return np.array([place.get(value, len(facet.entries)) for value in values], np.int64)


def _inside(roles: Roles, scan: Scan, table: _Table, strata: int) -> Iterator[tuple[tuple[int, int], Sums]]:
    """For each entry of a scan the sums of its facet d (M, strata, 2, 2)."""
    for i, key in enumerate(scan.conditions):
        yield key, table.cells(strata, table.inside[:, :, i])
    for f in scan.crossed:
        entries = roles.facets[f].entries
        entry_of = _entry_of(roles.facets[f], table.keys[f"f{f}"])
        order = np.argsort(entry_of, kind="stable")
        ends = np.searchsorted(entry_of[order], np.arange(len(entries) + 1))
        for e in range(len(entries)):
            yield (f, e), table.cells(strata, table.n, order[ends[e] : ends[e + 1]])


def _facet_counts(context: _Context, total: Sums, inside: Sums, patterns: Patterns | None) -> FacetCounts:
    """Counts of one entry from (M, strata, 2, 2) totals and facet d; stratum 0 holds the rows without a group."""
    sums = np.stack([total - inside, inside], axis=2)
    if patterns is None and context.roles.group is not None:
        by_stratum = sums[:, 1:].transpose(1, 0, 2, 3, 4)
        patterns = distinct_patterns(by_stratum.reshape(-1, 8 * len(sums)), np.ones(len(by_stratum), np.int64))
    cells, weighted = sums.sum(axis=1), context.weight is not None
    scaled = context.scaled(cells)
    strata = None if patterns is None else context.scaled(patterns[0].transpose(1, 0, 2, 3, 4))
    return FacetCounts(
        cells=scaled[0],
        has_predictions=context.roles.predicted is not None,
        strata=None if strata is None else strata[0],
        repeats=None if patterns is None else patterns[1],
        squares=scaled[1] if weighted else None,
        strata_squares=strata[1] if weighted and strata is not None else None,
        counted=cells[2] if weighted else None,
    )


def distinct_patterns(strata: Sums, repeats: Sums) -> Patterns:
    """Equal rows of ``strata`` (G, 8 M) counted together, in ascending order: the same whatever way they were found."""
    found, place = np.unique(strata, axis=0, return_inverse=True)
    counted = np.zeros(len(found), np.int64)
    np.add.at(counted, place.reshape(-1), repeats)
    keep = (counted > 0) & (found.sum(axis=1) > 0)
    return found[keep].reshape(-1, strata.shape[1] // 8, 2, 2, 2), counted[keep]


def wide_patterns(context: _Context, scans: Sequence[Scan]) -> dict[tuple[int, int], Patterns]:
    """Patterns of each entry when strata are many: equal strata are counted together before they travel."""
    found: dict[tuple[int, int], Patterns] = {}
    for scan in scans:
        by_value = [f for f in scan.crossed if _tells_entry(context.roles.facets[f])]
        others = [
            (f, e) for f in scan.crossed if f not in by_value for e in range(len(context.roles.facets[f].entries))
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


def _entry_patterns(own: Sums, every: Sums) -> Patterns:
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
        return _class_counts(table.keys["label"], table.keys["predicted"], context.scaled(table.n)[0])
    keys = [present(context.dataset.column(role.name)).alias(key) for role, key in ((label, "l"), (predicted, "p"))]
    grouped = context.dataset.frame.groupBy(*keys).agg(context.measure(0).alias("n"))
    found = columns_of(grouped.limit(MAX_CLASS_CELLS + 1))
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
