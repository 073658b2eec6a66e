"""The same model in the executors, behind an HTTP address and as a SageMaker endpoint gives the same bytes."""

import csv
import io
import json

import lightgbm
import pytest
from serving import Faults, lightgbm_model, serve

from .conftest import CONFIG

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
#: How a service is spoken to, by the format of requests.
FORMS = {
    "text/csv": {"content_type": "text/csv", "probability": 0},
    "application/jsonlines": {
        "content_type": "application/jsonlines",
        "content_template": '{"features":$features}',
        "probability": "score",
    },
    "application/json": {
        "content_type": "application/json",
        "content_template": '{"instances":$records}',
        "record_template": '{"features":$features}',
        "probability": "predictions[*].score",
    },
}
LINES = "application/jsonlines"
#: A value that no row of the data has.
BAD = 77.125


@pytest.fixture(scope="session")
def model_file(loans, tmp_path_factory):
    """A LightGBM model of the applications' six features."""
    path = tmp_path_factory.mktemp("model") / "model.txt"
    data = lightgbm.Dataset(loans[FEATURES], loans["approve"])
    lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 20).save_model(path)
    return path


@pytest.fixture
def server(model_file, endpoint_port):
    with serve(lightgbm_model(model_file), port=endpoint_port) as started:
        yield started


@pytest.fixture
def as_endpoint(server, environment_of_workers):
    """An endpoint's name, with what boto3 needs in the environment of the driver and of Python workers."""
    variables = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    environment_of_workers(variables)
    return "model"


@pytest.fixture(autouse=True)
def _no_proxies(environment_of_workers):
    environment_of_workers({"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"})


@pytest.fixture
def bias(config):
    return predicted_by_model(config)


def predicted_by_model(config):
    """Post-training metrics only, of a model's predictions; tests add the model."""
    kept = {key: value for key, value in config.items() if key != "predicted_label"}
    return {**kept, "excluded_columns": ["predicted"], "methods": {"post_training_bias": {"methods": "all"}}}


@pytest.fixture
def shap(loans):
    """Explanations of the model; tests add the model."""
    baseline = loans[FEATURES].iloc[[3, 70]].to_numpy().tolist()
    methods = {"shap": {"baseline": baseline, "num_samples": 30, "seed": 5, "save_local_shap_values": True}}
    return {"dataset_type": "text/csv", "label": "approve", "methods": methods}


def over(server, kind="text/csv"):
    return {"model_uri": f"{server.url}/invocations", "model_format": "http", **FORMS[kind]}


def results(ran):
    """Every file but the details, which tell how long it took and how."""
    assert ran.code == 0, ran.err
    found = {path.relative_to(ran.output): path.read_bytes() for path in ran.output.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name.name != "analysis_details.json"}


def cells(server):
    """The cells of all CSV records that were sent."""
    return [row for seen in server.seen for row in csv.reader(io.StringIO(seen.body.decode(), newline=""))]


def test_metrics_and_explanations_are_the_same_wherever_the_model_is(
    analyze, bias, shap, loans, model_file, server, as_endpoint, tmp_path
):
    path = tmp_path / "some.csv"
    loans.head(100).to_csv(path, index=False)
    curves = {"pdp": {"grid_resolution": 4, "features": ["obrat", "male"]}}
    config = {**bias, "methods": {**bias["methods"], **shap["methods"], **curves}}
    here = analyze({**config, "predictor": {"model_uri": str(model_file)}}, path, output=tmp_path / "here")
    assert len(results(here)) == 4
    lines, *others = FORMS[LINES], *(over(server, kind) for kind in FORMS if kind != LINES)
    there = [*others, {"endpoint_name": as_endpoint, **lines}]
    for number, predictor in enumerate(there):
        ran = analyze({**config, "predictor": predictor}, path, output=tmp_path / str(number))
        assert results(ran) == results(here)
        calls = ran.json("analysis_details.json")["model_calls"]
        assert list(calls) == ["predictions", "kernel_shap", "partial_dependence"]
        assert calls["partial_dependence"]["records"] == 100 * 8
    sent = {(seen.endpoint, seen.headers["content-type"]) for seen in server.seen}
    assert sent == {*((None, kind) for kind in FORMS if kind != LINES), ("model", LINES)}


@pytest.fixture
def private(loans, tmp_path):
    """Two files: rows with an id, a label, predictions and a column to keep back; facets by id."""
    rows = loans.head(80).reset_index(drop=True)
    rows.insert(0, "id", [f"loan {number}" for number in rows.index])
    rows.drop(columns="black").to_csv(tmp_path / "rows.csv", index=False)
    rows[["id", "black"]].to_csv(tmp_path / "facets.csv", index=False)
    return rows


@pytest.mark.parametrize("methods", ["post_training_bias", "shap"])
def test_only_features_reach_the_service(analyze, bias, shap, private, server, tmp_path, methods):
    kept_back = {
        "joinsource_name_or_index": "id",
        "facet_dataset_uri": str(tmp_path / "facets.csv"),
        "facet": [{"name_or_index": "black", "value_or_threshold": [1]}],
        "excluded_columns": ["male", "predicted"],
        "group_variable": "chist",
        "predictor": over(server),
    }
    sent = ["obrat", "loanprc", "unem", "chist"]
    shap["methods"]["shap"]["baseline"] = private[sent].iloc[[0, 1]].to_numpy().tolist()
    methods = {"methods": {methods: {**bias, **shap}["methods"].get(methods, bias["methods"].get(methods))}}
    server.model = lambda records: [1 / (1 + record[0] / 30) for record in records]
    ran = analyze({**bias, **kept_back, **methods}, tmp_path / "rows.csv")
    assert ran.code == 0, ran.err
    values = {name: set(private[name].astype(float)) for name in sent}
    found = cells(server)
    assert len(found) >= 80
    assert {len(row) for row in found} == {4}
    for name, column in zip(sent, zip(*found, strict=True), strict=True):
        assert set(map(float, column)) <= values[name], name
    assert b"loan" not in b"".join(seen.body for seen in server.seen)


@pytest.fixture(scope="module")
def many(loans):
    """Applications in three blocks of predictions, one of which nobody can predict."""
    rows = loans.sample(9000, replace=True, random_state=1).reset_index(drop=True)
    rows.loc[8500, "obrat"] = BAD
    return rows


@pytest.fixture
def many_csv(many, tmp_path):
    many.to_csv(tmp_path / "many.csv", index=False)
    return tmp_path / "many.csv"


@pytest.fixture(scope="module")
def whole(analyze_once, many, model_file):
    """The files of a run that asks no service."""
    return results(analyze_once({**predicted_by_model(CONFIG), "predictor": {"model_uri": str(model_file)}}, many))


def is_bad(record):
    return BAD in record


def test_predictions_go_on_where_a_record_failed(analyze, bias, whole, many_csv, server):
    bias["predictor"] = over(server)
    options = ["--max-batch-records", "500", "--retry-seconds", "1"]
    server.faults = Faults(bad_record=is_bad)
    failed = analyze(bias, many_csv, *options)
    assert failed.code == 4, failed.err
    assert f"row key 8500 (record 8,501 of file:{many_csv})" in failed.last_line
    assert "ValueError: no such luck with [" in failed.last_line
    assert "Traceback" not in failed.err
    assert list((failed.output / "_predictions_journal").iterdir())
    assert not (failed.output / "analysis.json").exists()
    server.forget()
    server.faults = Faults()
    resumed = analyze(bias, many_csv, *options)
    assert results(resumed) == whole
    assert 0 < len(server.seen) < 9000 / 500
    assert "note: Resuming" in resumed.err


def test_explanations_go_on_where_a_record_failed(analyze, shap, loans, server, tmp_path, monkeypatch):
    monkeypatch.setattr("clarify_spark.explaining.plan.BLOCK_RECORDS", 2**12)  # some blocks of a hundred rows
    path = tmp_path / "some.csv"
    rows = loans[["approve", *FEATURES]].head(400).reset_index(drop=True)
    rows.loc[390, "obrat"] = BAD
    rows.to_csv(path, index=False)
    shap["predictor"] = over(server)
    whole = analyze(shap, path, output=tmp_path / "whole")
    undisturbed = len(server.seen)
    server.forget()
    server.faults = Faults(bad_record=is_bad)
    failed = analyze(shap, path)
    assert failed.code == 4, failed.err
    assert f"row key 390 (record 391 of file:{path})" in failed.last_line
    assert "ValueError: no such luck with [" in failed.last_line
    assert "Traceback" not in failed.err
    assert list((failed.output / "explanations_shap" / "_journal").glob("range-*"))
    server.forget()
    server.faults = Faults()
    resumed = analyze(shap, path)
    assert results(resumed) == results(whole)
    assert 0 < len(server.seen) < undisturbed


def test_too_many_records_are_refused_before_one_is_sent(analyze, bias, shap, csv, server):
    for config in (
        {**bias, "predictor": over(server)},
        {**shap, "excluded_columns": ["predicted"], "predictor": over(server)},
    ):
        ran = analyze(config, csv, "--max-model-calls", "1000")
        assert ran.code == 2, ran.err
        assert "--max-model-calls 1,000" in ran.last_line
        assert server.seen == []


def test_a_dry_run_asks_about_a_few_rows_only(analyze, bias, csv, server):
    ran = analyze({**bias, "predictor": over(server)}, csv, "--dry-run")
    assert ran.code == 0, ran.err
    assert 1 <= len(server.seen) <= 3
    assert 50 <= len(cells(server)) <= 60
    assert "requests: about 1, " in ran.out


def test_faults_that_pass_change_no_byte_and_are_told(analyze, bias, whole, many_csv, server):
    bias["predictor"] = over(server)
    options = ["--max-batch-records", "100", "--request-timeout", "2"]
    server.faults = Faults(every=7, time_outs=0.02, drops=0.02, pages=0.02, body_limit=2000, seed=2, time_out_seconds=3)
    ran = analyze(bias, many_csv, *options)
    assert results(ran) == whole
    told = json.dumps(ran.json("analysis_details.json"))
    counts = server.traffic()["outcomes"]
    assert min(counts[kind] for kind in ("throttled", "unavailable", "drop", "page", "time_out", "too_large")) > 0
    assert f'"requests": {len(server.seen)}' in told
    assert f'"throttled": {counts["throttled"]}' in told
