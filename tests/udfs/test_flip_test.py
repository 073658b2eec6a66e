"""The flip test's worker side, with no JVM."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from sklearn.neighbors import KNeighborsClassifier

from clarify_spark.udfs import flip_test as module
from clarify_spark.udfs.flip_test import (
    EntryPlan,
    FlipPlan,
    Reference,
    blocks,
    classify,
    neighbours_of,
    packed,
    unpacked,
)

RNG = np.random.default_rng(3)


def plan_of(features, positive, rows=None, columns=None, dtype="float64"):
    rows = np.arange(len(features)) if rows is None else rows
    columns = np.arange(features.shape[1]) if columns is None else columns
    entry = EntryPlan(rows.astype(np.int32), columns.astype(np.int32), dtype)
    return FlipPlan(Reference(features.astype(float), positive), {4: entry})


def batch_of(row_keys, positive, features, entry=4):
    return pa.RecordBatch.from_pydict(
        {
            "entry": pa.array([entry] * len(row_keys), pa.int32()),
            "row_key": pa.array(row_keys, pa.int64()),
            "positive": pa.array(positive, pa.bool_()),
            "x": pa.array([list(map(float, row)) for row in features], pa.list_(pa.float64())),
        }
    )


def totals(batches):
    found = pa.Table.from_batches(list(batches)).to_pydict()
    return {name: sum(found[name]) for name in ("to_negative", "to_positive", "tied", "examined")}


def brute_force(plan, positive, features):
    """Flips by sorting all distances (no ties in the data)."""
    entry = plan.entries[4]
    reference = plan.reference.features[np.ix_(entry.rows, entry.columns)]
    k = neighbours_of(len(reference))
    distances = ((features[:, None, entry.columns] - reference[None]) ** 2).sum(axis=2)
    nearest = np.argsort(distances, axis=1)[:, :k]
    near = plan.reference.positive[entry.rows][nearest].mean(axis=1) > 0.5
    return int((positive & ~near).sum()), int((~positive & near).sum())


@pytest.mark.parametrize("reference_rows", [1, 9, 10, 200])
@pytest.mark.parametrize("width", [1, 3, 20])
def test_flips_agree_with_sorting_all_distances(reference_rows, width):
    plan = plan_of(RNG.normal(size=(reference_rows, width)), RNG.random(reference_rows) < 0.5)
    features, positive = RNG.normal(size=(150, width)), RNG.random(150) < 0.5
    found = totals(classify(iter([batch_of(range(150), positive, features)]), plan))
    assert (found["to_negative"], found["to_positive"]) == brute_force(plan, positive, features)
    assert found["tied"] == 0


def test_five_neighbours_from_ten_rows_on():
    assert [neighbours_of(rows) for rows in (1, 9, 10, 1000)] == [1, 1, 5, 5]


@pytest.mark.parametrize("dtype", ["int64", "float64", "bool"])
def test_tied_neighbours_resolve_as_in_scikit_learn(dtype):
    upper = 2 if dtype == "bool" else 4
    reference, positive = RNG.integers(0, upper, (300, 3)).astype(dtype), RNG.random(300) < 0.5
    queries, predicted = RNG.integers(0, upper, (400, 3)).astype(dtype), RNG.random(400) < 0.5
    near = KNeighborsClassifier(n_neighbors=5).fit(reference, positive.astype(int)).predict(queries).astype(bool)
    plan = plan_of(reference, positive, dtype=dtype)
    found = totals(classify(iter([batch_of(range(400), predicted, queries)]), plan))
    assert found["to_negative"] == (predicted & ~near).sum()
    assert found["to_positive"] == (~predicted & near).sum()
    assert found["tied"] > 0


def test_only_the_entrys_rows_and_columns_are_compared():
    features = RNG.normal(size=(60, 4))
    plan = plan_of(features, RNG.random(60) < 0.5, rows=np.arange(0, 60, 2), columns=np.array([3, 1]))
    queries, positive = RNG.normal(size=(50, 4)), RNG.random(50) < 0.5
    found = totals(classify(iter([batch_of(range(50), positive, queries)]), plan))
    assert (found["to_negative"], found["to_positive"]) == brute_force(plan, positive, queries)


def test_blocks_are_the_same_however_the_rows_are_cut_into_batches(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BITS", 4)
    keys = sorted(RNG.choice(500, 200, replace=False).tolist())
    features, positive = RNG.normal(size=(200, 2)), RNG.random(200) < 0.5
    whole = list(blocks(iter([batch_of(keys, positive, features)])))
    pieces = [batch_of(keys[i : i + 7], positive[i : i + 7], features[i : i + 7]) for i in range(0, 200, 7)]
    cut = list(blocks(iter(pieces)))
    assert len(whole) == len(cut) == len({key >> 4 for key in keys})
    for (entry, rows), (other, other_rows) in zip(whole, cut, strict=True):
        assert entry == other
        np.testing.assert_array_equal(rows.positive, other_rows.positive)
        np.testing.assert_array_equal(rows.weight, other_rows.weight)
        np.testing.assert_array_equal(rows.features, other_rows.features)


def test_no_batches_and_empty_batches_give_no_result():
    plan = plan_of(np.zeros((1, 1)), np.array([True]))
    assert list(classify(iter([]), plan)) == []
    assert list(classify(iter([batch_of([], [], [])]), plan)) == []


def test_a_worker_fits_an_entry_once_and_keeps_few(monkeypatch):
    fitted = []
    original = module.fit
    monkeypatch.setattr(module, "fit", lambda plan, entry: fitted.append(entry) or original(plan, entry))
    monkeypatch.setattr(module, "_FITTED", type(module._FITTED)())
    features, positive = RNG.normal(size=(20, 2)), RNG.random(20) < 0.5
    entry = plan_of(features, positive).entries[4]
    plan = FlipPlan(Reference(features, positive), dict.fromkeys(range(6), entry))
    for number in (0, 0, 0, 1, 2, 3, 4, 5):
        list(classify(iter([batch_of([1], [True], [[0.0, 0.0]], number)]), plan))
    assert fitted == [0, 1, 2, 3, 4, 5]
    assert len(module._FITTED) == module.KEPT


def test_without_scikit_learn_the_result_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.neighbors", None)
    monkeypatch.setattr(module, "_FITTED", type(module._FITTED)())
    plan = plan_of(np.zeros((1, 1)), np.array([True]))
    found = pa.Table.from_batches(list(classify(iter([batch_of([1], [True], [[0.0]])]), plan)))
    assert found["error"].to_pylist() == [module.NO_SCIKIT_LEARN]


def test_without_threadpoolctl_the_test_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with module.single_thread():
        pass


def test_missing_values_arrive_as_nan():
    batch = pa.RecordBatch.from_pydict({"x": pa.array([[1.0, None], [2.0, 3.0]], pa.list_(pa.float64()))})
    np.testing.assert_array_equal(module.matrix(batch), [[1.0, np.nan], [2.0, 3.0]])


def test_packed_rows_unpack_to_the_same_rows():
    batches = [batch_of([1, 2], [True, False], [[1.0], [2.0]]), batch_of([3], [True], [[3.0]])]
    values = [value for batch in packed(iter(batches)) for value in batch.column("data").to_pylist()]
    assert unpacked(values).equals(pa.Table.from_batches(batches))


def test_the_key_of_a_plan_tells_plans_apart():
    features, positive = RNG.normal(size=(20, 2)), RNG.random(20) < 0.5
    plans = [plan_of(features, positive), plan_of(features, ~positive), plan_of(features, positive, np.arange(10))]
    assert len({plan.key() for plan in plans}) == 3
    assert plans[0].key() == plan_of(features, positive).key()


def test_nothing_packed_is_an_empty_table():
    schema = pa.schema([("row_key", pa.int64())])
    assert module.unpacked([], schema).equals(schema.empty_table())
