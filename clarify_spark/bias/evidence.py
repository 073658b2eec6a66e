"""Everything that a run finds about bias, with its uncertainty: facet entries, intersections, segments, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clarify_spark.bias.counts import FacetCounts
from clarify_spark.bias.crossed import CrossCounts, against_cell, against_rest
from clarify_spark.bias.inference import Inference
from clarify_spark.bias.inferences import Comparison, infer
from clarify_spark.bias.metrics import MetricResult, measure, refused
from clarify_spark.bias.report import CountTable
from clarify_spark.bias.roles import Roles
from clarify_spark.bias.segments import Segmentation, SegmentCounts
from clarify_spark.bias.sentences import Sides
from clarify_spark.bias.suppression import Status, Table, reason, suppress
from clarify_spark.bias.verdicts import Bounds, Kind, Verdict, verdict
from clarify_spark.bias.wording import group, sentence
from clarify_spark.config.metrics import Metric, Stage

#: What a combination calls the rows that are in no entry of a facet.
NO_ENTRY = "(all others)"


@dataclass(frozen=True)
class Asked:
    """What a run requests: metrics per stage, the level of intervals, the seed of draws, bounds, the smallest cell."""

    metrics: Mapping[Stage, tuple[Metric, ...]]
    level: float
    seed: int
    bounds: Bounds
    min_cell_size: int


@dataclass(frozen=True)
class Finding:
    """One metric of one comparison: what the sample shows, against the user's bounds (None: none set), in words."""

    stage: Stage
    inference: Inference
    verdict: Verdict | None
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """One comparison with all its metrics."""

    counts: FacetCounts
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class LeftOut:
    """What is not shown, by its names, and why."""

    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class CellEvidence:
    """A combination of facet entries against all other rows, and against the best cell unless it is the best cell."""

    names: tuple[str, ...]
    against_rest: Evidence
    against_best: Evidence | None


@dataclass(frozen=True)
class IntersectionEvidence:
    """The cells shown of one intersection, and those left out.

    ``best``: the names of the cell with the highest share of positive predictions (of positive labels without
    predictions), None when no cell is shown.
    """

    facets: tuple[str, ...]
    best: tuple[str, ...] | None
    cells: tuple[CellEvidence, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class SegmentEvidence:
    """One segment: its rows, and for each facet role and entry the evidence, None where it is left out."""

    name: str
    rows: int
    facets: tuple[tuple[Evidence | None, ...], ...]


@dataclass(frozen=True)
class SegmentationEvidence:
    """One way to split the data into segments; what is left out by segment, facet and entry."""

    name: str
    column: str
    segments: tuple[SegmentEvidence, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Statistics:
    """The evidence of a run. ``facets`` has the layout of ``Roles.facets`` and their entries; ``hypotheses``: how many
    different ones were tested, for which p-values are adjusted."""

    level: float
    min_cell_size: int
    hypotheses: int
    facets: tuple[tuple[Evidence, ...], ...]
    intersections: tuple[IntersectionEvidence, ...]
    segmentations: tuple[SegmentationEvidence, ...]

    def findings(self) -> Iterator[Finding]:
        """All findings of all comparisons."""
        for evidence in self._evidence():
            yield from evidence.findings

    def _evidence(self) -> Iterator[Evidence]:
        for of_facet in self.facets:
            yield from of_facet
        for cell in (cell for intersection in self.intersections for cell in intersection.cells):
            yield from (one for one in (cell.against_rest, cell.against_best) if one is not None)
        for segment in (segment for segmentation in self.segmentations for segment in segmentation.segments):
            yield from (one for of_facet in segment.facets for one in of_facet if one is not None)

    def verdicts(self) -> Counter[Kind]:
        """The number of findings per verdict."""
        return Counter(finding.verdict.kind for finding in self.findings() if finding.verdict is not None)

    def without_verdict(self) -> int:
        """How many metrics of facet entries have a value but no bound."""
        return sum(
            finding.verdict is None and finding.inference.value is not None
            for of_facet in self.facets
            for evidence in of_facet
            for finding in evidence.findings
        )

    def foremost(self) -> list[Finding]:
        """Findings outside their bounds, then those that chance does not explain (Holm), both by p-value.

        Of the latter, metrics of one comparison that share a test are reported once.
        """
        found: list[Finding] = []
        for evidence in self._evidence():
            told: set[tuple[str, float]] = set()
            for finding in evidence.findings:
                test = finding.inference.test
                key = ("", 1.0) if test is None else (test.name, test.p_value)
                if _is_outside(finding) or (test is not None and test.holm <= 1 - self.level and key not in told):
                    found.append(finding)
                    told.add(key)
        return sorted(found, key=_rank)


def _is_outside(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.kind == "outside_bounds"


def _rank(finding: Finding) -> tuple[bool, float]:
    test = finding.inference.test
    return not _is_outside(finding), 1.0 if test is None else test.p_value


# --- from counts to evidence ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """Two groups to compare, maybe of a combination of facets, which has no features of its own to be compared without
    and so no flips; ``entry``: facet and entry text where a baseline's bounds apply."""

    sides: Sides
    counts: FacetCounts
    combined: bool = False
    entry: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Cell:
    """A cell of an intersection that is shown: its names and the places of its comparisons."""

    names: tuple[str, ...]
    rest: int
    best: int | None


def statistics(
    roles: Roles,
    counts: CountTable,
    crossed: Sequence[CrossCounts],
    segments: Sequence[tuple[Segmentation, Sequence[SegmentCounts]]],
    asked: Asked,
) -> Statistics:
    """All evidence of a run; each of its tests counts in the adjustment of p-values."""
    pairs: list[_Pair] = []
    facets = [
        [
            _put(pairs, _Pair(Sides(group([role.name], [entry.text])), of_entry, entry=(role.name, entry.text)))
            for entry, of_entry in zip(role.entries, of_role, strict=True)
        ]
        for role, of_role in zip(roles.facets, counts, strict=True)
    ]
    statuses = suppress([Table(one.facets, one.rows.reshape(one.shape)) for one in crossed], asked.min_cell_size)
    intersections = [
        _intersection(roles, one, status.reshape(-1).tolist(), pairs)
        for one, status in zip(crossed, statuses, strict=True)
    ]
    segmentations = [_segmentation(roles, counts, *one, asked.min_cell_size, pairs) for one in segments]
    evidence, hypotheses = _inferred(roles, pairs, asked)
    return Statistics(
        level=asked.level,
        min_cell_size=asked.min_cell_size,
        hypotheses=hypotheses,
        facets=tuple(tuple(evidence[place] for place in of_role) for of_role in facets),
        intersections=tuple(
            _with_evidence(roles, one, best, cells, statuses[i].reshape(-1).tolist(), evidence, asked)
            for i, (one, (best, cells)) in enumerate(zip(crossed, intersections, strict=True))
        ),
        segmentations=tuple(
            SegmentationEvidence(
                one.name,
                one.column,
                tuple(
                    SegmentEvidence(
                        name,
                        of_segment.rows,
                        tuple(tuple(None if p is None else evidence[p] for p in of_role) for of_role in places),
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


def _inferred(roles: Roles, pairs: Sequence[_Pair], asked: Asked) -> tuple[list[Evidence], int]:
    error = None if roles.predicted is None else roles.predicted.error
    results = [
        [
            (stage, result)
            for stage, table in asked.metrics.items()
            for result in _measured(
                [metric for metric in table if not (pair.combined and metric.needs_flips)],
                pair.counts,
                error if stage == "post_training" else None,
            )
        ]
        for pair in pairs
    ]
    comparisons = [
        Comparison(pair.counts, tuple(result for _, result in of_pair))
        for pair, of_pair in zip(pairs, results, strict=True)
    ]
    inferred, hypotheses = infer(comparisons, asked.level, asked.seed)
    return [
        Evidence(
            pair.counts,
            tuple(
                _finding(pair, stage, inference, asked)
                for (stage, _), inference in zip(of_pair, inferences, strict=True)
            ),
        )
        for pair, of_pair, inferences in zip(pairs, results, inferred, strict=True)
    ], hypotheses


def _measured(table: Sequence[Metric], counts: FacetCounts, error: str | None) -> tuple[MetricResult, ...]:
    return measure(table, counts) if error is None else refused(table, error)


def _finding(pair: _Pair, stage: Stage, inference: Inference, asked: Asked) -> Finding:
    metric = inference.metric
    bound = asked.bounds.of(metric) if pair.entry is None else asked.bounds.of_entry(stage, *pair.entry, metric)
    words = sentence(inference, pair.counts, pair.sides, asked.level)
    return Finding(stage, inference, verdict(inference, bound), words)


# --- intersections ----------------------------------------------------------------------------------------------------


def _names(roles: Roles, crossed: CrossCounts, cell: int) -> tuple[str, ...]:
    """What a cell's entries are called."""
    places = np.unravel_index(cell, crossed.shape)
    texts = [[*(entry.text for entry in roles.facets[f].entries), NO_ENTRY] for f in crossed.facets]
    return tuple(of_facet[int(place)] for of_facet, place in zip(texts, places, strict=True))


def _intersection(
    roles: Roles, crossed: CrossCounts, status: Sequence[Status], pairs: list[_Pair]
) -> tuple[int | None, list[_Cell]]:
    """The best cell and the cells that are shown."""
    columns = [roles.facets[f].name for f in crossed.facets]
    shown = [cell for cell, of_cell in enumerate(status) if of_cell is Status.SHOWN]
    best = max(shown, key=lambda cell: _positive_share(crossed, cell), default=None)
    cells = []
    for cell in shown:
        names = _names(roles, crossed, cell)
        own = group(columns, names)
        rest = _put(pairs, _Pair(Sides(own), against_rest(crossed, cell), combined=True))
        place = None
        if best is not None and cell != best:
            sides = Sides(own, f"the best cell ({group(columns, _names(roles, crossed, best))})")
            place = _put(pairs, _Pair(sides, against_cell(crossed, cell, best), combined=True))
        cells.append(_Cell(names, rest, place))
    return best, cells


def _positive_share(crossed: CrossCounts, cell: int) -> float:
    """The share of positive predictions, of positive labels without predictions."""
    cells = crossed.cells[cell].sum(axis=0)
    total = float(cells.sum())
    positive = cells[:, 1] if crossed.has_predictions else cells[1]
    return float(positive.sum()) / total if total else 0.0


def _with_evidence(
    roles: Roles,
    crossed: CrossCounts,
    best: int | None,
    cells: Sequence[_Cell],
    status: Sequence[Status],
    evidence: Sequence[Evidence],
    asked: Asked,
) -> IntersectionEvidence:
    return IntersectionEvidence(
        facets=tuple(roles.facets[f].name for f in crossed.facets),
        best=None if best is None else _names(roles, crossed, best),
        cells=tuple(
            CellEvidence(cell.names, evidence[cell.rest], None if cell.best is None else evidence[cell.best])
            for cell in cells
        ),
        left_out=tuple(
            LeftOut(_names(roles, crossed, cell), reason(of_cell, asked.min_cell_size))
            for cell, of_cell in enumerate(status)
            if of_cell is not Status.SHOWN
            and not (of_cell is Status.EMPTY and NO_ENTRY in _names(roles, crossed, cell))
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
        status = suppress([Table((-1, f), rows)], min_cell_size)[0]
        for s, segment in enumerate(segments):
            places: list[int | None] = []
            for e, (entry, of_entry) in enumerate(zip(role.entries, segment.facets[f], strict=True)):
                if status[s, e] in (Status.SMALL, Status.COMPLEMENTARY):
                    names = (one.names[s], role.name, entry.text)
                    left_out.append(LeftOut(names, reason(status[s, e], min_cell_size)))
                    places.append(None)
                    continue
                own = f"{group([role.name], [entry.text])} in {group([one.name], [one.names[s]])}"
                sides = Sides(own, "all other rows of that segment")
                places.append(_put(pairs, _Pair(sides, of_entry)))
            table[s].append(places)
    return table, tuple(left_out)
