"""How many rows fall into each cell of facet × label × prediction × stratum: one grouped count for all facets.

Intersections of facets and segments of the data are further parts of the grouping key of the same count. With a weight
column three measures are summed instead of one: weights, squared weights (both in whole units) and rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.intersections import IntersectionCounts
from clarify_spark.bias.performance import ClassCount
from clarify_spark.bias.segments import Segmentation, SegmentCounts
from clarify_spark.columns import ColumnProfile
from clarify_spark.spark.counting.classes import classes_of
from clarify_spark.spark.counting.sample_weights import WeightColumn
from clarify_spark.spark.counting.scans import (
    GroupedCounts,
    Scan,
    ScanContext,
    Sums,
    collect,
    context_of,
    entry_of,
    plan,
)
from clarify_spark.spark.counting.segments import groups_in, restricted
from clarify_spark.spark.counting.strata import Patterns, distinct_patterns, wide_patterns

if TYPE_CHECKING:
    from clarify_spark.bias.roles import Roles
    from clarify_spark.spark.data.datasets import Dataset

NO_STRATA_OF_INTERSECTIONS = (
    "CDDL and CDDPL of facet intersections are left out: the group variable has too many values."
)


@dataclass(frozen=True)
class BiasCounts:
    """Everything the bias metrics need. ``facets``: per facet role, in order, one FacetCounts per entry.

    ``intersection``: one for each requested intersection. ``segments``: for each segmentation one for each of its
    segments. ``weight``: the weight column, with the units that its sums are counted in.
    ``nulls``: missing values per profiled column. ``classes``: rows per observed and predicted class, ascending with a
    missing value last; None for continuous labels, without predictions and beyond MAX_CLASSES classes (a note says so).
    """

    rows: int
    facets: tuple[tuple[FacetCounts, ...], ...]
    nulls: Mapping[str, int]
    classes: tuple[ClassCount, ...] | None = None
    notes: tuple[str, ...] = ()
    intersections: tuple[IntersectionCounts, ...] = ()
    segments: tuple[tuple[SegmentCounts, ...], ...] = ()
    weight: WeightColumn | None = None


def count(
    dataset: Dataset,
    roles: Roles,
    profiles: Mapping[str, ColumnProfile],
    intersections: Sequence[tuple[int, ...]] = (),
    segmentations: Sequence[Segmentation] = (),
) -> BiasCounts:
    """Counts of every entry of every facet, all in one scan when the facets' values are configured.

    ``intersections``: positions of facet roles whose entries are combined. Every segment of each of ``segmentations``
    gets its own counts.
    """
    context = context_of(dataset, roles, tuple(intersections), tuple(segmentations))
    strata: dict[Any, int] = {None: 0}
    scans = plan(roles.facets, context.cells, intersections)
    tables = [collect(context, scan, strata) for scan in scans]
    patterns = wide_patterns(context, scans) if context.wide else {}
    classes, notes = classes_of(context, tables[0])
    return BiasCounts(
        rows=int(tables[0].n[-1].sum()),
        facets=_table_of_facets(context, scans, tables, len(strata), patterns),
        nulls={name: found.nulls for name, found in profiles.items()},
        classes=classes,
        notes=(*notes, *([NO_STRATA_OF_INTERSECTIONS] if context.wide and intersections else [])),
        intersections=tuple(
            _intersection_counts(context, scans, tables, len(strata), i) for i in range(len(intersections))
        ),
        segments=tuple(_segments(context, scans, tables, len(strata), j) for j in range(len(segmentations))),
        weight=context.weight,
    )


def _table_of_facets(
    context: ScanContext,
    scans: Sequence[Scan],
    tables: Sequence[GroupedCounts],
    strata: int,
    patterns: Mapping[tuple[int, int], Patterns],
) -> tuple[tuple[FacetCounts, ...], ...]:
    total = tables[0].cells(strata, tables[0].n)
    facets: dict[tuple[int, int], FacetCounts] = {}
    for scan, table in zip(scans, tables, strict=True):
        for key, inside in _inside(context.roles, scan, table, strata):
            facets[key] = _facet_counts(context, total, inside, patterns.get(key))
    return tuple(tuple(facets[f, e] for e in range(len(facet.entries))) for f, facet in enumerate(context.roles.facets))


def _inside(roles: Roles, scan: Scan, table: GroupedCounts, strata: int) -> Iterator[tuple[tuple[int, int], Sums]]:
    """For each entry of a scan the sums of its facet d (M, strata, 2, 2)."""
    for i, key in enumerate(scan.conditions):
        yield key, table.cells(strata, table.inside[:, :, i])
    for f in scan.by_value:
        entries = roles.facets[f].entries
        entry = entry_of(roles.facets[f], table.keys[f"f{f}"])
        order = np.argsort(entry, kind="stable")
        ends = np.searchsorted(entry[order], np.arange(len(entries) + 1))
        for e in range(len(entries)):
            yield (f, e), table.cells(strata, table.n, order[ends[e] : ends[e + 1]])


def _facet_counts(context: ScanContext, total: Sums, inside: Sums, patterns: Patterns | None) -> FacetCounts:
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
        multiplicity=None if patterns is None else patterns[1],
        squares=scaled[1] if weighted else None,
        strata_squares=strata[1] if weighted and strata is not None else None,
        counted=cells[2] if weighted else None,
    )


def _intersection_counts(
    context: ScanContext, scans: Sequence[Scan], tables: Sequence[GroupedCounts], strata: int, i: int
) -> IntersectionCounts:
    """The cells of intersection ``i``."""
    roles, facets = context.roles, context.intersections[i]
    table = next(table for scan, table in zip(scans, tables, strict=True) if i in scan.intersections)
    shape = tuple(len(roles.facets[f].entries) + 1 for f in facets)
    places = np.stack([entry_of(roles.facets[f], table.keys[f"f{f}"]) for f in facets])
    cell = np.ravel_multi_index(tuple(places), shape)
    found = np.zeros((len(table.n), math.prod(shape), strata, 2, 2), np.int64)
    for of_measure, values in zip(found, table.n, strict=True):
        np.add.at(of_measure, (cell, table.stratum, table.sign[:, 0], table.sign[:, 1]), values)
    sums = context.scaled(found)
    return IntersectionCounts(
        facets=facets,
        shape=shape,
        cells=sums[0],
        has_predictions=roles.predicted is not None,
        grouped=roles.group is not None and not context.wide,
        squares=None if context.weight is None else sums[1],
        counted=None if context.weight is None else found[2],
    )


def _segments(
    context: ScanContext, scans: Sequence[Scan], tables: Sequence[GroupedCounts], strata: int, j: int
) -> tuple[SegmentCounts, ...]:
    """The counts of every segment of segmentation ``j``, the rest last."""
    segmentation = context.segmentations[j]
    found = []
    for k in range(len(segmentation.names)):
        own = [table.only(groups_in(segmentation, k, table.keys[f"s{j}"])) for table in tables]
        patterns = {}
        if context.wide:
            only = replace(context, dataset=restricted(context.dataset, segmentation, k))
            patterns = wide_patterns(only, scans)
        facets = _table_of_facets(context, scans, own, strata, patterns)
        found.append(SegmentCounts(int(own[0].n[-1].sum()), facets))
    return tuple(found)
