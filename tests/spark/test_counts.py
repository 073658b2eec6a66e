"""Counts made by Spark against the same counts made row by row."""

import itertools
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.bias.segments import Segment, Segmentation, Span
from clarify_spark.errors import DataError
from clarify_spark.spark.counting import classes, scans
from clarify_spark.spark.counting.counts import BiasCounts, count
from clarify_spark.spark.counting.profiles import profile
from clarify_spark.spark.counting.scans import bundles, plan
from clarify_spark.spark.counting.segments import restricted
from clarify_spark.spark.counting.strata import distinct_patterns
from clarify_spark.spark.data.datasets import Column

TYPES = {
    "integer": T.LongType(),
    "float": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
    "other": T.StringType(),
}
KINDS = {
    "approve": "integer",
    "predicted": "integer",
    "sex": "string",
    "age": "integer",
    "income": "float",
    "digits": "string",
    "race": "string",
    "region": "string",
    "zip": "integer",
    "veteran": "boolean",
}


@dataclass(frozen=True)
class Data:
    """What counting needs of a data set."""

    frame: DataFrame
    keyed: DataFrame
    columns: tuple[Column, ...]

    def column(self, name):
        return next(column for column in self.columns if column.name == name)


def dataset_of(spark, rows, kinds, partitions=2):
    columns = tuple(Column(name, f"c{i}", kind) for i, (name, kind) in enumerate(kinds.items()))
    fields = [T.StructField(column.id, TYPES[column.kind]) for column in columns]
    records = [(*row, key) for key, row in enumerate(rows)]
    random.Random(partitions).shuffle(records)
    keyed = spark.createDataFrame(records, T.StructType([*fields, T.StructField("row_key", T.LongType())]))
    keyed = keyed.repartition(partitions)
    return Data(keyed.drop("row_key"), keyed, columns)


def people(n=400, seed=0, zips=90):
    draw = random.Random(seed)

    def or_missing(value, share=0.1):
        return None if draw.random() < share else value

    return [
        (
            or_missing(draw.choice([0, 1, 1, 2])),
            or_missing(draw.choice([0, 1])),
            or_missing(draw.choice(["f", "m"])),
            or_missing(draw.randrange(18, 70)),
            draw.choice([float("nan"), draw.uniform(0, 9), 2.5]),
            str(draw.randrange(0, 99)),
            or_missing(draw.choice("abcdefg")),
            or_missing(draw.choice(["n", "s", "w"])),
            or_missing(draw.randrange(zips)),
            or_missing(draw.random() < 0.5),
        )
        for _ in range(n)
    ]


def values(column, *wanted):
    return Predicate(column, wanted, None, "")


def between(column, low, high):
    return Predicate(column, None, (low, high), "")


def every_value(column, wanted):
    return FacetRole(
        column, "categorical", tuple(values(column, *([v] if v is not None else [])) for v in wanted), True
    )


def roles_of(facets, group="region", predicted=True, label=None):
    positive = label or LabelRole("approve", "categorical", values("approve", 1, 2))
    prediction = LabelRole("predicted", "categorical", values("predicted", 1)) if predicted else None
    return Roles(tuple(facets), positive, prediction, group, ())


def one(entry, kind="categorical"):
    return FacetRole(entry.column, kind, (entry,), False)


FACETS = (
    one(values("sex", "f")),
    one(between("age", 40.0, 69.0), "continuous"),
    one(between("income", 2.5, 9.0), "continuous"),
    one(between("digits", 50.0, 98.0), "continuous"),
    one(values("race", "a", "b")),
    one(values("veteran", True)),
    one(values("race")),
    every_value("race", ["c", "a", None, "b", "d", "e", "f", "g"]),
    every_value("region", ["s", "n", "w"]),
)


def belongs(predicate, value):
    if value is None or value != value:
        return False
    if predicate.interval is not None:
        low, high = predicate.interval
        return low < float(value) <= high
    return value in predicate.values


def by_hand(rows, kinds, roles):
    """FacetCounts' arrays for every entry, one row at a time."""
    place = {name: i for i, name in enumerate(kinds)}
    for facet, entry in ((role, entry) for role in roles.facets for entry in role.entries):
        cells, strata = np.zeros((2, 2, 2), int), {}
        for row in rows:
            label = belongs(roles.label.positive, row[place[roles.label.name]])
            predicted = roles.predicted is not None and belongs(
                roles.predicted.positive, row[place[roles.predicted.name]]
            )
            cell = int(belongs(entry, row[place[facet.name]])), int(label), int(predicted)
            cells[cell] += 1
            stratum = row[place[roles.group]] if roles.group else None
            if stratum is not None and stratum == stratum:
                strata.setdefault(stratum, np.zeros((2, 2, 2), int))[cell] += 1
        yield cells, sorted(tuple(pattern.ravel().tolist()) for pattern in strata.values())


def patterns_of(counts):
    expanded = np.repeat(counts.strata.reshape(-1, 8), counts.multiplicity, axis=0)
    return sorted(tuple(pattern) for pattern in expanded.tolist())


def same(found: BiasCounts, rows, roles, kinds=KINDS):
    entries = list(itertools.chain.from_iterable(found.facets))
    for counts, (cells, strata) in zip(entries, by_hand(rows, kinds, roles), strict=True):
        assert counts.cells.dtype == np.int64
        np.testing.assert_array_equal(counts.cells, cells)
        if roles.group is not None:
            assert patterns_of(counts) == strata
    assert found.rows == len(rows)
    return True


def as_bytes(found):
    return [
        (counts.cells.tobytes(), counts.strata.tobytes(), counts.multiplicity.tobytes())
        for facet in found.facets
        for counts in facet
    ] + [found.classes, found.rows]


def test_all_kinds_of_facets_count_as_a_loop_over_the_rows_counts_them(spark):
    rows, roles = people(), roles_of(FACETS)
    assert same(count(dataset_of(spark, rows, KINDS), roles, {}), rows, roles)


def test_without_predictions_and_group_everything_stands_at_prediction_0(spark):
    rows, roles = people(100), roles_of(FACETS, group=None, predicted=False)
    found = count(dataset_of(spark, rows, KINDS), roles, {})
    assert same(found, rows, roles)
    assert not found.facets[0][0].has_predictions
    assert found.facets[0][0].strata is None
    assert found.classes is None


def test_a_group_of_many_values_travels_as_patterns_and_counts_the_same(spark, monkeypatch):
    rows, roles = people(), roles_of(FACETS, group="zip")
    data = dataset_of(spark, rows, KINDS)
    narrow = count(data, roles, {})
    monkeypatch.setattr(scans, "MANY_STRATA", 5)
    wide = count(data, roles, {})
    assert same(wide, rows, roles)
    assert as_bytes(narrow) == as_bytes(wide)


def test_a_float_group_with_missing_values_is_counted_value_by_value(spark):
    rows, roles = people(), roles_of(FACETS[:2], group="income")
    assert same(count(dataset_of(spark, rows, KINDS), roles, {}), rows, roles)


def test_a_continuous_label_is_cut_before_grouping_and_has_no_classes(spark):
    label = LabelRole("income", "continuous", between("income", 2.5, 9.0))
    roles = roles_of(FACETS[:1], label=label)
    rows = people(200)
    found = count(dataset_of(spark, rows, KINDS), roles, {})
    assert same(found, rows, roles)
    assert found.classes is None


def test_classes_are_counted_in_order_with_missing_ones_last(spark):
    rows, roles = people(300), roles_of(FACETS[:1])
    found = count(dataset_of(spark, rows, KINDS), roles, {})
    expected = {}
    for row in rows:
        expected[row[:2]] = expected.get(row[:2], 0) + 1
    assert {(label, predicted): n for label, predicted, n in found.classes} == expected
    assert [cell[:2] for cell in found.classes][-1] == (None, None)
    assert [cell[0] for cell in found.classes if cell[1] == 0] == [0, 1, 2, None]


def test_classes_kept_apart_from_the_strata_are_the_same(spark, monkeypatch):
    rows, roles = people(300), roles_of(FACETS[:3])
    data = dataset_of(spark, rows, KINDS)
    together = count(data, roles, {})
    monkeypatch.setattr(scans, "MAX_CONTEXT", 1)
    apart = count(data, roles, {})
    assert as_bytes(together) == as_bytes(apart)


def test_too_many_classes_leave_the_class_table_out_and_say_so(spark, monkeypatch):
    monkeypatch.setattr(classes, "MAX_CLASSES", 2)
    rows, roles = people(100), roles_of(FACETS[:1])
    found = count(dataset_of(spark, rows, KINDS), roles, {})
    assert found.classes is None
    assert "more than 2 classes" in found.notes[0]
    assert same(found, rows, roles)


@pytest.mark.parametrize("limits", [(1, 50_000), (3, 16), (10, 1)])
def test_the_passes_chosen_do_not_change_the_counts(spark, monkeypatch, limits):
    monkeypatch.setattr(scans, "MAX_CONDITIONS", limits[0])
    monkeypatch.setattr(scans, "MAX_CELLS", limits[1])
    rows, roles = people(150), roles_of(FACETS)
    assert same(count(dataset_of(spark, rows, KINDS), roles, {}), rows, roles)


def test_1_and_64_partitions_in_any_order_give_the_same_bytes(spark):
    rows, roles = people(300), roles_of(FACETS, group="zip")
    found = [as_bytes(count(dataset_of(spark, rows, KINDS, partitions), roles, {})) for partitions in (1, 64)]
    assert found[0] == found[1]


def test_no_rows_give_zeros(spark):
    found = count(dataset_of(spark, [], KINDS), roles_of(FACETS), {})
    assert found.rows == 0
    assert all(not counts.cells.any() and counts.strata.shape == (0, 2, 2, 2) for f in found.facets for counts in f)


def test_nulls_come_from_the_profiles(spark):
    rows = people(60)
    data = dataset_of(spark, rows, KINDS)
    profiles = profile(data, {"sex": frozenset(), "income": frozenset()})
    found = count(data, roles_of(FACETS[:1]), profiles)
    assert found.nulls == {"sex": sum(r[2] is None for r in rows), "income": sum(r[4] != r[4] for r in rows)}


def test_all_configured_facets_cost_one_scan():
    facets = [one(values(f"facet {i}", "d")) for i in range(10)]
    assert len(plan(facets, context_cells=280)) == 1


def full_scans(spark, work, partitions):
    """Stages with one task per partition of the data, that is, reads of every row, that ``work`` started."""
    context, tracker = spark.sparkContext, spark.sparkContext.statusTracker()
    context.setJobGroup("scans", "counting")
    work()
    context.setLocalProperty("spark.jobGroup.id", None)
    stages = {stage for job in tracker.getJobIdsForGroup("scans") for stage in tracker.getJobInfo(job).stageIds}
    ran = [found for found in map(tracker.getStageInfo, stages) if found is not None and found.numCompletedTasks]
    return sum(found.numTasks == partitions for found in ran)


@pytest.mark.classic("counts stages with the SparkContext's status tracker")
def test_all_configured_facets_are_counted_in_one_read_of_the_data(spark, monkeypatch):
    monkeypatch.setattr("clarify_spark.spark.counting.profiles.HEAD_ROWS", 10)
    data = dataset_of(spark, people(200), KINDS, partitions=7)
    assert full_scans(spark, lambda: count(data, roles_of(FACETS[:6]), {}), 7) == 1


def test_facets_without_values_are_bundled_by_their_guessed_cells():
    facets = [every_value(name, range(size)) for name, size in (("a", 50), ("b", 16), ("c", 8), ("d", 5), ("e", 2))]
    scans = plan(facets, context_cells=280)
    assert sorted(f for scan in scans for f in scan.by_value) == [0, 1, 2, 3]
    assert [key for scan in scans for key in scan.conditions] == [(4, 0), (4, 1)]
    assert len(scans) == 3


def test_equal_patterns_are_counted_together_in_ascending_order():
    patterns, repeats = distinct_patterns(np.array([[1] * 8, [0, 1] * 4, [1] * 8]), np.array([1, 2, 3]))
    assert patterns.reshape(-1, 8).tolist() == [[0, 1] * 4, [1] * 8]
    assert repeats.tolist() == [2, 4]


def test_bundles_keep_their_cells_under_the_limit_and_large_columns_alone():
    assert bundles({"a": 3, "b": 4, "c": 2, "d": 300}, 12) == [["d"], ["b", "a"], ["c"]]


# --- intersections ----------------------------------------------------------------------------------------------------


def entry_of(facet, value):
    return next((e for e, entry in enumerate(facet.entries) if belongs(entry, value)), len(facet.entries))


def crossed_by_hand(rows, roles, facets):
    """Rows by combination of entries, stratum, label and prediction."""
    place = {name: i for i, name in enumerate(KINDS)}
    found = {}
    for row in rows:
        key = (
            *(entry_of(roles.facets[f], row[place[roles.facets[f].name]]) for f in facets),
            row[place[roles.group]],
            int(belongs(roles.label.positive, row[place["approve"]])),
            int(belongs(roles.predicted.positive, row[place["predicted"]])),
        )
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("partitions", [1, 7])
def test_intersections_count_as_a_loop_over_the_rows_counts_them(spark, partitions):
    rows, roles = people(), roles_of(FACETS)
    wanted = [(0, 7), (1, 4, 8), (5, 6)]
    found = count(dataset_of(spark, rows, KINDS, partitions), roles, {}, wanted)
    assert same(found, rows, roles)
    for crossed, facets in zip(found.intersections, wanted, strict=True):
        assert crossed.grouped
        assert crossed.shape == tuple(len(roles.facets[f].entries) + 1 for f in facets)
        expected = crossed_by_hand(rows, roles, facets)
        cells = np.zeros((*crossed.shape, 2, 2), int)
        missing = np.zeros((*crossed.shape, 2, 2), int)
        for key, n in expected.items():
            cells[(*key[:-3], *key[-2:])] += n
            missing[(*key[:-3], *key[-2:])] += n if key[-3] is None else 0
        np.testing.assert_array_equal(crossed.cells.sum(axis=1).reshape(cells.shape), cells)
        np.testing.assert_array_equal(crossed.cells[:, 0].reshape(cells.shape), missing)
        assert crossed.rows.sum() == len(rows)


def test_small_intersections_need_no_further_pass():
    facets = (one(values("sex", "f")), every_value("race", list("abcde")), one(between("age", 1.0, 2.0), "continuous"))
    assert len(plan(facets, 24)) == 1
    scans = plan(facets, 24, [(0, 1), (0, 2)])
    assert len(scans) == 1
    assert sorted(scans[0].by_value) == [0, 1, 2]
    assert scans[0].intersections == (0, 1)
    assert scans[0].conditions == ()


def test_intersections_with_a_group_of_many_values_have_no_strata_and_say_so(spark, monkeypatch):
    rows, roles = people(), roles_of(FACETS, group="zip")
    data = dataset_of(spark, rows, KINDS)
    narrow = count(data, roles, {}, [(0, 7)])
    monkeypatch.setattr(scans, "MANY_STRATA", 5)
    wide = count(data, roles, {}, [(0, 7), (1, 4)])
    assert same(wide, rows, roles)
    assert not wide.intersections[0].grouped
    assert any("CDDPL" in note for note in wide.notes)
    np.testing.assert_array_equal(wide.intersections[0].cells.sum(axis=1), narrow.intersections[0].cells.sum(axis=1))


def test_too_many_cells_of_an_intersection_are_refused(spark):
    many = every_value("zip", range(200))
    data = dataset_of(spark, people(10), KINDS)
    with pytest.raises(DataError, match=r"'zip' × 'age' has 40,401 combinations.*value_or_threshold"):
        count(data, roles_of([many, every_value("age", range(200))]), {}, [(0, 1)])


# --- segments ---------------------------------------------------------------------------------------------------------

BY_AGE = Segmentation(
    "ages", "age",
    (
        Segment("young", (), (Span(18, 30, True, False),)),
        Segment("thirties or 65", (65,), (Span(30, 40, True, False),)),
        Segment("overlapping", (), (Span(25, 35, False, True),)),
    ),
    "others",
)  # fmt: skip
BY_RACE = Segmentation("races", "race", (Segment("a or b", ("a", "b"), ()),), "rest")


def in_segment(segment, value):
    if value is None:
        return False
    inside = value in segment.values
    for span in segment.spans:
        above = value >= span.low if span.low_included else value > span.low
        below = value <= span.high if span.high_included else value < span.high
        inside = inside or (above and below)
    return inside


@pytest.mark.parametrize("many_strata", [5, 500])
def test_segments_count_as_their_rows_alone_do(spark, monkeypatch, many_strata):
    monkeypatch.setattr(scans, "MANY_STRATA", many_strata)
    rows, roles = people(), roles_of(FACETS, group="zip")
    data = dataset_of(spark, rows, KINDS)
    found = count(data, roles, {}, [(0, 7)], [BY_AGE, BY_RACE])
    assert same(found, rows, roles)
    names = list(KINDS)
    for segmentation, segments in zip((BY_AGE, BY_RACE), found.segments, strict=True):
        place = names.index(segmentation.column)
        segments_of_rows = [[in_segment(one, row[place]) for one in segmentation.segments] for row in rows]
        for k, segment in enumerate(segments):
            is_rest = k == len(segmentation.segments)
            own = [
                row
                for row, inside in zip(rows, segments_of_rows, strict=True)
                if (not any(inside) if is_rest else inside[k])
            ]
            assert segment.rows == len(own)
            assert same(BiasCounts(len(own), segment.facets, {}), own, roles)
            assert restricted(data, segmentation, k).frame.count() == len(own)


# --- weights ----------------------------------------------------------------------------------------------------------

WEIGHTED = {**KINDS, "w": "float"}


def weighted(rows, weights):
    return [(*row, float(weight)) for row, weight in zip(rows, weights, strict=True)]


def weighted_roles(facets=FACETS):
    return replace(roles_of(facets), weight="w")


def test_whole_weights_count_as_repeated_rows(spark):
    rows = people(200)
    weights = [i % 4 for i in range(200)]
    repeated = [row for row, weight in zip(rows, weights, strict=True) for _ in range(weight)]
    found = count(dataset_of(spark, weighted(rows, weights), WEIGHTED), weighted_roles(), {}, [(0, 7)], [BY_AGE])
    plain = count(dataset_of(spark, repeated, KINDS), roles_of(FACETS), {}, [(0, 7)], [BY_AGE])
    for mine, other in zip(itertools.chain(*found.facets), itertools.chain(*plain.facets), strict=True):
        np.testing.assert_array_equal(mine.cells, other.cells)
        assert mine.counted.sum() == 200
        totals = (mine.strata * mine.multiplicity[:, None, None, None]).sum(axis=0)
        np.testing.assert_array_equal(totals, (other.strata * other.multiplicity[:, None, None, None]).sum(axis=0))
    np.testing.assert_array_equal(found.intersections[0].cells.sum(axis=1), plain.intersections[0].cells.sum(axis=1))
    for mine, other in zip(found.segments[0], plain.segments[0], strict=True):
        np.testing.assert_array_equal(mine.facets[1][0].cells, other.facets[1][0].cells)
    classes = {cell[:2]: cell[2] for cell in found.classes if cell[2]}
    assert classes == {cell[:2]: cell[2] for cell in plain.classes}
    assert found.rows == 200


def test_fractional_weights_are_summed_the_same_in_any_order(spark):
    draw = random.Random(3)
    rows, weights = people(300), [draw.lognormvariate(0, 2) for _ in range(300)]
    found = [
        count(dataset_of(spark, weighted(rows, weights), WEIGHTED, partitions), weighted_roles(), {})
        for partitions in (1, 3, 7)
    ]
    assert as_bytes(found[0]) == as_bytes(found[1]) == as_bytes(found[2])
    sexes = np.array([row[2] == "f" for row in rows])
    mine = found[0].facets[0][0]
    assert mine.cells[1].sum() == pytest.approx(np.array(weights)[sexes].sum(), rel=1e-12)
    assert mine.squares[1].sum() == pytest.approx((np.array(weights)[sexes] ** 2).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, None, float("nan"), 2.0], "2 missing of 4 values"),
        ([1.0, -1.0, float("inf"), 2.0], "1 negative, 1 infinite of 4 values"),
        ([0.0, 0.0, 0.0, 0.0], "is 0 in all 4 rows"),
    ],
)
def test_weights_that_are_none_stop_the_run(spark, weights, words):
    rows = [(*row, weight) for row, weight in zip(people(4), weights, strict=True)]
    with pytest.raises(DataError, match=words):
        count(dataset_of(spark, rows, WEIGHTED), weighted_roles(), {})


def test_a_text_column_holds_no_weights(spark):
    with pytest.raises(DataError, match="'race' is not numeric"):
        count(dataset_of(spark, people(4), KINDS), replace(roles_of(FACETS), weight="race"), {})
