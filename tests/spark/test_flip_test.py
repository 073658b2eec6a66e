"""Flips found by executors against scikit-learn on all rows at once."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from pyspark.sql import types as T
from sklearn.neighbors import KNeighborsClassifier

from clarify_spark.bias.predicates import Predicate
from clarify_spark.bias.roles import FacetRole, LabelRole, Roles
from clarify_spark.spark.counting import flip_test as module
from clarify_spark.spark.counting.counts import count
from clarify_spark.spark.counting.flip_test import flip_test
from clarify_spark.spark.data.datasets import Column

TYPES = {"integer": T.LongType(), "float": T.DoubleType(), "string": T.StringType(), "boolean": T.BooleanType()}
KINDS = {"label": "integer", "predicted": "integer", "sex": "integer", "race": "integer", "income": "float"}
KINDS |= {"age": "integer", "married": "boolean"}


def dataset_of(spark, rows, kinds=KINDS, partitions=3):
    columns = tuple(Column(name, f"c{i}", kind) for i, (name, kind) in enumerate(kinds.items()))
    fields = [T.StructField(column.id, TYPES[column.kind]) for column in columns]
    records = [(*row, key) for key, row in enumerate(rows)]
    random.Random(partitions).shuffle(records)
    keyed = spark.createDataFrame(records, T.StructType([*fields, T.StructField("row_key", T.LongType())]))
    keyed = keyed.repartition(partitions)
    by_name = {column.name: column for column in columns}
    return SimpleNamespace(
        frame=keyed.drop("row_key"),
        keyed=keyed,
        columns=columns,
        column=by_name.__getitem__,
        features=tuple(name for name in kinds if name not in ("label", "predicted")),
    )


def people(n=300, seed=0):
    draw = np.random.default_rng(seed)
    return [
        (
            int(draw.integers(2)),
            int(draw.integers(2)),
            int(draw.integers(2)),
            int(draw.choice([0, 0, 0, 1, 1, 2, 3, 4])),
            float(draw.normal()),
            int(draw.integers(18, 70)),
            bool(draw.integers(2)),
        )
        for _ in range(n)
    ]


def values(column, *wanted):
    return Predicate(column, wanted, None, "")


FACETS = (
    FacetRole("sex", "categorical", (values("sex", 1),), False),
    FacetRole("age", "continuous", (Predicate("age", None, (40.0, 69.0), ""),), False),
    FacetRole("race", "categorical", tuple(values("race", value) for value in (3, 0, 1, 2, 4)), True),
)


def roles_of(facets=FACETS):
    label = LabelRole("label", "categorical", values("label", 1))
    return Roles(tuple(facets), label, LabelRole("predicted", "categorical", values("predicted", 1)), None, ())


def flips_of(spark, rows, roles=None, kinds=KINDS, partitions=3, seed=0):
    roles = roles or roles_of()
    data = dataset_of(spark, rows, kinds, partitions)
    counted = flip_test(data, roles, count(data, roles, {}).facets, seed)
    return [counts.flips for facet in counted for counts in facet]


def by_scikit_learn(rows, roles=None, kinds=KINDS):
    names = list(kinds)
    for facet in (roles or roles_of()).facets:
        features = [i for i, name in enumerate(names) if name not in ("label", "predicted", facet.name)]
        table = np.array([[row[i] for i in features] for row in rows], float)
        own, predicted = [row[names.index(facet.name)] for row in rows], np.array([row[1] for row in rows])
        for entry in facet.entries:
            low, high = entry.interval or (None, None)
            d = np.array([low < value <= high if entry.interval else value in entry.values for value in own])
            k = 5 if (~d).sum() > 9 else 1
            near = KNeighborsClassifier(n_neighbors=k).fit(table[~d], predicted[~d]).predict(table[d])
            yield int((near < predicted[d]).sum()), int((near > predicted[d]).sum())


def numbers(flips):
    return [(found.to_negative, found.to_positive) for found in flips]


def test_all_entries_flip_as_scikit_learn_says(spark):
    rows = people()
    assert numbers(flips_of(spark, rows)) == list(by_scikit_learn(rows))


def test_features_that_are_all_integers_are_compared_as_integers(spark):
    kinds = {"label": "integer", "predicted": "integer", "sex": "integer", "age": "integer", "size": "integer"}
    draw = np.random.default_rng(4)
    rows = [(*map(int, draw.integers(2, size=3)), *map(int, draw.integers(9, size=2))) for _ in range(80)]
    roles = roles_of(FACETS[:1])
    assert numbers(flips_of(spark, rows, roles, kinds)) == list(by_scikit_learn(rows, roles, kinds))


def test_1_and_64_partitions_and_small_blocks_give_the_same_flips(spark):
    rows = people(200)
    assert flips_of(spark, rows, partitions=1) == flips_of(spark, rows, partitions=64)


def test_ten_rows_in_facet_a_use_five_neighbours_and_nine_use_one(spark):
    for a in (9, 10):
        rows = [(*row[:2], int(i >= a), *row[3:]) for i, row in enumerate(people(60))]
        roles = roles_of(FACETS[:1])
        assert numbers(flips_of(spark, rows, roles)) == list(by_scikit_learn(rows, roles))


def test_a_text_feature_is_an_error_except_where_it_is_the_facet_itself(spark):
    rows = [(*row[:2], "f" if row[2] else "m", *row[3:]) for row in people(60)]
    roles = roles_of([FacetRole("sex", "categorical", (values("sex", "f"),), False), FACETS[1]])
    sex, age = flips_of(spark, rows, roles, KINDS | {"sex": "string"})
    assert sex.error is None
    assert age.error == "FlipTest does not support non-numeric columns"


@pytest.mark.parametrize("missing", [float("nan"), None])
def test_a_missing_value_in_a_feature_is_scikit_learns_error(spark, missing):
    rows = people(60)
    rows[7] = (*rows[7][:4], missing, *rows[7][5:])
    for found in flips_of(spark, rows):
        assert found.error == scikit_learns_words(np.nan)
        assert numbers([found]) == [(0, 0)]


def test_a_missing_facet_is_an_error_only_for_the_entries_that_compare_it(spark):
    rows = people(60)
    rows[7] = (*rows[7][:2], None, *rows[7][3:])
    sex, age = flips_of(spark, rows, roles_of(FACETS[:2]))
    assert sex.error is None
    assert age.error == module.MISSING


def test_an_infinite_feature_is_scikit_learns_error(spark):
    rows = people(60)
    rows[7] = (*rows[7][:4], float("-inf"), *rows[7][5:])
    assert {found.error for found in flips_of(spark, rows)} == {scikit_learns_words(np.inf)}


def scikit_learns_words(value):
    with pytest.raises(ValueError) as caught:
        KNeighborsClassifier(1).fit(np.array([[value]]), [0])
    return str(caught.value)


def test_an_empty_side_is_left_to_the_metric(spark):
    rows = [(*row[:2], 1, *row[3:]) for row in people(30)]
    found = flips_of(spark, rows, roles_of(FACETS[:1]))[0]
    assert (found.to_negative, found.to_positive, found.error) == (0, 0, None)


def test_no_feature_left_is_an_error(spark):
    kinds = {name: KINDS[name] for name in ("label", "predicted", "sex")}
    found = flips_of(spark, [row[:3] for row in people(30)], roles_of(FACETS[:1]), kinds)[0]
    assert found.error == module.NO_FEATURES


def test_beyond_the_limit_a_seeded_sample_of_its_exact_size_is_compared_whatever_the_partitions(spark, monkeypatch):
    monkeypatch.setattr(module, "FLIP_REFERENCE_ROWS", 50)
    rows = people(300)
    one, many, other = (flips_of(spark, rows, partitions=p, seed=s) for p, s in ((1, 5), (40, 5), (1, 6)))
    assert one == many
    assert numbers(one) != numbers(other)
    rows_of_a = sum(row[2] == 0 for row in rows)
    assert f"a sample of 50 of the {rows_of_a} rows of facet a" in one[0].note
    assert numbers(one) != numbers(flips_of_all(spark, rows, monkeypatch))


def flips_of_all(spark, rows, monkeypatch):
    monkeypatch.setattr(module, "FLIP_REFERENCE_ROWS", 300)
    return flips_of(spark, rows)


def test_unscaled_features_and_ties_are_noted(spark):
    rows = [(*row[:4], float(i % 2), 30 + i % 3, row[6]) for i, row in enumerate(people(80))]
    note = flips_of(spark, rows, roles_of(FACETS[:1]))[0].note
    assert "equally distant neighbours" in note
    rows = [(*row[:4], row[4] * 1e6, *row[5:]) for row in people(80)]
    assert "'income' spreads" in flips_of(spark, rows, roles_of(FACETS[:1]))[0].note
