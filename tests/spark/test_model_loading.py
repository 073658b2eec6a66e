"""How often the Python workers of real tasks load a model."""

import os
import zipfile

import pandas as pd

from clarify_spark.udfs.predictors import PredictorSpec, load_predictor

TASKS = 12
LOADER = """
import os

def load(spec):
    with open(spec.uri, "a") as loads:
        loads.write(f"{os.getpid()}\\n")
    return lambda frame: frame["age"].to_numpy() / 100
"""


def test_a_worker_loads_a_model_once_however_many_tasks_it_runs(spark, ship_file, tmp_path):
    with zipfile.ZipFile(tmp_path / "loading.zip", "w") as package:
        package.writestr("package_of_loading_test/__init__.py", "")
        package.writestr("package_of_loading_test/model.py", LOADER)
    ship_file(tmp_path / "loading.zip")
    spec = PredictorSpec("package_of_loading_test.model", str(tmp_path / "loads"), ("age",), ("float",))

    def ask(batches):
        for batch in batches:
            yield pd.DataFrame({"pid": os.getpid(), "score": load_predictor(spec)(batch).scores[:, 0]})

    rows = spark.range(0, 600, 1, TASKS).selectExpr("cast(id % 100 as double) age")
    told = rows.mapInPandas(ask, "pid long, score double").collect()
    loaded = [int(line) for line in (tmp_path / "loads").read_text().split()]
    assert [row.score for row in told] == [n % 100 / 100 for n in range(600)]
    assert sorted(loaded) == sorted({row.pid for row in told})
    assert len(loaded) < TASKS
