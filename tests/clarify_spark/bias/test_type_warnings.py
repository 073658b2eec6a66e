"""Warnings about choices of the type rule that have cost users a result."""

import re
from types import SimpleNamespace

import pytest

from clarify_spark.bias.roles import RoleNames, resolve
from clarify_spark.columns import ColumnProfile

LABELS = ColumnProfile("y", "integer", 1000, 0, 2, maximum=1)


def warnings(profile, *values, type=None):
    facet = SimpleNamespace(value_or_threshold=values, type=type)
    config = SimpleNamespace(label_values_or_threshold=(1,), label_type=None, facet=(facet,))
    return resolve(config, {"y": LABELS, "x": profile}, RoleNames("y", ("x",))).warnings


@pytest.mark.parametrize(
    ("profile", "values", "words"),
    [
        (ColumnProfile("x", "integer", 40, 0, 2, maximum=1), (0,), "'x' has 2 distinct values in 40 rows .* threshold"),
        (ColumnProfile("x", "float", 99, 0, maximum=1.0), (1,), "floats up to 1.0; floats always count as continuous"),
        (
            ColumnProfile("x", "float", 99, 7, maximum=1.0),
            (0,),
            "7 of 99 are missing, which turns integers into floats",
        ),
        (ColumnProfile("x", "integer", 4000, 0, 67, maximum=90), (40,), "67 distinct .* categorical, so 40 selects"),
        (ColumnProfile("x", "integer", 300, 0, maximum=90), (40, 60), "given 2 values .* A threshold is one number"),
        (ColumnProfile("x", "float", 300, 0, maximum=9.5), (0.5, 2.5), "given 2 values .* A threshold is one number"),
        (ColumnProfile("x", "integer", 300, 0, 60, maximum=90), (90,), "largest of 300 values is 90"),
        (ColumnProfile("x", "integer", 300, 0, 60, maximum=-17), (17,), "largest of 300 values is -17"),
        (ColumnProfile("x", "float", 30, 30), (1,), "30 rows and no value"),
        (ColumnProfile("x", "integer", 300, 0, 2, maximum=1), ("abc",), "can equal 'abc', which selects no row"),
        (ColumnProfile("x", "string", 300, 0, 2, False), ("a", 3), "can equal 3, which selects no row"),
    ],
)
def test_a_trap_is_named_with_the_column_and_its_counts(profile, values, words):
    found = warnings(profile, *values)
    assert any(re.search(words, sentence) for sentence in found), found


@pytest.mark.parametrize(
    ("profile", "values"),
    [
        (ColumnProfile("x", "integer", 1000, 0, 2, maximum=1), (0,)),
        (ColumnProfile("x", "integer", 1000, 0, 3, maximum=3), (1, 2)),
        (ColumnProfile("x", "integer", 300, 0, 60, maximum=90), (40,)),
        (ColumnProfile("x", "float", 300, 0, maximum=96.67), (10,)),
        (ColumnProfile("x", "string", 300, 0, 40, False), ("a",)),
        (ColumnProfile("x", "boolean", 300, 0), (1,)),
        (ColumnProfile("x", "float", 300, 0, maximum=float("inf")), (10,)),
    ],
)
def test_an_ordinary_column_gets_no_warning(profile, values):
    assert warnings(profile, *values) == ()


def test_a_declared_type_is_taken_as_meant():
    assert warnings(ColumnProfile("x", "float", 99, 0, maximum=1.0), 0, type="continuous") == ()
    assert warnings(ColumnProfile("x", "float", 99, 0), 1, type="categorical") == ()
