"""Files of local values: read back by pandas and pyarrow, cut into parts by the data alone."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clarify_spark.documents.local_values import (
    MOST_VALUES,
    PART_ROWS,
    LocalNames,
    baseline_csv,
    csv_header,
    csv_part,
    csv_rows,
    parquet_part,
    part_name,
    part_rows,
    parts,
)
from clarify_spark.udfs.explained import Explained

NAMES = LocalNames(("no", "yes"), ("age", "income", "zip"))
AWKWARD = ("=1+1", "a,b", 'say "x"', "two\nlines", "a\r\nb", " padded ", "ä €", "", "a", "a")
TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=3, max_size=3)


def block(keys, outputs=2, features=3, join=None, errors=True):
    """A block whose numbers are a function of the row keys."""
    keys = np.asarray(keys, dtype=np.int64)
    values = np.stack([np.random.default_rng(key).normal(size=(outputs, features)) for key in keys])
    base = np.zeros((len(keys), outputs)) + np.arange(outputs)
    return Explained(
        row_keys=keys,
        join=join,
        prediction=values.sum(axis=2) + base,
        base=base,
        values=values,
        errors=values**2 if errors else None,
        residual=np.zeros_like(base),
        records=1,
        calls=1,
        duplicates=0,
    )


def cells(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))


# --- out.csv --------------------------------------------------------------------------------------------------------


def test_columns_are_all_features_of_the_first_label_then_of_the_second_then_the_join_column():
    names = LocalNames(NAMES.labels, NAMES.features, "id")
    header = b"age_no,income_no,zip_no,age_yes,income_yes,zip_yes,id\n"
    assert csv_header(names) == header
    assert csv_part([block([0], join=("x",))], names).startswith(header)


def test_floats_come_back_to_the_last_bit():
    blocks = [block(range(100)), block(range(100, 150))]
    found = np.array(cells(csv_rows(blocks, NAMES)), dtype=np.float64)
    wanted = np.concatenate([one.values for one in blocks])
    assert np.array_equal(found, wanted.reshape(150, 6))


@given(arrays(np.float64, (2, 1, 3), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_float_comes_back_in_the_fewest_digits(values):
    one = block([0, 1], outputs=1)
    found = cells(csv_rows([Explained(**{**vars(one), "values": values})], NAMES))
    assert np.array_equal(np.array(found, dtype=np.float64), values.reshape(2, 3))
    for text, value in zip(np.ravel(found), values.ravel(), strict=True):
        digits = [len(one.split("e")[0].replace(".", "").strip("-0")) for one in (text.lower(), repr(float(value)))]
        assert digits[0] <= digits[1]


def test_values_and_base_add_up_to_the_prediction():
    one = block(range(40))
    found = np.array(cells(csv_rows([one], NAMES)), dtype=np.float64).reshape(40, 2, 3)
    assert np.allclose(found.sum(axis=2) + one.base, one.prediction, atol=1e-14)


def test_names_of_any_text_come_back():
    names = LocalNames(("l,1", "="), AWKWARD)
    part = csv_part([block(range(5), features=len(AWKWARD))], names)
    wanted = [f"{feature}_{label}" for label in names.labels for feature in AWKWARD]
    assert cells(part)[0] == wanted
    frame = pd.read_csv(io.BytesIO(part))
    assert frame.shape == (5, 20)
    assert frame.columns[:9].tolist() == [*wanted[:9]]


def test_join_values_of_any_text_come_back():
    names = LocalNames(("label0",), ("x",), "id, of a row")
    part = csv_part([block(range(len(AWKWARD)), 1, 1, AWKWARD)], names)
    assert [row[-1] for row in cells(part)] == ["id, of a row", *AWKWARD]
    frame = pd.read_csv(io.BytesIO(part), keep_default_na=False)
    assert frame["id, of a row"].tolist() == list(AWKWARD)


@given(TEXTS)
def test_every_join_text_comes_back_and_none_as_an_empty_one(texts):
    part = csv_part([block(range(3), 1, 1, tuple(texts))], LocalNames(("l",), ("x",), "id"))
    assert [row[-1] for row in cells(part)[1:]] == [text or "" for text in texts]


def test_plain_join_values_stand_without_quotes_and_empty_ones_differ_from_missing_ones():
    one = block(range(3), 1, 1, ("007", "", None))
    lines = csv_rows([one], LocalNames(("l",), ("x",), "id")).decode().splitlines()
    assert [line.split(",")[1] for line in lines] == ["007", '""', ""]


# --- parts ----------------------------------------------------------------------------------------------------------


def test_parts_hold_all_rows_in_order_and_reach_their_size_but_for_the_last():
    blocks = [block(range(start, start + size)) for start, size in [(0, 3), (3, 5), (8, 1), (9, 1), (10, 2)]]
    found = [[key for one in part for key in one.row_keys] for part in parts(blocks, 4)]
    assert found == [list(range(8)), list(range(8, 12))]
    assert list(parts([], 4)) == []


def test_parts_are_joined_to_a_single_file_by_leaving_out_headers():
    blocks = [block(range(start, start + 4)) for start in range(0, 20, 4)]
    single = csv_header(NAMES) + b"".join(csv_rows(part, NAMES) for part in parts(blocks, 8))
    assert single == csv_part(blocks, NAMES)


def test_parts_of_many_columns_have_fewer_rows():
    assert part_rows(NAMES) == PART_ROWS
    wide = LocalNames(tuple("ab"), tuple(map(str, range(5000))))
    assert part_rows(wide) == MOST_VALUES // 10_000
    assert part_rows(LocalNames(("a",), tuple(map(str, range(MOST_VALUES + 1))))) == 1


@pytest.mark.parametrize(("rows", "last"), [(1, "part-00000.csv"), (10**5 + 1, "part-100000.csv")])
def test_names_of_parts_sort_as_their_rows(rows, last):
    names = [part_name(number, rows, 1, "csv") for number in (0, 9, 10, 99_999, 100_000) if number < rows]
    assert names == sorted(names)
    assert names[-1] == last
    assert len({len(name) for name in names}) == 1


# --- local.parquet --------------------------------------------------------------------------------------------------


def table(blocks, names):
    return pa.parquet.read_table(pa.BufferReader(parquet_part(blocks, names)))


def test_parquet_parts_hold_everything_about_a_row():
    blocks = [block([3, 5]), block([7])]
    found = table(blocks, NAMES)
    names = ["prediction", "base", "values", "standard_errors", "residual"]
    assert found.column_names == ["row_key", *(f"{name}_{label}" for label in NAMES.labels for name in names)]
    assert json.loads(found.schema.metadata[b"features"]) == list(NAMES.features)
    assert found["row_key"].to_pylist() == [3, 5, 7]
    for output, label in enumerate(NAMES.labels):
        values, errors = (np.array(found[f"{name}_{label}"].to_pylist()) for name in ("values", "standard_errors"))
        assert np.array_equal(values, np.concatenate([one.values[:, output] for one in blocks]))
        assert np.array_equal(errors, values**2)
        sums = np.array(found[f"base_{label}"]) + values.sum(axis=1) + np.array(found[f"residual_{label}"])
        assert np.allclose(sums, found[f"prediction_{label}"], atol=1e-14)


def test_parquet_parts_have_one_schema_with_and_without_errors_and_the_same_bytes_every_time():
    names = LocalNames(NAMES.labels, NAMES.features, "id")
    blocks = [block(range(2), join=("a", None)), block([2], join=("b",))]
    without = [block(range(3), errors=False, join=("a", None, "b"))]
    assert table(blocks, names).schema == table(without, names).schema
    assert table(without, names)["standard_errors_no"].null_count == 3
    assert table(blocks, names)["join"].to_pylist() == ["a", None, "b"]
    assert parquet_part(blocks, names) == parquet_part(blocks, names)


# --- baseline.csv ---------------------------------------------------------------------------------------------------


def test_the_baseline_has_features_only_and_comes_back():
    columns = {"n": [1, 2], "x": [0.1, np.nan], "s": ["a,b", 'q"'], "b": [True, False]}
    rows = pd.DataFrame(columns)
    found = pd.read_csv(io.BytesIO(baseline_csv(rows)))
    pd.testing.assert_frame_equal(found, rows, check_dtype=False)


def test_baseline_names_may_repeat():
    rows = pd.DataFrame([[1, 2]], columns=["a", "a"])
    assert baseline_csv(rows) == b"a,a\n1,2\n"
