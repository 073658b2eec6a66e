"""Grids, blocks and curves of partial dependence."""

from types import SimpleNamespace

import numpy as np
import pytest

from clarify_spark.explaining.dependence import (
    CALL_CELLS,
    CALL_RECORDS,
    MOST_BLOCK_ROWS,
    Curve,
    Distribution,
    FeatureRange,
    block_rows,
    bucket_midpoints,
    curves,
)
from clarify_spark.explaining.result import ShapResult, Weighed
from clarify_spark.udfs.explained import CurveSums


def test_the_grid_has_the_middles_of_buckets_of_one_width():
    np.testing.assert_allclose(bucket_midpoints(0.0, 10.0, 5), (1.0, 3.0, 5.0, 7.0, 9.0), rtol=1e-15)
    assert bucket_midpoints(4.0, 4.0, 5) == (4.0,)
    np.testing.assert_allclose(bucket_midpoints(-1.7e308, 1.7e308, 2), (-0.85e308, 0.85e308))


@pytest.mark.parametrize(
    ("one", "points", "error"),
    [
        (FeatureRange("x", "float", 9, 1.0, 2.0), 15, None),
        (FeatureRange("x", "integer", 9, 2.0, 2.0), 1, None),
        (FeatureRange("x", "float", 0), 0, "no finite values"),
        (FeatureRange("x", "string", 9, distinct=4), 4, None),
        (FeatureRange("x", "boolean", 9, distinct=2), 2, None),
        (FeatureRange("x", "string", 9, distinct=240), 200, None),
        (FeatureRange("x", "string", 9, distinct=5000), 0, "about 5,000 distinct texts"),
        (FeatureRange("x", "string", 0), 0, "no values"),
    ],
)
def test_a_range_tells_how_long_the_grid_will_be_or_why_there_is_none(one, points, error):
    assert one.points(15) == points
    assert (one.error is None) if error is None else (error in one.error)


@pytest.mark.parametrize(("points", "features"), [([15], 10), ([200, 3], 500), ([1], 1), ([], 4), ([2**20], 2)])
def test_a_block_keeps_to_the_records_and_cells_of_a_call(points, features):
    rows, longest = block_rows(points, features), max([1, *points])
    assert rows & (rows - 1) == 0
    assert 1 <= rows <= MOST_BLOCK_ROWS
    assert rows == 1 or (rows * longest <= CALL_RECORDS and rows * longest * features <= CALL_CELLS)
    doubled = 2 * rows * longest
    assert rows == MOST_BLOCK_ROWS or doubled > CALL_RECORDS or doubled * features > CALL_CELLS


def test_curves_share_the_sums_in_order_and_errors_keep_their_place():
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(5, 30, 2))  # points, rows, outputs
    sums = CurveSums(
        rows=30,
        sums=outputs.sum(axis=1),
        deviations=outputs.var(axis=1) * 30,
        individual_keys=np.array([4]),
        individual=outputs[:, [4]],
        records=150,
        calls=2,
    )
    first = Distribution("a", "numerical", (1.0, 2.0), (3, 27))
    none = Distribution("b", "categorical", error="too many")
    last = Distribution("c", "categorical", ("x", "y", "z"), (10, 10, 10))
    found = curves([first, none, last], sums)
    assert [type(one) for one in found] == [Curve, Distribution, Curve]
    np.testing.assert_allclose(found[2].means, outputs[2:].mean(axis=1).T)
    np.testing.assert_allclose(found[2].errors, outputs[2:].std(axis=1, ddof=1).T / 30**0.5)
    np.testing.assert_array_equal(found[0].individual[1, 0], outputs[:2, 4, 1])


def test_a_single_row_has_no_standard_error():
    one = CurveSums(1, np.ones((1, 1)), np.zeros((1, 1)), np.array([0]), np.ones((1, 1, 1)), 1, 1)
    (curve,) = curves([Distribution("a", "numerical", (1.0,), (1,))], one)
    assert np.isnan(curve.errors).all()


def test_the_weightiest_features_are_those_of_all_outputs_together():
    values = np.array([[0.1, -3.0, 0.2], [0.1, 1.0, 4.0]])
    shap = ShapResult(("x", "y"), ("a", "b", "c"), None, None, SimpleNamespace(values=values))
    assert isinstance(shap, Weighed)
    assert shap.most_important(2) == ["c", "b"]
    assert shap.most_important(9) == ["c", "b", "a"]
