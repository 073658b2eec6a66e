"""Runs that make an endpoint for a SageMaker model, with SageMaker and the model's server on loopback."""

import json
import os
import signal
import subprocess
import sys
import time

import lightgbm
import pytest
from control_plane import control_plane
from serving import Faults, lightgbm_model, serve

from clarify_spark.cli import main

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
MODEL = {"model_name": "credit", "instance_type": "ml.m5.large", "initial_instance_count": 1, "probability": 0}
#: A value that no row of the data has.
BAD = 77.125
WAIT = 240


class Everything:
    """The names of a service that answers for every endpoint."""

    def __contains__(self, name):
        return True


@pytest.fixture(scope="module")
def plane():
    with control_plane() as started:
        yield started


@pytest.fixture
def model_file(loans, tmp_path):
    data = lightgbm.Dataset(loans[FEATURES], loans["approve"])
    path = tmp_path / "model.txt"
    lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 20).save_model(path)
    return path


@pytest.fixture
def server(model_file, endpoint_port):
    with serve(lightgbm_model(model_file), port=endpoint_port) as started:
        started.endpoints = Everything()
        yield started


@pytest.fixture
def environment(plane, server):
    plane.reset()
    return {**plane.environment, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url, "NO_PROXY": "127.0.0.1"}


@pytest.fixture
def here(environment, environment_of_workers):
    """The environment of this process and of its Python workers."""
    environment_of_workers(environment)


@pytest.fixture
def biased(config):
    del config["predicted_label"]
    return {**config, "methods": {"post_training_bias": {"methods": "all"}}, "excluded_columns": ["predicted"]}


@pytest.mark.usefixtures("here")
def test_an_endpoint_is_made_for_the_run_and_gone_after_it(analyze, biased, csv, model_file, plane, server, tmp_path):
    shap = {"baseline": [[0, 1, 30.0, 80.0, 3.2, 1]], "num_samples": 10}
    biased["methods"]["shap"] = shap
    local = analyze({**biased, "predictor": {"model_uri": str(model_file)}}, csv, output=tmp_path / "local")
    plane.looks = 1
    ran = analyze({**biased, "predictor": MODEL}, csv)
    assert ran.code == 0, ran.err
    assert ran.json() == local.json()
    assert {seen.path.startswith("/endpoints/sm-clarify-credit-") for seen in server.seen} == {True}
    assert plane.operations().count("CreateEndpoint") == 1
    assert plane.left() == ([], [])
    assert not list(ran.output.glob("_shadow_endpoints/*"))
    assert ran.json("analysis_details.json")["model"] == {"model_name": "credit", "format": "endpoint"}
    assert "Creating endpoint sm-clarify-credit-" in ran.err


@pytest.mark.usefixtures("here")
def test_a_run_that_fails_deletes_its_endpoint_and_goes_on_with_another(analyze, biased, csv, loans, plane, server):
    loans.assign(obrat=lambda rows: rows["obrat"].where(rows.index != rows.index[-1], BAD)).to_csv(csv, index=False)
    server.faults = Faults(bad_record=lambda record: BAD in record)
    ran = analyze({**biased, "predictor": MODEL}, csv)
    assert ran.code == 4
    assert f"row key {len(loans) - 1}" in ran.last_line
    assert plane.left() == ([], [])
    server.faults = Faults()
    again = analyze({**biased, "predictor": MODEL}, csv)
    assert again.code == 0, again.err
    assert plane.operations().count("CreateEndpoint") == 2
    assert plane.left() == ([], [])


@pytest.mark.usefixtures("here")
def test_a_dry_run_makes_no_endpoint(analyze, biased, csv, plane, server):
    ran = analyze({**biased, "predictor": MODEL}, csv, "--dry-run")
    assert ran.code == 0, ran.err
    assert "about 1,974 model records" in ran.out
    assert "a dry run starts none" in ran.out
    assert plane.operations() == []
    assert server.seen == []


@pytest.mark.usefixtures("here")
def test_a_model_that_sagemaker_does_not_know_ends_with_4(analyze, biased, csv, plane):
    ran = analyze({**biased, "predictor": {**MODEL, "model_name": "unknown"}}, csv)
    assert ran.code == 4
    assert "unknown" in ran.last_line
    assert plane.left() == ([], [])


@pytest.mark.spark
@pytest.mark.process(
    "clarify_spark/aws",
    "clarify_spark/spark/cancellation.py",
    "clarify_spark/cli/cleanup.py",
    "clarify_spark/cli/ending.py",
)
@pytest.mark.parametrize("by", [pytest.param(signal.SIGTERM, marks=pytest.mark.smoke), signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_endpoint_or_a_record_of_it(
    biased, csv, plane, server, environment, tmp_path, capfd, monkeypatch, by
):
    server.faults = Faults(request_ms=3000)
    (tmp_path / "config.json").write_text(json.dumps({**biased, "predictor": MODEL}), encoding="utf-8")
    output, log = tmp_path / "output", tmp_path / "log"
    command = [sys.executable, "-m", "clarify_spark", "analyze", "--config", str(tmp_path / "config.json")]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--data", str(csv), "--output", str(output)],
            env={**os.environ, **environment},
            stderr=stream,
            start_new_session=True,
        )
    deadline = time.monotonic() + WAIT
    while not server.seen:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    assert len(plane.left()[0]) == 1
    if by == signal.SIGTERM:
        process.send_signal(by)
        assert process.wait(WAIT) == 1
    else:
        os.killpg(process.pid, by)
        process.wait(WAIT)
        (name,) = plane.left()[0]
        assert [path.stem for path in output.glob("_shadow_endpoints/*.json")] == [name]
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        assert main(["cleanup", "--output", str(output)]) == 0
        assert name in capfd.readouterr().out
    assert plane.left() == ([], [])
    assert not list(output.glob("_shadow_endpoints/*.json"))
