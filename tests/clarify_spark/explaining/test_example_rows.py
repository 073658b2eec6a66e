"""Rows that a report shows."""

import numpy as np
import pandas as pd

from clarify_spark.explaining.example_rows import ExampleRowSelector
from clarify_spark.udfs.explained import Explained

SAMPLE = pd.DataFrame({"age": [30, 10, 20], "job": ["x", "y", "z"], "sex": [0, 1, 0]}, index=[5, 2, 9])


def block(keys, predictions):
    prediction = np.array(predictions, float)[:, np.newaxis]
    count = len(keys)
    values = np.arange(count * 3.0).reshape(count, 1, 3)
    return Explained(
        np.array(keys), None, prediction, np.zeros((count, 1)), values, None, np.zeros((count, 1)), 1, 1, 0
    )


def example_rows(threshold=None):
    selector = ExampleRowSelector(SAMPLE, frozenset({"sex"}), threshold)
    selector.add(block([1, 2, 3], [0.4, 0.1, 0.9]))
    selector.add(block([5, 9], [0.1, 0.55]))
    return selector.examples()


def test_sampled_rows_come_in_order_with_ranks_of_numbers_that_are_no_facet():
    found = example_rows()
    assert [row.key for row in found.rows] == [2, 5, 9]
    np.testing.assert_array_equal(found.ranks[:, 0], [0.0, 1.0, 0.5])
    assert np.isnan(found.ranks[:, 1:]).all()
    assert found.rows[1].values.tolist() == [[0.0, 1.0, 2.0]]


def test_rows_at_the_ends_of_the_predictions_are_picked_the_first_of_equals():
    highlights = {highlight.reason: highlight.row.key for highlight in example_rows().highlights}
    assert highlights == {"lowest prediction": 2, "highest prediction": 3, "middle prediction": 5}
    assert {highlight.reason: highlight.row.key for highlight in example_rows(0.5).highlights}[
        "nearest to the threshold"
    ] == 9
