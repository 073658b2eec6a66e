"""Counts made by Spark against the same counts made row by row."""

import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest
from pyspark.sql import types as T

from clarify_spark.bias.memberships import Membership
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.spark import counts as module
from clarify_spark.spark.counts import Counts, bundles, count, distinct_patterns, plan
from clarify_spark.spark.datasets import Column
from clarify_spark.spark.profiles import profile

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


def dataset_of(spark, rows, kinds, partitions=2):
    columns = tuple(Column(name, f"c{i}", kind) for i, (name, kind) in enumerate(kinds.items()))
    fields = [T.StructField(column.id, TYPES[column.kind]) for column in columns]
    records = [(*row, key) for key, row in enumerate(rows)]
    random.Random(partitions).shuffle(records)
    keyed = spark.createDataFrame(records, T.StructType([*fields, T.StructField("row_key", T.LongType())]))
    keyed = keyed.repartition(partitions)
    by_name = {column.name: column for column in columns}
    return SimpleNamespace(frame=keyed.drop("row_key"), keyed=keyed, columns=columns, column=by_name.__getitem__)


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
    return Membership(column, wanted, None, "")


def between(column, low, high):
    return Membership(column, None, (low, high), "")


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


def belongs(membership, value):
    if value is None or value != value:
        return False
    if membership.interval is not None:
        low, high = membership.interval
        return low < float(value) <= high
    return value in membership.values


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
    expanded = np.repeat(counts.strata.reshape(-1, 8), counts.repeats, axis=0)
    return sorted(tuple(pattern) for pattern in expanded.tolist())


def same(found: Counts, rows, roles, kinds=KINDS):
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
        (counts.cells.tobytes(), counts.strata.tobytes(), counts.repeats.tobytes())
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
    monkeypatch.setattr(module, "MANY_STRATA", 5)
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
    monkeypatch.setattr(module, "MAX_CONTEXT", 1)
    apart = count(data, roles, {})
    assert as_bytes(together) == as_bytes(apart)


def test_too_many_classes_leave_the_class_table_out_and_say_so(spark, monkeypatch):
    monkeypatch.setattr(module, "MAX_CLASSES", 2)
    rows, roles = people(100), roles_of(FACETS[:1])
    found = count(dataset_of(spark, rows, KINDS), roles, {})
    assert found.classes is None
    assert "more than 2 classes" in found.notes[0]
    assert same(found, rows, roles)


@pytest.mark.parametrize("limits", [(1, 50_000), (3, 16), (10, 1)])
def test_the_passes_chosen_do_not_change_the_counts(spark, monkeypatch, limits):
    monkeypatch.setattr(module, "MAX_CONDITIONS", limits[0])
    monkeypatch.setattr(module, "MAX_CELLS", limits[1])
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


def test_all_configured_facets_are_counted_in_one_read_of_the_data(spark, monkeypatch):
    monkeypatch.setattr("clarify_spark.spark.profiles.HEAD_ROWS", 10)
    data = dataset_of(spark, people(200), KINDS, partitions=7)
    assert full_scans(spark, lambda: count(data, roles_of(FACETS[:6]), {}), 7) == 1


def test_facets_without_values_are_bundled_by_their_guessed_cells():
    facets = [every_value(name, range(size)) for name, size in (("a", 50), ("b", 16), ("c", 8), ("d", 5), ("e", 2))]
    scans = plan(facets, context_cells=280)
    assert sorted(f for scan in scans for f in scan.crossed) == [0, 1, 2, 3]
    assert [key for scan in scans for key in scan.conditions] == [(4, 0), (4, 1)]
    assert len(scans) == 3


def test_equal_patterns_are_counted_together_in_ascending_order():
    patterns, repeats = distinct_patterns(np.array([[1] * 8, [0, 1] * 4, [1] * 8]), np.array([1, 2, 3]))
    assert patterns.reshape(-1, 8).tolist() == [[0, 1] * 4, [1] * 8]
    assert repeats.tolist() == [2, 4]


def test_bundles_keep_their_cells_under_the_limit_and_large_columns_alone():
    assert bundles({"a": 3, "b": 4, "c": 2, "d": 300}, 12) == [["d"], ["b", "a"], ["c"]]
