import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs.predictors.features import typed
from clarify_spark.udfs.shap.coalition_values import chunk
from clarify_spark.udfs.shap.deduplication import fingerprints
from clarify_spark.udfs.shap.masking import Buffer, encoded, mask_pairs, masks, playing

NAMES = ("age", "children", "owner", "job", "flag")
KINDS = ("float", "integer", "boolean", "string", "boolean")


def rows(seed, count, texts=("cook", "baker", "Ünal", None)):
    random = np.random.default_rng(seed)
    values = pd.DataFrame(
        {
            "age": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
            "children": random.integers(0, 3, count),
            "owner": random.random(count) < 0.5,
            "job": pd.Series(random.choice(np.array(texts, dtype=object), count), dtype=object),
            "flag": pd.Series(random.choice(np.array([True, False, None], dtype=object), count), dtype=object),
        }
    )
    return typed(values, NAMES, KINDS)


def numbers(seed, count, features):
    values = np.random.default_rng(seed).integers(0, 3, (count, features)) / 2
    return pd.DataFrame(values, columns=[f"x{position}" for position in range(features)])


def masked(frame, background, members, players, matrix=False):
    """All records, in the order (2, n, B, P), as the model would see them."""
    block = encoded(frame, background, matrix)
    shape = (2, len(frame), len(background), len(members))
    words = Buffer().words(len(block.columns), int(np.prod(shape)), block.by_record)
    records = words.reshape(-1, *shape) if not block.by_record else np.moveaxis(words.T.reshape(*shape, -1), -1, 0)
    changes = block.rows[:, :, np.newaxis] ^ block.background[:, np.newaxis]
    changes &= playing(players, len(block.columns))[:, np.newaxis, np.newaxis]
    mask_pairs(records, block.rows, changes, masks(members, players, len(block.columns)))
    return block, words, block.features(words)


def expected(frame, background, members, players):
    """The same records, one cell at a time."""
    frame, background = frame.astype(object), background.astype(object)
    made = []
    for side in (members, ~members):
        for row in range(len(frame)):
            for back in range(len(background)):
                for coalition in side:
                    absent = {player for player, there in zip(players, coalition, strict=True) if not there}
                    made.append(
                        [
                            (background.iat[back, position] if position in absent else frame.iat[row, position])
                            for position in range(frame.shape[1])
                        ]
                    )
    return pd.DataFrame(made, columns=frame.columns, dtype=object)


def cells(frame):
    return [[("nan",) if value != value else (type(value), value) for value in row] for row in frame.values.tolist()]


@pytest.mark.parametrize("players", [(0, 1, 2, 3, 4), (1, 3), (4,)])
def test_a_masked_record_takes_present_features_from_the_row_and_absent_ones_from_the_background(players):
    members = np.random.default_rng(3).random((4, len(players))) < 0.5
    frame, background = rows(1, 3), rows(2, 2)
    _, _, got = masked(frame, background, members, players)
    assert cells(got.astype(object)) == cells(expected(frame, background, members, players))
    assert list(got.columns) == list(NAMES)


@pytest.mark.parametrize(("features", "by_record"), [(5, False), (70, True)])
def test_both_layouts_hold_the_same_records_and_reach_the_model_without_a_copy(features, by_record):
    members = np.random.default_rng(3).random((6, features)) < 0.5
    frame, background = numbers(1, 3, features), numbers(2, 2, features)
    block, words, got = masked(frame, background, members, tuple(range(features)))
    assert block.by_record is by_record
    np.testing.assert_array_equal(
        got.to_numpy(), expected(frame, background, members, range(features)).to_numpy(dtype=float)
    )
    assert np.shares_memory(got.to_numpy(), words)


def test_a_matrix_holds_the_numbers_of_all_columns_and_shares_the_memory():
    members = np.random.default_rng(3).random((6, 3)) < 0.5
    frame, background = (rows(seed, 3)[["age", "children", "owner"]] for seed in (1, 2))
    _, words, got = masked(frame, background, members, (0, 1, 2), matrix=True)
    wanted = expected(frame, background, members, (0, 1, 2)).to_numpy(dtype=float)
    np.testing.assert_array_equal(got, wanted)
    assert np.shares_memory(got, words)


def test_the_model_gets_the_types_that_the_dataset_has():
    _, _, got = masked(rows(1, 3), rows(2, 2), np.eye(5, dtype=bool), range(5))
    assert [str(dtype) for dtype in got.dtypes] == ["float64", "int64", "bool", "object", "object"]
    whole = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    _, _, got = masked(whole, whole, np.eye(2, dtype=bool), range(2))
    assert [str(dtype) for dtype in got.dtypes] == ["int64", "int64"]


def test_whole_numbers_with_missing_ones_in_the_background_are_floats_in_every_record():
    frame, background = pd.DataFrame({"a": [1, 2], "b": [True, False]}), pd.DataFrame({"a": [np.nan], "b": [True]})
    _, _, got = masked(frame, background, np.array([[True, False]]), range(2))
    assert [str(dtype) for dtype in got.dtypes] == ["float64", "bool"]
    np.testing.assert_array_equal(got["a"], [1, 2, np.nan, np.nan])


def test_values_that_python_thinks_equal_stay_apart_in_an_object_column():
    frame = pd.DataFrame({"a": pd.Series([1, True, 1.0, "1"], dtype=object)})
    _, _, got = masked(frame, frame, np.array([[True]]), (0,))
    assert cells(got)[:4] == [[(int, 1)]] * 4
    assert [type(row[0]) for row in got.values.tolist()[::4][:4]] == [int, bool, float, str]


def test_large_whole_numbers_keep_every_digit():
    frame = pd.DataFrame({"a": [2**62 + 1], "b": ["x"]})
    _, _, got = masked(frame, frame, np.array([[True, True]]), (0, 1))
    assert got["a"].tolist() == [2**62 + 1] * 2


def test_cells_differ_unless_they_are_exactly_equal_and_nan_equals_nan():
    frame = pd.DataFrame({"a": [0.0, np.nan, 1.0], "b": pd.Series(["x", np.nan, "y"], dtype=object)})
    background = pd.DataFrame({"a": [-0.0, np.nan, 1.0 + 1e-15], "b": pd.Series(["x", np.nan, "z"], dtype=object)})
    differing = encoded(frame, background, matrix=False).differing((0, 1))
    assert differing[:, [0, 1, 2], [0, 1, 2]].tolist() == [[False, False, True], [False, False, True]]
    assert differing[:, 0, 1].tolist() == [True, True]


def test_a_buffer_hands_out_the_same_aligned_memory_and_grows_only_when_it_must():
    buffer = Buffer()
    first = buffer.words(3, 100, by_record=False)
    address = first.ctypes.data
    assert address % 64 == 0
    assert buffer.words(2, 50, by_record=True).T.ctypes.data == address
    assert buffer.words(30, 1000, by_record=True).flags.f_contiguous
    assert buffer.words(3, 100, by_record=False).flags.c_contiguous


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(2, 40000))
def test_a_chunk_keeps_to_the_limit_and_never_splits_background_rows_before_coalitions(pairs, backs, limit):
    size = chunk(pairs, backs, limit)
    assert min(size.pairs, size.rows, size.backs) >= 1
    assert size.pairs <= pairs
    assert size.backs <= backs
    assert 2 * size.pairs * size.rows * size.backs <= limit
    assert size.rows == 1 or (size.pairs, size.backs) == (pairs, backs)


@pytest.mark.parametrize("players", [tuple(range(8)), (1, 2, 5, 7)])
def test_distinct_records_are_found_without_looking_at_the_records(players):
    members = np.random.default_rng(5).random((40, len(players))) < 0.5
    frame, background = numbers(1, 6, 8) // 1, numbers(2, 5, 8) // 1
    block, words, _ = masked(frame, background, members, players)
    found = fingerprints(block.rows, block.background, players).distinct(members, slice(0, 6), slice(0, 5))
    assert len(found.positions) == np.unique(words, axis=1).shape[1]
    np.testing.assert_array_equal(words[:, found.positions][:, found.places], words)


def test_fingerprints_speak_of_the_chunk_that_they_are_asked_about():
    members = np.random.default_rng(5).random((40, 8)) < 0.5
    frame, background = numbers(1, 6, 8) // 1, numbers(2, 5, 8) // 1
    block = encoded(frame, background, matrix=False)
    found = fingerprints(block.rows, block.background, tuple(range(8)))
    part = found.distinct(members[10:], slice(2, 4), slice(1, 3))
    _, words, _ = masked(frame.iloc[2:4], background.iloc[1:3], members[10:], range(8))
    np.testing.assert_array_equal(words[:, part.positions][:, part.places], words)


def test_records_that_hardly_repeat_are_left_alone():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(4, 30)))
    block = encoded(frame, pd.DataFrame(random.normal(size=(3, 30))), matrix=False)
    members = random.random((400, 30)) < 0.5
    found = fingerprints(block.rows, block.background, tuple(range(30)))
    assert found.distinct(members, slice(0, 4), slice(0, 3)) is None
