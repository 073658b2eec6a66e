"""A toy format, a toy metric and a toy engine, by a row and a module each, through one whole run of the command."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.config.metrics import METRICS
from clarify_spark.udfs.shap.engines import ENGINES

TOYS = Path(__file__).resolve().parents[1] / "toys"
FEATURES = ["obrat", "loanprc", "unem"]


@pytest.fixture
def toys(monkeypatch, ship_file):
    import toy_engine
    import toy_format
    import toy_metric

    monkeypatch.setitem(DATASET_FORMATS, toy_format.TYPE, toy_format.FORMAT)
    monkeypatch.setitem(METRICS, "TOY", toy_metric.ROW)
    monkeypatch.setitem(ENGINES, "toy", toy_engine.ENGINE)
    ship_file(TOYS / "toy_engine.py")


@pytest.fixture
def rows(loans):
    """300 applications with an id that orders them."""
    return loans[["approve", "male", *FEATURES]].head(300).reset_index(drop=True).assign(id=range(300))


@pytest.fixture
def model(rows, tmp_path):
    fitted = LogisticRegression(max_iter=500, class_weight="balanced").fit(rows[FEATURES], rows["approve"])
    joblib.dump(fitted, tmp_path / "model.joblib")
    return fitted


@pytest.fixture
def config(toys, spark, rows, model, tmp_path):
    """A config of the toys' data set: a view in the order of its ids, whatever order its rows come in."""
    mixed = rows.sample(frac=1.0, random_state=1)
    spark.createDataFrame(mixed.to_dict("split")["data"], list(mixed.columns)).createOrReplaceTempView("loans")
    return {
        "dataset_type": "application/x-toy",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "male", "value_or_threshold": [0]}],
        "excluded_columns": ["id", "male"],
        "methods": {
            "post_training_bias": {"methods": ["DPPL", "TOY"]},
            "shap": {"engine": "toy", "baseline": [rows[FEATURES].median().tolist()], "save_local_shap_values": True},
            "report": {"name": "report"},
        },
        "predictor": {"model_uri": str(tmp_path / "model.joblib")},
    }


@pytest.mark.spark_line
def test_the_toys_take_part_in_a_whole_run(config, analyze, rows, model):
    ran = analyze(config, "loans.toy", "--allow-pickle")
    assert ran.code == 0, ran.err
    granted = model.predict(rows[FEATURES]) == 1
    favours = {sex: (granted & (rows["approve"] == 0))[rows["male"] == sex].mean() for sex in (0, 1)}
    ((entry,),) = ran.json()["post_training_bias_metrics"]["facets"].values()
    toy = next(metric for metric in entry["metrics"] if metric["name"] == "TOY")
    assert toy["value"] == pytest.approx(favours[0] - favours[1])
    details = ran.json("analysis_details.json")
    assert details["bias"]["metrics"]["TOY"]["worse"] == "up"
    assert details["kernel_shap"]["engine"] == "toy"
    assert details["dataset"]["files"] == 0
    parts = sorted((ran.output / "explanations_shap" / "local.parquet").glob("*.parquet"))
    local = pd.concat([pd.read_parquet(part) for part in parts])
    np.testing.assert_allclose(local["prediction_label0"], model.predict_proba(rows[FEATURES])[:, 1])
    assert np.diff(local["row_key"]).tolist() == [1] * 299
    assert "favours" in ran.out
    assert "engine: toy" in ran.out
    page = (ran.output / "report.html").read_text(encoding="utf-8")
    assert "Share of favours of the group, less that of all others" in page


def test_a_dry_run_knows_the_toys(config, analyze):
    ran = analyze(config, "loans.toy", "--allow-pickle", "--dry-run")
    assert ran.code == 0, ran.err
    assert "data: loans.toy, version 7, columns: 6, rows: 300" in ran.out
    assert "kernel SHAP: 300 rows × 3 features alone × 1 baseline row" in ran.out
