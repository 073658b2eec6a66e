"""True is 1 and False is 0 wherever labels, predictions and configured values meet."""

import pytest

from clarify_spark.bias.predicates import equal_to
from clarify_spark.bias.type_warnings import prediction_warnings
from clarify_spark.columns import ColumnProfile


@pytest.mark.parametrize("kind", ["integer", "float"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((True,), (1,)),
        (("True",), (1,)),
        (("false",), (0,)),
        (("TRUE", "False"), (1, 0)),
        (("1",), (1,)),
        (("yes",), ()),
    ],
)
def test_booleans_denote_numbers(kind, values, expected):
    assert equal_to("y", kind, values).values == expected


@pytest.mark.parametrize(("values", "expected"), [((1,), (True,)), ((0.0,), (False,)), (("1",), (True,)), ((2,), ())])
def test_numbers_denote_booleans(values, expected):
    assert equal_to("y", "boolean", values).values == expected


@pytest.mark.parametrize(
    ("labels", "predicted", "remedy"),
    [
        ("integer", "float", "set probability_threshold"),
        ("string", "integer", "predictor.label_headers"),
        ("string", "boolean", "predictor.label_headers"),
        ("integer", "string", "in the values of the labels"),
    ],
)
def test_the_advice_follows_from_the_two_kinds(labels, predicted, remedy):
    profiles = [ColumnProfile(name, kind, 9, 0) for name, kind in (("y", labels), ("p", predicted))]
    (said,) = prediction_warnings(*profiles, "no match")
    assert remedy in said
    assert ("probability_threshold" in said) == (predicted == "float")
