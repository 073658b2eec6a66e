"""The same bytes through Spark Connect as through a classic session, in processes of their own."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]


def run(folder, output, **environment):
    """clarify-spark analyze as a user starts it; the session is the environment's choice."""
    command = [sys.executable, "-m", "clarify_spark", "analyze", "--allow-pickle", "--pdp-rows", "120"]
    options = ["--config", str(folder / "config.json"), "--data", str(folder / "loans.csv"), "--output", str(output)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYSPARK_")}
    return subprocess.run(
        [*command, *options], env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def results(output):
    found = {path.relative_to(output): path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()}
    return {name: content for name, content in found.items() if name.name != "analysis_details.json"}


@pytest.mark.spark
@pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server")
def test_connect_and_classic_sessions_give_the_same_bytes(loans, tmp_path):
    few = loans.head(200)
    few.drop(columns="predicted").to_csv(tmp_path / "loans.csv", index=False)
    joblib.dump(LogisticRegression(max_iter=500).fit(few[FEATURES], few["approve"]), tmp_path / "model.joblib")
    config = {
        "dataset_type": "text/csv",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
        "methods": {
            "post_training_bias": {"methods": "all"},
            "shap": {"num_clusters": 3, "num_samples": 30, "save_local_shap_values": True},
            "pdp": {"grid_resolution": 4, "features": ["obrat", "male"]},
        },
        "predictor": {"model_uri": str(tmp_path / "model.joblib")},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    classic = run(tmp_path, tmp_path / "classic")
    assert classic.returncode == 0, classic.stderr
    connect = run(tmp_path, tmp_path / "connect", SPARK_REMOTE="local[2]")
    assert connect.returncode == 0, connect.stderr
    assert results(tmp_path / "classic") == results(tmp_path / "connect")
    assert len(results(tmp_path / "classic")) == 4


@pytest.mark.spark
@pytest.mark.skipif(version("pyspark") >= "4", reason="pyspark 4 has a Connect server")
def test_a_spark_without_a_connect_server_is_told_in_words(tmp_path):
    methods = {"pre_training_bias": {"methods": "all"}}
    config = {"dataset_type": "text/csv", "label": "y", "label_values_or_threshold": [1], "methods": methods}
    text = json.dumps({**config, "facet": [{"name_or_index": "x", "value_or_threshold": [1]}]})
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    ran = run(tmp_path, tmp_path / "output", SPARK_REMOTE="local[2]")
    assert ran.returncode == 2
    assert "this Spark has no Connect server" in ran.stderr
