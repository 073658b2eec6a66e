"""Facts about columns, counted by Spark against the same facts in pandas."""

import random
from types import SimpleNamespace

import pandas as pd
import pytest
from pyspark.sql import types as T

from clarify_spark.columns import ColumnProfile
from clarify_spark.errors import DataError
from clarify_spark.spark.counting import profiles as module
from clarify_spark.spark.counting.profiles import is_integer_text, profile
from clarify_spark.spark.data.datasets import Column

TYPES = {
    "integer": T.LongType(),
    "float": T.DoubleType(),
    "string": T.StringType(),
    "boolean": T.BooleanType(),
    "other": T.StringType(),
}
ALL = frozenset({"distinct", "all_integers", "maximum", "values"})
NAN = float("nan")


def dataset_of(spark, kinds, rows, partitions=2):
    columns = tuple(Column(name, f"c{i}", kind) for i, (name, kind) in enumerate(kinds.items()))
    records = [(*row, key) for key, row in enumerate(rows)]
    random.Random(partitions).shuffle(records)
    fields = [T.StructField(column.id, TYPES[column.kind]) for column in columns]
    keyed = spark.createDataFrame(records, T.StructType([*fields, T.StructField("row_key", T.LongType())]))
    keyed = keyed.repartition(partitions)
    by_name = {column.name: column for column in columns}
    return SimpleNamespace(frame=keyed.drop("row_key"), keyed=keyed, columns=columns, column=by_name.__getitem__)


def profile_of(spark, kind, values, facts=ALL, partitions=2):
    data = dataset_of(spark, {"x": kind}, [(value,) for value in values], partitions)
    return profile(data, {"x": frozenset(facts)})["x"]


def test_an_integer_column_has_every_fact(spark):
    found = profile_of(spark, "integer", [3, None, -70, 3, 200, 0])
    assert found == ColumnProfile("x", "integer", 6, 1, distinct=4, maximum=200, values=(3, None, -70, 200, 0))


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, 1, 0],
        [63, 0, 64, 127],
        [-5, -1, 58],
        [10**6, 10**6 + 255],
        [2**63 - 1, 0],
        [-(2**63), 2**63 - 1],
        [7],
        [],
    ],
)
def test_distinct_integers_are_exact_wherever_they_lie(spark, values):
    found = profile_of(spark, "integer", values, {"distinct", "maximum"})
    assert found.distinct == len(set(values))
    assert found.maximum == max(values, default=None)


def test_integers_outside_the_range_of_the_first_rows_are_counted_too(spark, monkeypatch):
    monkeypatch.setattr(module, "HEAD_ROWS", 3)
    rng = random.Random(1)
    values = [rng.choice([0, 1]) for _ in range(50)] + [rng.randrange(10**9) for _ in range(20)]
    assert profile_of(spark, "integer", values, {"distinct"}).distinct == len(set(values))


def test_nan_counts_as_missing_and_not_as_a_value(spark):
    found = profile_of(spark, "float", [NAN, 1.5, None, -0.0, 0.0])
    assert (found.rows, found.nulls, found.distinct, found.maximum) == (5, 2, 2, 1.5)
    assert found.all_integers is False
    assert found.values == (None, 1.5, 0.0)


@pytest.mark.parametrize(("values", "whole"), [([1.0, -3.0, NAN], True), ([1.0, 1.5], False), ([float("inf")], False)])
def test_floats_are_whole_by_value(spark, values, whole):
    assert profile_of(spark, "float", values, {"all_integers"}).all_integers is whole


def test_text_that_spells_integers_is_measured_as_numbers(spark):
    found = profile_of(spark, "string", ["10", " 9", None, "+10", "-2"])
    assert (found.all_integers, found.maximum, found.distinct) == (True, 10, 4)
    assert found.values == ("10", " 9", None, "+10", "-2")


@pytest.mark.parametrize("odd", ["x", "1.0", "1e3", "", "99999999999999999999", "1_000", "0x1"])
@pytest.mark.parametrize("head_rows", [1, 100])
def test_one_value_that_is_no_integer_makes_a_column_text(spark, monkeypatch, odd, head_rows):
    monkeypatch.setattr(module, "HEAD_ROWS", head_rows)
    found = profile_of(spark, "string", ["1", "2", odd, "3"], {"all_integers", "distinct", "maximum"})
    assert (found.all_integers, found.maximum, found.distinct) == (False, None, None)
    assert not is_integer_text(odd)


def test_booleans_have_at_most_two_values(spark):
    assert profile_of(spark, "boolean", [True, None, True]).distinct == 1
    assert profile_of(spark, "boolean", [True, False]).values == (True, False)


def test_facts_not_asked_for_are_not_counted(spark):
    assert profile_of(spark, "string", ["a", None], ()) == ColumnProfile("x", "string", 2, 1)


def test_values_of_several_columns_keep_their_own_order_of_appearance(spark):
    rng = random.Random(4)
    rows = [(rng.choice("zyxw"), rng.choice([None, 5, 2, 9]), rng.choice(["p", "q", None])) for _ in range(200)]
    facts = {name: frozenset({"values"}) for name in "abc"}
    kinds = {"a": "string", "b": "integer", "c": "string"}
    for partitions in (1, 9):
        found = profile(dataset_of(spark, kinds, rows, partitions), facts)
        for i, name in enumerate("abc"):
            assert found[name].values == tuple(dict.fromkeys(row[i] for row in rows))


@pytest.mark.parametrize("limits", [(1, 200), (10_000, 5), (0, 200)])
def test_values_that_the_first_rows_do_not_show_are_found_and_come_after(spark, monkeypatch, limits):
    monkeypatch.setattr(module, "PREFIX_ROWS", limits[0])
    monkeypatch.setattr(module, "FEW_VALUES", limits[1])
    rows = [(str(i % 30), None if i % 7 == 3 else i % 7) for i in range(210)]
    found = profile(dataset_of(spark, {"a": "string", "b": "integer"}, rows), {n: frozenset({"values"}) for n in "ab"})
    assert found["a"].values == tuple(str(i) for i in range(30))
    assert found["b"].values == (0, 1, 2, None, 4, 5, 6)


def test_a_categorical_facet_of_too_many_values_is_refused_with_their_number(spark, monkeypatch):
    monkeypatch.setattr(module, "MAX_FACET_VALUES", 10)
    monkeypatch.setattr(module, "FEW_VALUES", 5)
    values = [f"v{i % 23}" for i in range(46)]
    with pytest.raises(DataError, match=r"facet 'x' has 23 different values .* Give the values of interest"):
        profile_of(spark, "string", values, {"values", "distinct", "all_integers"})


def test_a_continuous_facet_of_many_values_is_left_to_the_rule_that_wants_a_threshold(spark, monkeypatch):
    monkeypatch.setattr(module, "MAX_FACET_VALUES", 10)
    monkeypatch.setattr(module, "FEW_VALUES", 5)
    found = profile_of(spark, "integer", list(range(50)), {"values", "distinct"})
    assert (found.distinct, found.values) == (50, None)


def test_a_profile_agrees_with_pandas(spark):
    rng = random.Random(7)
    ages = [rng.choice([None, *range(17, 91)]) for _ in range(500)]
    found = profile_of(spark, "integer", ages, partitions=5)
    series = pd.Series(ages, dtype="Int64")
    assert (found.rows, found.nulls) == (500, int(series.isna().sum()))
    assert (found.distinct, found.maximum) == (series.nunique(), series.max())
