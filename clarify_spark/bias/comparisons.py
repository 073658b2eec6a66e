"""Everything that a run finds about bias, with its uncertainty: facet entries, intersections, segments, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clarify_spark.bias.counts import FacetCounts, confusion
from clarify_spark.bias.estimates import MetricEstimate
from clarify_spark.bias.inference import Comparison, infer
from clarify_spark.bias.intersections import IntersectionCounts, against_cell, against_rest
from clarify_spark.bias.metrics import MetricResult, measure, undefined_results
from clarify_spark.bias.roles import Roles
from clarify_spark.bias.sections import CountTable
from clarify_spark.bias.segments import Segmentation, SegmentCounts
from clarify_spark.bias.sentences import GroupNames
from clarify_spark.bias.suppression import FrequencyTable, Status, reason, suppress
from clarify_spark.bias.verdicts import BoundsByMetric, Kind, Verdict, verdict
from clarify_spark.bias.wording import group, sentence
from clarify_spark.config.metrics import Metric, Outcome, Stage

#: What a combination calls the rows that are in no entry of a facet.
NO_ENTRY = "(all others)"


@dataclass(frozen=True)
class StatisticsSettings:
    """What a run requests: metrics per stage, the level of intervals, the seed of draws, bounds, the smallest cell."""

    metrics: Mapping[Stage, tuple[Metric, ...]]
    level: float
    seed: int
    bounds: BoundsByMetric
    min_cell_size: int


@dataclass(frozen=True)
class Finding:
    """One metric of one comparison: what the sample shows, against the user's bounds (None: none set), in words."""

    stage: Stage
    estimate: MetricEstimate
    verdict: Verdict | None
    sentence: str


@dataclass(frozen=True)
class ComparisonResult:
    """One comparison with all its metrics."""

    counts: FacetCounts
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class LeftOut:
    """What is not shown, by its names, and why."""

    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class CellResult:
    """A combination of facet entries against all other rows, and against the best cell unless it is the best cell."""

    names: tuple[str, ...]
    against_rest: ComparisonResult
    against_best: ComparisonResult | None


@dataclass(frozen=True)
class IntersectionResult:
    """The cells shown of one intersection, and those left out.

    ``best``: the names of the cell with the highest share of positive predictions (of positive labels without
    predictions), None when no cell is shown.
    """

    facets: tuple[str, ...]
    best: tuple[str, ...] | None
    cells: tuple[CellResult, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class SegmentResult:
    """One segment: its rows, and for each facet role and entry the result, None where it is left out."""

    name: str
    rows: int
    facets: tuple[tuple[ComparisonResult | None, ...], ...]


@dataclass(frozen=True)
class SegmentationResult:
    """One way to split the data into segments; what is left out by segment, facet and entry."""

    name: str
    column: str
    segments: tuple[SegmentResult, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class BiasStatistics:
    """The results of a run. ``facets`` has the layout of ``Roles.facets`` and their entries; ``hypotheses``: how many
    different ones were tested, for which p-values are adjusted."""

    level: float
    min_cell_size: int
    hypotheses: int
    facets: tuple[tuple[ComparisonResult, ...], ...]
    intersections: tuple[IntersectionResult, ...]
    segmentations: tuple[SegmentationResult, ...]

    def findings(self) -> Iterator[Finding]:
        """All findings of all comparisons."""
        for results in self._comparisons():
            yield from results.findings

    def _comparisons(self) -> Iterator[ComparisonResult]:
        for of_facet in self.facets:
            yield from of_facet
        for cell in (cell for intersection in self.intersections for cell in intersection.cells):
            yield from (one for one in (cell.against_rest, cell.against_best) if one is not None)
        for segment in (segment for segmentation in self.segmentations for segment in segmentation.segments):
            yield from (one for of_facet in segment.facets for one in of_facet if one is not None)

    def verdicts(self) -> Counter[Kind]:
        """The number of findings per verdict."""
        return Counter(finding.verdict.kind for finding in self.findings() if finding.verdict is not None)

    def silent(self) -> int:
        """How many metrics with bounds compare nothing, since no outcome is positive."""
        return sum(finding.verdict is not None and finding.estimate.silent for finding in self.findings())

    def without_verdict(self) -> int:
        """How many metrics of facet entries have a value but no bound."""
        return sum(
            finding.verdict is None and finding.estimate.value is not None
            for of_facet in self.facets
            for results in of_facet
            for finding in results.findings
        )

    def foremost(self) -> list[Finding]:
        """Findings outside their bounds, then those that chance does not explain (Holm), both by p-value.

        Of the latter, metrics of one comparison that share a test are reported once.
        """
        found: list[Finding] = []
        for results in self._comparisons():
            reported: set[tuple[str, float]] = set()
            for finding in results.findings:
                test = finding.estimate.test
                key = ("", 1.0) if test is None else (test.name, test.p_value)
                if _is_outside(finding) or (test is not None and test.holm <= 1 - self.level and key not in reported):
                    found.append(finding)
                    reported.add(key)
        return sorted(found, key=_rank)


def _is_outside(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.kind == "outside_bounds"


def _rank(finding: Finding) -> tuple[bool, float]:
    test = finding.estimate.test
    return not _is_outside(finding), 1.0 if test is None else test.p_value


# --- from counts to results -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """Two groups to compare, maybe of a combination of facets, which has no features of its own to be compared without
    and so no flips; ``entry``: facet and entry text where a baseline's bounds apply."""

    group_names: GroupNames
    counts: FacetCounts
    combined: bool = False
    entry: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Cell:
    """A cell of an intersection that is shown: its names and the places of its comparisons."""

    names: tuple[str, ...]
    rest: int
    best: int | None


def bias_statistics(
    roles: Roles,
    counts: CountTable,
    intersection_counts: Sequence[IntersectionCounts],
    segments: Sequence[tuple[Segmentation, Sequence[SegmentCounts]]],
    settings: StatisticsSettings,
) -> BiasStatistics:
    """All results of a run; each of its tests counts in the adjustment of p-values."""
    pairs: list[_Pair] = []
    facets = [
        [
            _put(pairs, _Pair(GroupNames(group([role.name], [entry.text])), of_entry, entry=(role.name, entry.text)))
            for entry, of_entry in zip(role.entries, of_role, strict=True)
        ]
        for role, of_role in zip(roles.facets, counts, strict=True)
    ]
    statuses = suppress(
        [FrequencyTable(one.facets, one.rows.reshape(one.shape)) for one in intersection_counts], settings.min_cell_size
    )
    intersections = [
        _intersection(roles, one, status.reshape(-1).tolist(), pairs)
        for one, status in zip(intersection_counts, statuses, strict=True)
    ]
    segmentations = [_segmentation(roles, counts, *one, settings.min_cell_size, pairs) for one in segments]
    results, hypotheses = _inferred(roles, pairs, _silent(roles, counts, settings), settings)
    return BiasStatistics(
        level=settings.level,
        min_cell_size=settings.min_cell_size,
        hypotheses=hypotheses,
        facets=tuple(tuple(results[place] for place in of_role) for of_role in facets),
        intersections=tuple(
            _intersection_result(roles, one, best, cells, statuses[i].reshape(-1).tolist(), results, settings)
            for i, (one, (best, cells)) in enumerate(zip(intersection_counts, intersections, strict=True))
        ),
        segmentations=tuple(
            SegmentationResult(
                one.name,
                one.column,
                tuple(
                    SegmentResult(
                        name,
                        of_segment.rows,
                        tuple(tuple(None if p is None else results[p] for p in of_role) for of_role in places),
                    )
                    for name, of_segment, places in zip(one.names, of_one, table, strict=True)
                ),
                left_out,
            )
            for (one, of_one), (table, left_out) in zip(segments, segmentations, strict=True)
        ),
    )


def _put(pairs: list[_Pair], pair: _Pair) -> int:
    pairs.append(pair)
    return len(pairs) - 1


def _silent(roles: Roles, counts: CountTable, settings: StatisticsSettings) -> dict[str, str]:
    """By metric why it says nothing about groups: no label, or no prediction, of all rows is positive.

    That is rather a mistake of the config than a property of the groups.
    """
    entries = [of_entry for of_role in counts for of_entry in of_role]
    if not entries:
        return {}
    rows = confusion(entries[0].rows.sum(axis=0))
    named = roles.label.positive.text or "no value"
    why: dict[str, str] = {}
    if not rows.positives:
        why["labels"] = f"no label of any row is positive ({named})"
    if roles.predicted is not None and roles.predicted.error is None and not rows.predicted_positives:
        known = "which labels are" if rows.positives else "and no label either"
        why["predictions"] = f"no prediction of any row is positive ({named}), {known}"
    return {
        metric.name: why[outcome]
        for stage, table in settings.metrics.items()
        for metric in table
        for outcome in reversed(_outcomes(metric, stage))
        if outcome in why
    }


def _outcomes(metric: Metric, stage: Stage) -> tuple[Outcome, ...]:
    if metric.outcomes is not None:
        return metric.outcomes
    return ("labels",) if stage == "pre_training" else ("labels", "predictions")


def _inferred(
    roles: Roles, pairs: Sequence[_Pair], silent: Mapping[str, str], settings: StatisticsSettings
) -> tuple[list[ComparisonResult], int]:
    error = None if roles.predicted is None else roles.predicted.error
    results = [
        [
            (stage, result)
            for stage, table in settings.metrics.items()
            for result in _measured(
                [metric for metric in table if not (pair.combined and metric.needs_flips)],
                pair.counts,
                error if stage == "post_training" else None,
            )
        ]
        for pair in pairs
    ]
    comparisons = [
        Comparison(pair.counts, tuple(result for _, result in of_pair), silent)
        for pair, of_pair in zip(pairs, results, strict=True)
    ]
    inferred, hypotheses = infer(comparisons, settings.level, settings.seed)
    return [
        ComparisonResult(
            pair.counts,
            tuple(
                _finding(pair, stage, estimate, settings)
                for (stage, _), estimate in zip(of_pair, inferences, strict=True)
            ),
        )
        for pair, of_pair, inferences in zip(pairs, results, inferred, strict=True)
    ], hypotheses


def _measured(table: Sequence[Metric], counts: FacetCounts, error: str | None) -> tuple[MetricResult, ...]:
    return measure(table, counts) if error is None else undefined_results(table, error)


def _finding(pair: _Pair, stage: Stage, estimate: MetricEstimate, settings: StatisticsSettings) -> Finding:
    metric = estimate.metric
    bound = settings.bounds.of(metric) if pair.entry is None else settings.bounds.of_entry(stage, *pair.entry, metric)
    words = sentence(estimate, pair.counts, pair.group_names, settings.level)
    return Finding(stage, estimate, verdict(estimate, bound), words)


# --- intersections ----------------------------------------------------------------------------------------------------


def _cell_names(roles: Roles, intersection_counts: IntersectionCounts, cell: int) -> tuple[str, ...]:
    """What a cell's entries are called."""
    places = np.unravel_index(cell, intersection_counts.shape)
    texts = [[*(entry.text for entry in roles.facets[f].entries), NO_ENTRY] for f in intersection_counts.facets]
    return tuple(of_facet[int(place)] for of_facet, place in zip(texts, places, strict=True))


def _intersection(
    roles: Roles, intersection_counts: IntersectionCounts, status: Sequence[Status], pairs: list[_Pair]
) -> tuple[int | None, list[_Cell]]:
    """The best cell and the cells that are shown."""
    columns = [roles.facets[f].name for f in intersection_counts.facets]
    shown = [cell for cell, of_cell in enumerate(status) if of_cell is Status.SHOWN]
    best = max(shown, key=lambda cell: _positive_share(intersection_counts, cell), default=None)
    cells = []
    for cell in shown:
        names = _cell_names(roles, intersection_counts, cell)
        own = group(columns, names)
        rest = _put(pairs, _Pair(GroupNames(own), against_rest(intersection_counts, cell), combined=True))
        place = None
        if best is not None and cell != best:
            group_names = GroupNames(
                own, f"the best cell ({group(columns, _cell_names(roles, intersection_counts, best))})"
            )
            place = _put(pairs, _Pair(group_names, against_cell(intersection_counts, cell, best), combined=True))
        cells.append(_Cell(names, rest, place))
    return best, cells


def _positive_share(intersection_counts: IntersectionCounts, cell: int) -> float:
    """The share of positive predictions, of positive labels without predictions."""
    cells = intersection_counts.cells[cell].sum(axis=0)
    total = float(cells.sum())
    positive = cells[:, 1] if intersection_counts.has_predictions else cells[1]
    return float(positive.sum()) / total if total else 0.0


def _intersection_result(
    roles: Roles,
    intersection_counts: IntersectionCounts,
    best: int | None,
    cells: Sequence[_Cell],
    status: Sequence[Status],
    results: Sequence[ComparisonResult],
    settings: StatisticsSettings,
) -> IntersectionResult:
    return IntersectionResult(
        facets=tuple(roles.facets[f].name for f in intersection_counts.facets),
        best=None if best is None else _cell_names(roles, intersection_counts, best),
        cells=tuple(
            CellResult(cell.names, results[cell.rest], None if cell.best is None else results[cell.best])
            for cell in cells
        ),
        left_out=tuple(
            LeftOut(_cell_names(roles, intersection_counts, cell), reason(of_cell, settings.min_cell_size))
            for cell, of_cell in enumerate(status)
            if of_cell is not Status.SHOWN
            and not (of_cell is Status.EMPTY and NO_ENTRY in _cell_names(roles, intersection_counts, cell))
        ),
    )


# --- segments ---------------------------------------------------------------------------------------------------------


def _segmentation(
    roles: Roles,
    counts: CountTable,
    one: Segmentation,
    segments: Sequence[SegmentCounts],
    min_cell_size: int,
    pairs: list[_Pair],
) -> tuple[list[list[list[int | None]]], tuple[LeftOut, ...]]:
    """The places of each segment's comparisons, None for what is left out; segment × entry is an ordinary table."""
    table: list[list[list[int | None]]] = [[] for _ in segments]
    left_out: list[LeftOut] = []
    for f, role in enumerate(roles.facets):
        of_entries = [[int(entry.rows[1].sum()) for entry in segment.facets[f]] for segment in segments]
        rest = [[segment.rows - sum(own)] for segment, own in zip(segments, of_entries, strict=True)]
        rows = np.hstack([np.array(of_entries, np.int64).reshape(len(segments), -1), np.array(rest, np.int64)])
        status = suppress([FrequencyTable((-1, f), rows)], min_cell_size)[0]
        for s, segment in enumerate(segments):
            places: list[int | None] = []
            for e, (entry, of_entry) in enumerate(zip(role.entries, segment.facets[f], strict=True)):
                if status[s, e] in (Status.SMALL, Status.COMPLEMENTARY):
                    names = (one.names[s], role.name, entry.text)
                    left_out.append(LeftOut(names, reason(status[s, e], min_cell_size)))
                    places.append(None)
                    continue
                own = f"{group([role.name], [entry.text])} in {group([one.name], [one.names[s]])}"
                group_names = GroupNames(own, "all other rows of that segment")
                places.append(_put(pairs, _Pair(group_names, of_entry)))
            table[s].append(places)
    return table, tuple(left_out)
