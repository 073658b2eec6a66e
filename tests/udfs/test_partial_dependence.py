"""Partial dependence of one block, against a loop over the grid and scikit-learn's brute force."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.inspection import partial_dependence

from clarify_spark.udfs.errors import RecordError
from clarify_spark.udfs.explained import curves_from_bytes, to_bytes
from clarify_spark.udfs.model_answer import Answer
from clarify_spark.udfs.partial_dependence import SOURCE_KEY, CurvePlan, Grid, added, curve_batches, curves_of_block
from clarify_spark.udfs.predictors import PredictorSpec
from clarify_spark.udfs.predictors.features import typed

NAMES, KINDS = ("age", "job", "own", "rate"), ("integer", "string", "boolean", "float")
SPEC = PredictorSpec(format="python", uri="python:none", feature_names=NAMES, feature_kinds=KINDS)
GRIDS = (Grid(0, (20.5, 40.25)), Grid(1, ("cook", "nurse", "clerk")), Grid(2, (False, True)))


def frame(rows=40, seed=0):
    rng = np.random.default_rng(seed)
    values = pd.DataFrame(
        {
            "age": rng.integers(18, 80, rows),
            "job": rng.choice(["cook", "nurse", None], rows),
            "own": rng.random(rows) < 0.5,
            "rate": rng.normal(size=rows),
        }
    )
    return typed(values, NAMES, KINDS)


def model(features):
    """Two outputs in which every feature meets another."""
    first = features["age"] * features["rate"] + (features["job"] == "cook") * features["own"]
    second = np.sin(features["age"] * (1 + features["own"])) + (features["job"] == "nurse") * features["rate"]
    return Answer(None, np.column_stack([first, second]).astype(float))


def plan(grids=GRIDS, individual=(), block_rows=64, spec=SPEC):
    return CurvePlan(spec, grids, np.array(individual, np.int64), block_rows)


def looped(rows, grids):
    found = []
    for grid in grids:
        for value in grid.values:
            changed = rows.copy()
            changed[changed.columns[grid.position]] = value
            found.append(model(changed).scores)
    return np.array(found)


def test_sums_deviations_and_individual_curves_are_those_of_a_loop_over_the_grid():
    rows = frame()
    found = curves_of_block(rows, np.arange(40), model, plan(individual=[3, 17, 99]))
    wanted = looped(rows, GRIDS)
    np.testing.assert_allclose(found.sums, wanted.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.deviations, wanted.var(axis=1) * 40, rtol=1e-10)
    np.testing.assert_array_equal(found.individual, wanted[:, [3, 17]])
    assert found.individual_keys.tolist() == [3, 17]
    assert (found.records, found.calls) == (7 * 40, 3)


def test_the_mean_is_that_of_scikit_learn(monkeypatch):
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    fitted = HistGradientBoostingRegressor(max_iter=30).fit(rows, rows["a"] * rows["b"] + rows["c"])
    grid = (-1.5, -0.2, 0.9, 2.0)
    spec = PredictorSpec(
        format="python", uri="python:none", feature_names=("a", "b", "c"), feature_kinds=("float",) * 3
    )

    def predict(features):
        return Answer(None, fitted.predict(features)[:, np.newaxis])

    found = curves_of_block(rows, np.arange(200), predict, plan((Grid(1, grid),), spec=spec))
    wanted = partial_dependence(fitted, rows, ["b"], method="brute", custom_values={"b": np.array(grid)})
    np.testing.assert_allclose(found.sums[:, 0] / 200, wanted["average"][0], atol=1e-10)


def test_sums_of_two_blocks_are_those_of_their_union():
    rows = frame(60)
    parts = [slice(0, 7), slice(7, 60)]
    blocks = [curves_of_block(rows.iloc[part], np.arange(60)[part], model, plan(individual=[2, 50])) for part in parts]
    found, wanted = added(*blocks), curves_of_block(rows, np.arange(60), model, plan(individual=[2, 50]))
    assert (found.rows, found.records, found.calls) == (60, wanted.records, 6)
    np.testing.assert_allclose(found.sums, wanted.sums, rtol=1e-12)
    np.testing.assert_allclose(found.deviations, wanted.deviations, rtol=1e-10)
    np.testing.assert_array_equal(found.individual, wanted.individual)
    assert found.individual_keys.tolist() == [2, 50]


def test_sums_of_outputs_near_the_largest_float_are_made_without_a_warning():
    rows = frame()
    one = curves_of_block(
        rows, np.arange(40), lambda table: Answer(None, 1e308 * model(table).scores.clip(-1, 1)), plan()
    )
    assert np.isinf(one.deviations).any()
    assert added(one, one).rows == 80


def test_sums_travel_as_bytes():
    found = curves_of_block(frame(), np.arange(40), model, plan())
    back = curves_from_bytes(to_bytes(found))
    np.testing.assert_array_equal(back.sums, found.sums)
    assert back.individual.shape == (7, 0, 2)
    assert back.rows == 40


def test_a_record_that_the_model_refuses_is_named_by_its_row():
    def refusing(features):
        bad = np.flatnonzero((features["job"] == "clerk") & (features["age"] == features["age"].iloc[5]))
        if len(bad):
            raise RecordError("no clerks", int(bad[0]))
        return model(features)

    rows = frame()
    with pytest.raises(RecordError) as raised:
        curves_of_block(rows, np.arange(40), refusing, plan())
    assert raised.value.position == np.flatnonzero(rows["age"] == rows["age"].iloc[5])[0]


def test_blocks_come_back_as_rows_and_an_error_of_the_model_says_which_rows():
    spec = PredictorSpec(
        format="python", uri="python:statistics:fmean", feature_names=("age",), feature_kinds=("integer",)
    )
    batch = pa.RecordBatch.from_pydict({"row_key": [64, 65], SOURCE_KEY: [900, 2**40 + 7], "c1": [1, 2]})
    (row,) = (one.to_pylist()[0] for one in curve_batches(iter([batch]), plan((Grid(0, (1.0,)),), spec=spec), ["c1"]))
    assert (row["block"], row["rows"], row["result"]) == (1, 2, None)
    assert row["error_kind"] == "ModelError"
    assert "partial dependence, rows 900 to 1099511627783" in row["error"]
