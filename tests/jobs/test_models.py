"""Post-training metrics with predictions that executors get from a model."""

import json
import textwrap

import joblib
import lightgbm
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression

from clarify_spark.cli import main

from .conftest import CONFIG

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
ROUNDS = 5


@pytest.fixture
def model_config(config):
    """The config without predictions in the data; tests add the model."""
    del config["predicted_label"]
    return {**config, "excluded_columns": ["predicted"], "predictor": {}}


@pytest.fixture(scope="session")
def logistic(loans):
    return LogisticRegression(max_iter=2000, class_weight="balanced").fit(loans[FEATURES], loans["approve"])


@pytest.fixture(scope="module")
def with_predictions(analyze_once, loans):
    """A function of predictions: a run with them in the data, one for tests with the same."""
    runs = {}

    def run(predicted):
        key = tuple(predicted)
        if key not in runs:
            runs[key] = analyze_once(CONFIG, loans.assign(predicted=predicted))
        return runs[key]

    return run


@pytest.fixture
def same_as(with_predictions):
    """Assert that a run's numbers are those of a run with the same predictions in the data."""

    def check(ran, predicted):
        assert ran.code == 0, ran.err
        expected = with_predictions(predicted)
        assert ran.json() == expected.json()
        performance = [one.json("analysis_details.json")["model_performance"] for one in (ran, expected)]
        assert performance[0] == performance[1]

    return check


def test_a_skops_model_gives_what_the_library_predicts(analyze, model_config, csv, logistic, loans, tmp_path, same_as):
    skops.io.dump(logistic, tmp_path / "model.skops")
    model_config["predictor"] = {"model_uri": str(tmp_path / "model.skops")}
    same_as(analyze(model_config, csv), logistic.predict(loans[FEATURES]))


def test_a_pickled_model_is_refused_unless_allowed(analyze, model_config, csv, logistic, loans, tmp_path, same_as):
    joblib.dump(logistic, tmp_path / "model.joblib")
    model_config["predictor"] = {"model_uri": str(tmp_path / "model.joblib")}
    refused = analyze(model_config, csv)
    assert refused.code == 4
    assert "--allow-pickle" in refused.last_line
    assert "Reading the data" not in refused.err
    assert not (refused.output / "analysis.json").exists()
    same_as(analyze(model_config, csv, "--allow-pickle"), logistic.predict(loans[FEATURES]))


def test_an_xgboost_model_and_a_threshold(analyze, model_config, csv, loans, tmp_path, same_as):
    data = xgboost.DMatrix(loans[FEATURES], loans["approve"])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, ROUNDS)
    booster.save_model(tmp_path / "model.ubj")
    model_config |= {"predictor": {"model_uri": str(tmp_path / "model.ubj")}, "probability_threshold": 0.8}
    same_as(analyze(model_config, csv), (booster.predict(data) > 0.8).astype(int))


def test_a_lightgbm_model(analyze, model_config, csv, loans, tmp_path, same_as):
    data = lightgbm.Dataset(loans[FEATURES], loans["approve"])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, ROUNDS)
    booster.save_model(tmp_path / "model.txt")
    model_config |= {"predictor": {"model_uri": str(tmp_path / "model.txt")}, "probability_threshold": 0.8}
    same_as(analyze(model_config, csv), (booster.predict(loans[FEATURES]) > 0.8).astype(int))


@pytest.mark.spark_line
def test_a_python_function(analyze, model_config, csv, loans, shipped, same_as):
    shipped("approvals", "def low_burden(frame):\n    return (frame['obrat'] < 35).astype(int)\n")
    model_config["predictor"] = {"model_uri": "python:approvals:low_burden"}
    same_as(analyze(model_config, csv), (loans["obrat"] < 35).astype(int))


def test_a_folder_written_for_a_sagemaker_container(analyze, model_config, csv, loans, tmp_path, same_as):
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "limits.json").write_text('{"obrat": 35}')
    (folder / "code" / "inference.py").write_text(
        textwrap.dedent("""
        import json, os

        def model_fn(model_dir):
            with open(os.path.join(model_dir, "limits.json")) as stream:
                return json.load(stream)

        def input_fn(body, content_type):
            assert content_type == "application/jsonlines", content_type
            return [json.loads(line)["features"] for line in body.splitlines()]

        def predict_fn(rows, model):
            return [row[2] < model["obrat"] for row in rows]

        def output_fn(prediction, accept):
            lines = [json.dumps({"answer": {"approve": int(one)}}) for one in prediction]
            return "\\n".join(lines), accept
        """)
    )
    model_config["predictor"] = {
        "model_uri": str(folder),
        "content_type": "application/jsonlines",
        "content_template": '{"features":$features}',
        "label": "answer.approve",
    }
    same_as(analyze(model_config, csv), (loans["obrat"] < 35).astype(int))


@pytest.mark.spark_line
def test_a_model_that_fails_ends_with_4_and_its_own_words(analyze, model_config, csv, shipped):
    shipped("failing", "def predict(frame):\n    raise ValueError('no such luck')\n")
    model_config["predictor"] = {"model_uri": "python:failing:predict"}
    ran = analyze(model_config, csv)
    assert ran.code == 4
    assert "ValueError: no such luck" in ran.err
    assert "failing.py:2" in ran.err


@pytest.mark.spark_line
@pytest.mark.classic("looks into the JVM's cache manager")
def test_nothing_stays_in_the_cache_of_a_session_that_was_there_before(analyze, model_config, csv, shipped, spark):
    spark.catalog.clearCache()
    shipped("careless", "def approve(frame):\n    return (frame['obrat'] < 35).astype(int)\n")
    model_config["predictor"] = {"model_uri": "python:careless:approve"}
    assert analyze(model_config, csv).code == 0
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()


def test_a_model_that_is_not_there_ends_with_4(analyze, model_config, csv, tmp_path):
    model_config["predictor"] = {"model_uri": str(tmp_path / "nothing.skops")}
    ran = analyze(model_config, csv)
    assert ran.code == 4
    assert "nothing.skops" in ran.last_line


@pytest.mark.spark_line
def test_partitions_change_no_prediction(analyze, model_config, loans, tmp_path, shipped, partitioned):
    """Not even those of a model whose answer depends on the rows that it is called with."""
    shipped("relative", "def above_mean(frame):\n    return (frame['obrat'] < frame['obrat'].mean()).astype(int)\n")
    path = tmp_path / "data.csv"
    loans.sample(9000, replace=True, random_state=0).to_csv(path, index=False)
    model_config["predictor"] = {"model_uri": "python:relative:above_mean"}
    model_config["methods"] = {"post_training_bias": {"methods": ["DPPL", "DI", "AD", "RD", "DAR"]}}
    texts = set()
    for split_bytes, tasks in (("1g", "1"), ("16k", "64")):
        with partitioned(split_bytes, tasks):
            ran = analyze(model_config, path, output=tmp_path / tasks)
        assert ran.code == 0, ran.err
        texts.add((ran.output / "analysis.json").read_bytes())
    assert len(texts) == 1


def test_the_demo_trains_analyses_and_tells_the_numbers(spark, tmp_path, capfd):
    assert main(["demo", "--output", str(tmp_path / "demo")]) == 0
    out = capfd.readouterr().out
    assert "race = Black" in out
    assert "sex = Female" in out
    analysis = json.loads((tmp_path / "demo" / "analysis.json").read_text())
    assert [entry["value_or_threshold"] for entry in analysis["post_training_bias_metrics"]["facets"]["race"]] == [
        "Black",
        "Hispanic",
    ]
