"""The grouped passes over the data: what each counts, and its groups on the driver."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import functions as sf

from clarify_spark.bias.counts import Cells
from clarify_spark.bias.segments import Segmentation
from clarify_spark.columns import Scalar
from clarify_spark.errors import DataError
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.counting.packed_keys import KeyPart, packed_key, unpacked_keys
from clarify_spark.spark.counting.predicates import holds
from clarify_spark.spark.counting.profiles import FEW_VALUES, Head, head, present
from clarify_spark.spark.counting.sample_weights import WeightColumn, weight_column
from clarify_spark.spark.counting.segments import segment_part

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

    from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
    from clarify_spark.spark.data.datasets import Dataset

#: Cells of an intersection's count that one grouped pass may hold (Spark's fast hash map has 65,536 places).
MAX_CELLS = 50_000
#: Conditional counts in one pass; beyond about ten the generated code grows faster than another pass costs.
MAX_CONDITIONS = 10
#: A facet with at most this many entries is counted by conditions, others by crossing their values.
FEW_ENTRIES = 3
#: Classes of label × prediction × strata up to which classes stay apart in the main count.
MAX_CONTEXT = 4_096
#: Cells that one intersection may have.
MAX_CROSSED = 10_000
#: With this many distinct strata in the first rows, strata are reduced to patterns in Spark before collection.
MANY_STRATA = 500
ALL = slice(None)
Places = slice | NDArray[np.intp]
#: Sums of M measures: (rows,), or with a weight column (weights, squared weights, rows), the first two in whole units.
Sums = NDArray[np.int64]


@dataclass(frozen=True)
class Scan:
    """One grouped pass: entries counted by a condition, facets counted by their values, intersections; all by index."""

    conditions: tuple[tuple[int, int], ...] = ()
    by_value: tuple[int, ...] = ()
    intersections: tuple[int, ...] = ()


@dataclass(frozen=True)
class ScanContext:
    """What rows are grouped by apart from facets: classes or only signs of label and prediction, and the stratum.

    ``cells`` is a guess of how many groups that makes, ``first`` what it is guessed from. ``wide``: so many strata that
    they are collected as patterns only. ``intersections`` and ``segmentations`` as requested, ``weight`` if any.
    """

    dataset: Dataset
    roles: Roles
    by_class: bool
    wide: bool
    cells: int
    first: Head
    intersections: tuple[tuple[int, ...], ...]
    segmentations: tuple[Segmentation, ...]
    weight: WeightColumn | None

    @property
    def outcomes(self) -> dict[str, LabelRole]:
        """The label and, with predictions, the prediction, by the names of their parts of the grouping key."""
        predicted = self.roles.predicted
        return {"label": self.roles.label} | ({} if predicted is None else {"predicted": predicted})

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

    def outcome(self, role: LabelRole) -> KeyPart:
        """The label or prediction as a part of the grouping key: its class, or only whether it is positive."""
        column = self.dataset.column(role.name)
        if self.by_class:
            return KeyPart(present(column), (*sorted(self.first.values[role.name]), None))
        return KeyPart(holds(role.positive, column), (False, True))

    def is_positive(self, role: LabelRole, value: Scalar | None) -> bool:
        """Whether a value of that part of the key is positive."""
        return value in (role.positive.values or ()) if self.by_class else value is True


@dataclass(frozen=True)
class GroupedCounts:
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

    def only(self, where: Places) -> GroupedCounts:
        """The groups ``where`` alone."""
        keys = {name: np.array(values, object)[where].tolist() for name, values in self.keys.items()}
        return GroupedCounts(self.sign[where], self.stratum[where], self.n[:, where], self.inside[:, where], keys)


def context_of(
    dataset: Dataset,
    roles: Roles,
    intersections: tuple[tuple[int, ...], ...],
    segmentations: tuple[Segmentation, ...],
) -> ScanContext:
    """What the passes have in common, from the first rows; DataError for an intersection of too many cells."""
    _require_few_cells(roles, intersections)
    weight = None if roles.weight is None else weight_column(dataset, roles.weight)
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
    return ScanContext(dataset, roles, by_class, wide, cells, first, intersections, segmentations, weight)


def _require_few_cells(roles: Roles, intersections: Sequence[tuple[int, ...]]) -> None:
    for intersection in intersections:
        cells = math.prod(len(roles.facets[f].entries) + 1 for f in intersection)
        if cells > MAX_CROSSED:
            names = " × ".join(repr(roles.facets[f].name) for f in intersection)
            raise DataError(
                f"the facet intersection {names} has {cells:,} combinations of values; at most {MAX_CROSSED:,} are "
                "counted. Name the values of interest in value_or_threshold of these facets, or use one facet fewer."
            )


def plan(facets: Sequence[FacetRole], context_cells: int, intersections: Sequence[tuple[int, ...]] = ()) -> list[Scan]:
    """The passes needed: conditions at most MAX_CONDITIONS a pass, values crossed while few cells are expected.

    A facet that is part of an intersection is counted together with it.
    """
    sizes = {
        f"x{i}": math.prod(len(facets[f].entries) + 1 for f in intersection)
        for i, intersection in enumerate(intersections)
    }
    covered = {f for intersection in intersections for f in intersection}
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
    """Whether one value of the column determines a row's entry, and there would be many conditions."""
    return determines_entry(facet) and len(facet.entries) > FEW_ENTRIES


def determines_entry(facet: FacetRole) -> bool:
    """Whether a value of the facet's column is in the one entry of that value."""
    return facet.listed and all(entry.interval is None and len(entry.values or ()) <= 1 for entry in facet.entries)


def collect(context: ScanContext, scan: Scan, strata: dict[Any, int]) -> GroupedCounts:
    """The groups of one pass, on the driver; ``strata`` numbers the strata met so far and grows."""
    parts = _parts(context, scan)
    found = collected_columns(_grouped(context, scan, parts))
    n = np.array([found[f"n{m}"] for m in range(context.measures)], np.int64)
    stratum = [strata.setdefault(value, len(strata)) for value in found.get("stratum", [None] * n.shape[1])]
    values = unpacked_keys(context.dataset.frame, parts, np.array(found["key"], np.int64))
    inside = [[found[f"d{m}_{i}"] for i in range(len(scan.conditions))] for m in range(context.measures)]
    return GroupedCounts(
        sign=_signs(context, values, n.shape[1]),
        stratum=np.array(stratum, np.int64),
        n=n,
        inside=np.array(inside, np.int64).reshape(len(n), len(scan.conditions), n.shape[1]).transpose(0, 2, 1),
        keys=values,
    )


def _parts(context: ScanContext, scan: Scan) -> dict[str, KeyPart]:
    """What the rows are grouped by, but for the stratum."""
    parts = {name: context.outcome(role) for name, role in context.outcomes.items()}
    here = dict.fromkeys((*scan.by_value, *(f for i in scan.intersections for f in context.intersections[i])))
    parts |= {f"f{f}": _facet_part(context.dataset, context.roles.facets[f]) for f in here}
    return parts | {f"s{j}": segment_part(context.dataset, one) for j, one in enumerate(context.segmentations)}


def _grouped(context: ScanContext, scan: Scan, parts: Mapping[str, KeyPart]) -> DataFrame:
    """One row per group: its key and stratum, its measures n, and those of the rows inside each condition, d."""
    roles, dataset = context.roles, context.dataset
    keys = [packed_key(parts).alias("key")]
    if roles.group is not None and not context.wide:
        group = present(dataset.column(roles.group))
        keys.append(sf.when(group.isNotNull(), sf.xxhash64(group)).alias("stratum"))
    counted = [context.measure(m).alias(f"n{m}") for m in range(context.measures)]
    conditions = [
        context.measure(m, holds(roles.facets[f].entries[e], dataset.column(roles.facets[f].name))).alias(f"d{m}_{i}")
        for m in range(context.measures)
        for i, (f, e) in enumerate(scan.conditions)
    ]
    return dataset.frame.groupBy(*keys).agg(*counted, *conditions)


def _signs(context: ScanContext, values: Mapping[str, Sequence[Any]], groups: int) -> NDArray[np.int64]:
    """Whether label and prediction are positive (groups, 2); without predictions none is."""
    signs = [[context.is_positive(role, value) for value in values[name]] for name, role in context.outcomes.items()]
    if context.roles.predicted is None:
        signs.append([False] * groups)
    return np.array(signs, np.int64).T.reshape(-1, 2)


def _facet_part(dataset: Dataset, facet: FacetRole) -> KeyPart:
    """The facet's value where that determines the entry, else the number of the entry, one more for rows in none."""
    column = dataset.column(facet.name)
    if determines_entry(facet):
        values = [value for entry in facet.entries for value in entry.values or ()]
        return KeyPart(present(column), (*values, None))
    number_of_entry = sf.lit(len(facet.entries))
    for e, entry in enumerate(facet.entries):
        number_of_entry = sf.when(holds(entry, column), sf.lit(e)).otherwise(number_of_entry)
    return KeyPart(number_of_entry, tuple(range(len(facet.entries) + 1)))


def entry_of(facet: FacetRole, values: Sequence[Any]) -> NDArray[np.int64]:
    """The number of the entry that each of the values of ``_facet_part`` denotes, one more for none."""
    if not determines_entry(facet):
        return np.array(values, np.int64)
    place = {value: e for e, entry in enumerate(facet.entries) for value in entry.values or ()}
    return np.array([place.get(value, len(facet.entries)) for value in values], np.int64)
