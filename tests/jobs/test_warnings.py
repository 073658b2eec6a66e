"""Warnings of libraries are handled where they arise: a run in which warnings are errors is like any other."""

import json
import os
import re
import subprocess
import sys

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
#: Sockets that pyspark and py4j leave to the garbage collector are not errors: Python does not show them by default.
STRICT = "error,ignore::ResourceWarning"
#: As ``clarify-spark`` does it, once it is sure that warnings are errors on executors too.
CODE = """
import sys
from clarify_spark.cli import main
from clarify_spark.spark.session import require_pyspark
require_pyspark()
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
assert spark.sparkContext.parallelize([0], 1).map(lambda _: sys.warnoptions).first() == sys.warnoptions != []
sys.exit(main(["analyze", *sys.argv[1:]]))
"""


@pytest.fixture
def strictly(tmp_path):
    """Run the command on a config in a process whose warnings, and those of its workers, are errors."""

    def run(config, *options):
        path = tmp_path / "analysis_config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        words = ["--config", str(path), "--output", str(tmp_path / "output"), *options]
        environment = {**os.environ, "PYTHONWARNINGS": STRICT, "PYSPARK_PYTHON": sys.executable}
        command = [sys.executable, "-c", CODE, *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.process("clarify_spark/cli", "clarify_spark/explaining")
@pytest.mark.spark
def test_a_whole_analysis_of_a_logistic_model_warns_of_nothing(strictly, loans, tmp_path):
    # The weights are so small that the model is additive except for rounding, which makes a prior hard to fit.
    few = loans.head(400)
    few.drop(columns="predicted").to_csv(tmp_path / "loans.csv", index=False)
    joblib.dump(LogisticRegression(C=1e-5).fit(few[FEATURES], few["approve"]), tmp_path / "model.joblib")
    done = strictly(
        {
            "dataset_type": "text/csv",
            "dataset_uri": str(tmp_path / "loans.csv"),
            "label": "approve",
            "label_values_or_threshold": [1],
            "facet": [{"name_or_index": "black", "value_or_threshold": [1]}, {"name_or_index": "male"}],
            "group_variable": "chist",
            "methods": {
                "pre_training_bias": {"methods": "all"},
                "post_training_bias": {"methods": "all"},
                "shap": {"engine": "shared", "num_samples": 60, "num_clusters": 2, "seed": 3},
                "pdp": {"grid_resolution": 5, "top_k_features": 2},
                "report": {"name": "report"},
            },
            "predictor": {"model_uri": str(tmp_path / "model.joblib")},
        },
        "--allow-pickle",
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"\w*Warning\b.*", done.stderr) == []
    assert (tmp_path / "output" / "report.html").is_file()
