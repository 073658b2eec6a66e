"""The results of a run: which comparisons are made, what is left out, what comes first."""

from dataclasses import replace

import numpy as np
import pytest

from clarify_spark.bias.comparisons import NO_ENTRY, StatisticsSettings, bias_statistics
from clarify_spark.bias.counts import FacetCounts, Flips
from clarify_spark.bias.intersections import IntersectionCounts, against_cell, against_rest
from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.segments import Segment, Segmentation, SegmentCounts
from clarify_spark.bias.verdicts import Bound, BoundsByMetric
from clarify_spark.config.metrics import of_stage

RNG = np.random.default_rng(0)


def facet(name, *values):
    return FacetRole(name, "categorical", tuple(Predicate(name, (value,), None, value) for value in values), True)


def roles(group=None):
    positive = Predicate("y", (1,), None, "1")
    label, predicted = (LabelRole(name, "categorical", positive) for name in ("y", "p"))
    return Roles((facet("race", "a", "b", "c"), facet("sex", "f", "m")), label, predicted, group, ())


CELLS = RNG.integers(20, 90, (12, 1, 2, 2)) * (np.arange(12) % 3 != 2)[:, None, None, None]  # nobody without a sex
CELLS[9:] = 0  # nor without a race
CROSSED = IntersectionCounts((0, 1), (4, 3), CELLS, True, False)
ASKED = StatisticsSettings(
    {"pre_training": of_stage("pre_training"), "post_training": of_stage("post_training")},
    0.95,
    0,
    BoundsByMetric(),
    10,
)


def counts_of(crossed=CROSSED):
    table = crossed.cells.sum(axis=1).reshape(4, 3, 2, 2)
    total = table.sum(axis=(0, 1))

    def entry(inside):
        return FacetCounts(np.stack([total - inside, inside]), True, flips=Flips(3, 2))

    return [[entry(table[e].sum(axis=0)) for e in range(3)], [entry(table[:, e].sum(axis=0)) for e in range(2)]]


def found(crossed=CROSSED, asked=ASKED, segments=()):
    return bias_statistics(roles(), counts_of(crossed), [crossed], segments, asked)


def test_a_cell_stands_against_all_others_and_against_another():
    rest, other = against_rest(CROSSED, 4), against_cell(CROSSED, 4, 1)
    np.testing.assert_array_equal(rest.cells.sum(axis=0), CELLS.sum(axis=(0, 1)))
    np.testing.assert_array_equal(rest.cells[1], CELLS[4, 0])
    np.testing.assert_array_equal(other.cells, [CELLS[1, 0], CELLS[4, 0]])
    assert rest.strata is None


def test_strata_of_a_cell_are_those_of_its_rows():
    strata = RNG.integers(0, 9, (4, 5, 2, 2))
    strata[:, 3] = 0
    crossed = IntersectionCounts((0, 1), (2, 2), strata, True, True)
    rest = against_rest(crossed, 2)
    assert rest.strata.shape == (3, 2, 2, 2)  # one of four is empty; the first are rows without a group
    np.testing.assert_array_equal(rest.strata[:, 1], strata[2, [1, 2, 4]])
    np.testing.assert_array_equal(rest.cells.sum(axis=0), strata.sum(axis=(0, 1)))


def test_every_cell_is_compared_and_the_best_is_that_with_most_positive_predictions():
    (one,) = found().intersections
    rates = {c: CELLS[c, 0, :, 1].sum() / CELLS[c].sum() for c in range(9) if CELLS[c].sum()}
    best = max(rates, key=rates.get)
    assert one.best == (("a", "b", "c")[best // 3], ("f", "m")[best % 3])
    assert len(one.cells) == 6
    assert [cell.against_best is None for cell in one.cells].count(True) == 1
    assert all("FT" not in {f.estimate.metric for f in cell.against_rest.findings} for cell in one.cells)
    assert one.left_out == ()  # combinations with "none" that nobody is in are no news


def test_small_cells_are_left_out_and_nothing_is_said_about_them():
    cells = CELLS.copy()
    cells[0] = 1
    result = found(replace(CROSSED, cells=cells))
    (one,) = result.intersections
    assert len(one.left_out) == 4
    assert next(left.reason for left in one.left_out if left.names == ("a", "f")) == "fewer than 10 rows"
    told = " ".join(finding.sentence for finding in result.findings())
    assert "'race' = 'a' and 'sex' = 'f'" not in told


def test_p_values_are_adjusted_for_all_comparisons_of_the_run():
    alone = bias_statistics(roles(), counts_of(), [], [], ASKED)
    together = found()
    assert together.hypotheses > alone.hypotheses
    mine, other = (
        next(f for f in one.facets[0][0].findings if f.estimate.metric == "DPL").estimate for one in (together, alone)
    )
    assert mine.interval == other.interval
    assert mine.test.p_value == other.test.p_value
    assert mine.test.holm >= other.test.holm


def test_what_is_outside_comes_first_and_shared_tests_are_told_once():
    result = found(asked=replace(ASKED, bounds=BoundsByMetric({"CI": Bound(-0.01, 0.01)})))
    foremost = result.foremost()
    kinds = [f.verdict is not None and f.verdict.kind == "outside_bounds" for f in foremost]
    assert kinds == sorted(kinds, reverse=True)
    assert any(kinds)
    assert result.verdicts()["outside_bounds"] == sum(kinds)
    for of_facet in result.facets:
        for compared in of_facet:
            metrics = {f.estimate.metric for f in foremost if f in compared.findings}
            assert len(metrics & {"DPL", "KL", "JS", "LP", "TVD", "KS"}) <= 1


def test_segments_protect_small_entries_like_cells():
    by_age = Segmentation("age", "age", (Segment("young", (1,), ()),), "old")
    young, old = CELLS.copy(), CELLS.copy()
    young[:2] = 1  # of race a, two groups of four rows
    both = [SegmentCounts(int(cells.sum()), counts_of(replace(CROSSED, cells=cells))) for cells in (young, old)]
    (one,) = found(segments=[(by_age, both)]).segmentations
    assert one.segments[0].facets[0][0] is None
    assert {left.names for left in one.left_out} >= {("young", "race", "a"), ("old", "race", "a")}
    assert len(one.left_out) == 4
    assert all(compared is not None for compared in one.segments[0].facets[1])


@pytest.mark.parametrize("grouped", [True, False])
def test_without_strata_conditional_disparities_of_cells_are_not_defined(grouped):
    strata = np.concatenate([np.zeros_like(CELLS), CELLS], axis=1)
    crossed = replace(CROSSED, cells=strata if grouped else CELLS, grouped=grouped)
    (one,) = found(crossed).intersections
    findings = {f.estimate.metric: f for f in one.cells[0].against_rest.findings}
    assert (findings["CDDL"].estimate.value is None) != grouped


def test_rows_in_no_entry_have_a_name():
    cells = CELLS.copy()
    cells[2] = 15
    names = [cell.names for cell in found(replace(CROSSED, cells=cells)).intersections[0].cells]
    assert ("a", NO_ENTRY) in names
