"""Grouping by one number gives the groups that grouping by the columns themselves gives."""

import numpy as np
import pytest
from pyspark.sql import functions as sf

from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.counting import packed_keys
from clarify_spark.spark.counting.packed_keys import KeyPart, packed_key, unpacked_keys

ROWS = [
    *[("a", 1, True), ("b", 1, None), ("b", 2, False), (None, 1, True), (None, None, None), ("1", 1, False)] * 3,
    ("", 0, True),
]


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(ROWS, "s string, n bigint, b boolean").repartition(3)


def parts(strings, numbers):
    return {
        "s": KeyPart(sf.col("s"), strings),
        "n": KeyPart(sf.col("n"), numbers),
        "b": KeyPart(sf.col("b"), (True, False, None)),
    }


def grouped(frame, of):
    found = collected_columns(frame.groupBy(packed_key(of).alias("key")).agg(sf.count(sf.lit(1)).alias("rows")))
    values = unpacked_keys(frame, of, np.array(found["key"], np.int64))
    return dict(zip(zip(values["s"], values["n"], values["b"], strict=True), found["rows"], strict=True))


@pytest.mark.parametrize(
    ("strings", "numbers"),
    [
        (("a", "b", "1", "", "unseen", None), (0, 1, 2, None)),
        (("a", None), (1,)),
        ((), ()),
    ],
    ids=["all values expected", "some values expected", "none expected"],
)
def test_packed_keys_group_like_the_columns(frame, strings, numbers):
    assert grouped(frame, parts(strings, numbers)) == {row: ROWS.count(row) for row in ROWS}


def test_too_many_expected_values_are_looked_up_in_the_rows(frame, monkeypatch):
    monkeypatch.setattr(packed_keys, "MAX_EXPECTED", 3)
    assert grouped(frame, parts(("a", "b", None), (1, 2, None))) == {row: ROWS.count(row) for row in ROWS}


def test_a_float_part_takes_both_zeros_for_one_value(spark):
    zeros = spark.createDataFrame([(0.0,), (-0.0,), (1.5,)], "x double")
    found = collected_columns(zeros.groupBy(packed_key({"x": KeyPart(sf.col("x"), ())}).alias("key")).count())
    assert sorted(found["count"]) == [1, 2]
