"""The same bytes through Spark Connect as through a classic session, in processes of their own."""

import json
import os
import subprocess
import sys
import time
from importlib.metadata import version

import joblib
import pytest
from connect_server import connect_server, without_clarify_spark
from sklearn.linear_model import LogisticRegression

#: A model that leaves time to kill its client, and the command with waves of half a second.
SLOW = """
import time

def predict(frame):
    time.sleep(0.03)
    return 1 / (1 + (frame["obrat"] / 40) ** 2 + 0.3 * frame["black"] * frame["loanprc"])
"""
COMMAND = """
import sys
from clarify_spark.spark.blocks import waves
waves.FIRST_SECONDS = waves.WAVE_SECONDS = 0.5
from clarify_spark.cli import main
sys.exit(main(sys.argv[1:]))
"""
WAIT = 240
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


@pytest.mark.process("clarify_spark/spark/session.py", "clarify_spark/spark/delivery", "clarify_spark/cli/analyze.py")
@pytest.mark.smoke
@pytest.mark.spark
@pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server")
@pytest.mark.classic("is compared with a run through Connect")
def test_connect_and_classic_sessions_give_the_same_bytes(analyze, loans, tmp_path):
    few = loans.head(150)
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
    options = ["--allow-pickle", "--pdp-rows", "120"]
    classic = analyze(config, tmp_path / "loans.csv", *options, output=tmp_path / "classic")
    assert classic.code == 0, classic.err
    connect = run(tmp_path, tmp_path / "connect", SPARK_REMOTE="local[2]")
    assert connect.returncode == 0, connect.stderr
    assert results(tmp_path / "classic") == results(tmp_path / "connect")
    assert len(results(tmp_path / "classic")) == 4


@pytest.fixture
def slow_case(loans, tmp_path):
    """A folder with data, config, model and command."""
    rows = loans[["approve", *FEATURES]].head(1000)
    rows.to_csv(tmp_path / "loans.csv", index=False)
    shap = {"baseline": rows[FEATURES].iloc[::30].to_numpy().tolist(), "engine": "shared", "seed": 3}
    config = {
        "dataset_type": "text/csv",
        "label": "approve",
        "methods": {"shap": {**shap, "save_local_shap_values": True}},
        "predictor": {"model_uri": "python:slow_client_loans:predict"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "slow_client_loans.py").write_text(SLOW)
    (tmp_path / "command.py").write_text(COMMAND)
    return tmp_path


def started(folder, output, address):
    words = ["analyze", "--config", "config.json", "--data", folder / "loans.csv", "--output", folder / output]
    environment = {**os.environ, "SPARK_REMOTE": address}
    with (folder / f"{output}.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "command.py", *words], cwd=folder, env=environment, stderr=log)


@pytest.mark.process("clarify_spark/spark/session.py", "clarify_spark/spark/delivery", "clarify_spark/spark/blocks")
@pytest.mark.spark
@pytest.mark.skipif(version("pyspark") < "4", reason="pyspark 3.5 from PyPI has no Connect server")
def test_a_client_that_was_killed_goes_on_through_the_same_server(slow_case, tmp_path_factory):
    python = without_clarify_spark(tmp_path_factory.mktemp("bare") / "venv")
    with connect_server(tmp_path_factory.mktemp("server"), python) as address:
        assert started(slow_case, "whole", address).wait(WAIT) == 0, (slow_case / "whole.log").read_text()
        client = started(slow_case, "killed", address)
        deadline = time.monotonic() + WAIT
        while not list((slow_case / "killed").glob("explanations_shap/_journal/range-*.arrow")):
            assert client.poll() is None, (slow_case / "killed.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        client.kill()
        client.wait(WAIT)
        assert not (slow_case / "killed" / "analysis.json").exists()
        assert started(slow_case, "killed", address).wait(WAIT) == 0, (slow_case / "killed.log").read_text()
    assert "note: Resuming: " in (slow_case / "killed.log").read_text()
    assert results(slow_case / "killed") == results(slow_case / "whole")


@pytest.mark.process("clarify_spark/spark/session.py")
@pytest.mark.smoke
@pytest.mark.spark_line
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
