"""Kernel SHAP through the command, as users run it: configs in, values and files out."""

import json
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from pyarrow import csv
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from clarify_spark.spark.blocks.checkpoints import Checkpoints
from clarify_spark.spark.files.output import Output

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]
KINDS = {"black": int, "male": int, "chist": int}
PICKLE = ("--allow-pickle",)


@pytest.fixture(scope="session")
def few(loans):
    """The first 300 applications: enough for blocks, parts and partitions."""
    return loans.head(300)


@pytest.fixture
def data(few, tmp_path):
    path = tmp_path / "loans.csv"
    few.drop(columns="predicted").to_csv(path, index=False)
    return path


@pytest.fixture
def modelled(few, tmp_path):
    """A config that explains a fitted estimator; keywords are keys of methods.shap."""

    def make(estimator, target="approve", **shap):
        joblib.dump(estimator.fit(few[FEATURES], few[target]), tmp_path / "model.joblib")
        return explaining(tmp_path / "model.joblib", **shap)

    return make


def explaining(model, **shap):
    return {
        "dataset_type": "text/csv",
        "label": "approve",
        "methods": {"shap": {"save_local_shap_values": True, "seed": 3, **shap}},
        "predictor": {"model_uri": str(model)},
    }


@pytest.fixture(scope="module")
def booster(few):
    return HistGradientBoostingClassifier(max_iter=20).fit(few[FEATURES], few["approve"])


@pytest.fixture(scope="module")
def config_of_booster(booster, few, tmp_path_factory):
    path = tmp_path_factory.mktemp("booster") / "model.joblib"
    joblib.dump(booster, path)
    return explaining(path, baseline=baseline(few))


@pytest.fixture(scope="module")
def explained(analyze_once, config_of_booster, few):
    """A run that explains the booster."""
    return analyze_once(config_of_booster, few.drop(columns="predicted"), *PICKLE)


def baseline(few, rows=3):
    return few[FEATURES].iloc[::97].head(rows).to_numpy().tolist()


def out_csv(ran):
    parts = sorted((ran.output / "explanations_shap" / "out.csv").glob("part-*.csv"))
    assert parts, "no part file"
    return pd.concat([read_exactly(part) for part in parts], ignore_index=True)


def read_exactly(path):
    """A CSV file with every float as written: pandas before 3 reads other last digits."""
    return csv.read_csv(path).to_pandas()


def local(ran):
    parts = sorted((ran.output / "explanations_shap" / "local.parquet").glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


def files(folder):
    """Every file of a run that must not depend on how it was computed."""
    found = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name.name != "analysis_details.json"}


def test_values_of_every_row_add_up_to_its_prediction(explained, booster, few):
    assert explained.code == 0, explained.err
    found = explained.json()["explanations"]["kernel_shap"]["label0"]
    assert list(found["global_shap_values"]) == FEATURES
    background = pd.DataFrame(baseline(few), columns=FEATURES).astype(KINDS)
    assert found["expected_value"] == pytest.approx(booster.predict_proba(background)[:, 1].mean(), abs=1e-12)
    values = out_csv(explained)
    assert list(values.columns) == [f"{name}_label0" for name in FEATURES]
    predictions = booster.predict_proba(few[FEATURES])[:, 1]
    assert np.allclose(values.sum(axis=1) + found["expected_value"], predictions, atol=1e-12)
    means = values.abs().mean().to_numpy()
    assert np.allclose(means, list(found["global_shap_values"].values()), atol=1e-12)


def test_a_linear_model_gives_weight_times_distance_from_the_mean(analyze, modelled, data, few):
    model = LinearRegression()
    config = modelled(model, target="loanprc", baseline=baseline(few))
    ran = analyze(config, data, *PICKLE)
    assert ran.code == 0, ran.err
    distance = few[FEATURES] - np.mean(baseline(few), axis=0)
    assert np.allclose(out_csv(ran), distance * model.coef_, atol=1e-9)


def test_the_baseline_is_written_and_a_computed_one_holds_rows_of_the_data(analyze, modelled, data, few):
    ran = analyze(modelled(HistGradientBoostingClassifier(max_iter=5), num_clusters=4), data, *PICKLE)
    assert ran.code == 0, ran.err
    written = pd.read_csv(ran.output / "explanations_shap" / "baseline.csv")
    assert list(written.columns) == FEATURES
    assert len(written) == 4
    known = {tuple(row) for row in few[FEATURES].to_numpy()}
    assert {tuple(row) for row in written.to_numpy()} <= known


@pytest.mark.spark_line
def test_local_parquet_has_key_prediction_values_errors_and_residual(explained, few):
    rows = local(explained)
    wanted = ["row_key", "prediction_label0", "base_label0", "values_label0", "standard_errors_label0"]
    assert list(rows.columns) == [*wanted, "residual_label0"]
    assert rows["row_key"].tolist() == list(range(len(few)))
    assert np.array_equal(np.stack(rows["values_label0"]), out_csv(explained).to_numpy())
    assert rows["residual_label0"].abs().max() < 1e-12


def test_bias_and_explanations_of_one_run_stand_in_one_file(analyze, modelled, data, few, config):
    made = modelled(LogisticRegression(max_iter=500), baseline=baseline(few))
    bias = {key: config[key] for key in ("label_values_or_threshold", "facet", "group_variable")}
    made = {**made, **bias, "methods": {**config["methods"], **made["methods"]}}
    ran = analyze(made, data, *PICKLE)
    assert ran.code == 0, ran.err
    sections = ["version", "post_training_bias_metrics", "pre_training_bias_metrics", "explanations"]
    assert list(ran.json()) == sections
    details = ran.json("analysis_details.json")
    assert details["kernel_shap"]
    assert details["bias"]["facets"]


@pytest.mark.spark_line
@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(max_iter=500), MLPClassifier((8,), max_iter=50), HistGradientBoostingClassifier(max_iter=10)],
    ids=["logistic", "mlp", "booster"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_partitions_and_arrow_batches_change_no_byte(
    analyze, modelled, data, few, estimator, partitioned, spark, tmp_path
):
    config = modelled(estimator, baseline=baseline(few), num_samples=40)
    found = []
    before = spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch")
    for number, (split, partitions, batch) in enumerate([("128m", 1, 10000), ("1k", 64, 1)]):
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", batch)
        try:
            with partitioned(split, partitions):
                ran = analyze(config, data, *PICKLE, output=tmp_path / f"out{number}")
        finally:
            spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", before)
        assert ran.code == 0, ran.err
        found.append(files(ran.output))
    assert found[0] == found[1]


def test_a_single_file_holds_what_the_parts_hold(analyze, config_of_booster, explained, data):
    single = analyze(config_of_booster, data, *PICKLE, "--single-file")
    assert read_exactly(single.output / "explanations_shap" / "out.csv").equals(out_csv(explained))


def test_a_join_column_is_the_last_one_and_no_feature(analyze, modelled, few, tmp_path):
    path = tmp_path / "with_id.csv"
    few.drop(columns="predicted").assign(id=[f"row {number}, {number}" for number in range(len(few))]).to_csv(
        path, index=False
    )
    config = modelled(LogisticRegression(max_iter=500), baseline=baseline(few))
    ran = analyze({**config, "joinsource_name_or_index": "id"}, path, *PICKLE)
    assert ran.code == 0, ran.err
    values = out_csv(ran)
    assert values.columns[-1] == "id"
    assert values["id"].tolist() == [f"row {number}, {number}" for number in range(len(few))]


def test_only_the_features_to_explain_get_values_and_add_up_with_the_others_kept(analyze, modelled, data, few):
    model = HistGradientBoostingClassifier(max_iter=20)
    ran = analyze(modelled(model, baseline=baseline(few), features_to_explain=["obrat", "unem"]), data, *PICKLE)
    assert ran.code == 0, ran.err
    explained = ran.json()["explanations"]["kernel_shap"]["label0"]
    assert list(explained["global_shap_values"]) == ["obrat", "unem"]
    rows = local(ran)
    kept = [few[FEATURES].assign(obrat=row[2], unem=row[4]) for row in baseline(few)]
    bases = np.mean([model.predict_proba(frame)[:, 1] for frame in kept], axis=0)
    assert np.allclose(rows["base_label0"], bases, atol=1e-12)
    assert np.allclose(rows["base_label0"] + np.stack(rows["values_label0"]).sum(axis=1), rows["prediction_label0"])


def test_log_odds_add_up_to_the_logit(analyze, modelled, data, few):
    model = LogisticRegression(max_iter=500)
    ran = analyze(modelled(model, baseline=baseline(few), use_logit=True), data, *PICKLE)
    assert ran.code == 0, ran.err
    probabilities = model.predict_proba(few[FEATURES])[:, 1]
    expected = ran.json()["explanations"]["kernel_shap"]["label0"]["expected_value"]
    odds = np.log(probabilities / (1 - probabilities))
    assert np.allclose(out_csv(ran).sum(axis=1) + expected, odds, atol=1e-9)


def test_every_class_of_a_model_is_explained_under_its_header(analyze, modelled, data, few):
    few_classes = few.assign(approve=pd.qcut(few["loanprc"], 3, labels=False))
    model = HistGradientBoostingClassifier(max_iter=5)
    config = modelled(model, baseline=baseline(few))
    joblib.dump(model.fit(few_classes[FEATURES], few_classes["approve"]), config["predictor"]["model_uri"])
    config["predictor"]["label_headers"] = ["low", "middle", "high"]
    ran = analyze(config, data, *PICKLE)
    assert ran.code == 0, ran.err
    assert list(ran.json()["explanations"]["kernel_shap"]) == ["low", "middle", "high"]
    columns = out_csv(ran).columns.tolist()
    assert columns == [f"{name}_{label}" for label in ("low", "middle", "high") for name in FEATURES]


@pytest.mark.parametrize(("method", "of"), [("median", np.median), ("mean_sq", lambda v, axis: (v**2).mean(axis))])
def test_global_values_are_made_as_configured(analyze, modelled, data, few, method, of):
    config = modelled(HistGradientBoostingClassifier(max_iter=5), baseline=baseline(few), agg_method=method)
    ran = analyze(config, data, *PICKLE)
    explained = ran.json()["explanations"]["kernel_shap"]["label0"]["global_shap_values"]
    assert np.allclose(list(explained.values()), of(out_csv(ran).to_numpy(), axis=0), atol=1e-12)


def test_local_values_are_written_only_when_asked_for(analyze, modelled, data, few):
    config = modelled(LogisticRegression(max_iter=500), baseline=baseline(few), save_local_shap_values=False)
    ran = analyze(config, data, *PICKLE)
    assert ran.code == 0, ran.err
    assert sorted(path.name for path in (ran.output / "explanations_shap").iterdir()) == ["baseline.csv"]


@pytest.mark.parametrize("engine", ["shared", "pairwise"])
def test_both_engines_give_the_same_values_where_both_are_exact(
    analyze, modelled, booster, explained, data, few, engine
):
    asked = analyze(modelled(clone(booster), baseline=baseline(few), engine=engine), data, *PICKLE)
    assert asked.json("analysis_details.json")["kernel_shap"]["engine"] == engine
    assert np.allclose(out_csv(asked), out_csv(explained), atol=1e-10)


@pytest.mark.spark_line
def test_missing_values_reach_the_model_from_data_and_baseline(analyze, modelled, few, tmp_path):
    holes = few.drop(columns="predicted")
    holes.loc[::3, "unem"] = np.nan
    path = tmp_path / "holes.csv"
    holes.to_csv(path, index=False)
    rows = baseline(few)
    rows[0][2] = None
    model = HistGradientBoostingClassifier(max_iter=20)
    ran = analyze(modelled(model, baseline=rows), path, *PICKLE)
    assert ran.code == 0, ran.err
    expected = ran.json()["explanations"]["kernel_shap"]["label0"]["expected_value"]
    predictions = model.predict_proba(holes[FEATURES])[:, 1]
    assert np.allclose(out_csv(ran).sum(axis=1) + expected, predictions, atol=1e-12)


@pytest.mark.spark_line
def test_text_columns_reach_the_model_as_text(analyze, few, tmp_path, shipped):
    words = few.assign(
        obrat=np.where(few["obrat"] > 35, "heavy", "light"), chist=np.where(few["chist"] == 1, "good", "bad")
    )
    columns = ["obrat", "unem", "chist"]
    path = tmp_path / "words.csv"
    words[columns].to_csv(path, index=False)
    shipped(
        "worded",
        "def predict(frame):\n"
        "    heavy = (frame['obrat'] == 'heavy').astype(float)\n"
        "    good = (frame['chist'] == 'good').astype(float)\n"
        "    return heavy * good + frame['unem'] * 0.1\n",
    )
    shap = {"baseline": [["light", 3.2, "bad"]], "save_local_shap_values": True}
    config = {
        "dataset_type": "text/csv",
        "methods": {"shap": shap},
        "predictor": {"model_uri": "python:worded:predict"},
    }
    ran = analyze(config, path)
    assert ran.code == 0, ran.err
    both = ((words["obrat"] == "heavy") & (words["chist"] == "good")).to_numpy() / 2.0
    values = out_csv(ran).to_numpy()
    assert np.allclose(values[:, 0], both, atol=1e-12)
    assert np.allclose(values[:, 2], both, atol=1e-12)
    assert np.allclose(values[:, 1], (words["unem"] - 3.2) * 0.1, atol=1e-12)


def test_a_dry_run_tells_the_model_records_and_an_estimate_of_time(analyze, modelled, data, few):
    config = modelled(LogisticRegression(max_iter=500), baseline=baseline(few), engine="shared", num_samples=40)
    ran = analyze(config, data, *PICKLE, "--dry-run")
    assert ran.code == 0, ran.err
    assert "300 rows × 40 coalitions × 3 baseline rows" in ran.out
    assert "38,239 model records" in ran.out  # every row once as it is, and a probe of 16 rows, too
    assert not (ran.output / "analysis.json").exists()


def test_more_model_records_than_allowed_are_refused_before_the_start(analyze, modelled, data, few, spark, tmp_path):
    Checkpoints(Output(str(tmp_path / "output"), spark), {"seed": "of a run that was killed"})
    manifest = tmp_path / "output" / "explanations_shap" / "_journal" / "manifest.json"
    before = manifest.read_bytes()
    config = modelled(LogisticRegression(max_iter=500), baseline=baseline(few), engine="shared")
    ran = analyze(config, data, *PICKLE, "--max-model-calls", "1000")
    assert manifest.read_bytes() == before
    assert ran.code == 2
    assert "--max-model-calls 1,000" in ran.err
    assert not (ran.output / "explanations_shap" / "out.csv").exists()


def test_an_option_that_is_no_number_is_refused_in_words(analyze, modelled, data, few):
    ran = analyze(modelled(LogisticRegression(max_iter=500), baseline=baseline(few)), data, "--max-model-calls", "lots")
    assert ran.code == 2
    assert "--max-model-calls: found 'lots'; allowed: a whole number, 1 or more" in ran.last_line


def test_a_baseline_row_of_the_wrong_length_names_the_features(analyze, modelled, data):
    ran = analyze(modelled(LogisticRegression(max_iter=500), baseline=[[1, 2, 3]]), data, *PICKLE)
    assert ran.code == 2
    assert "methods.shap.baseline" in ran.err
    assert "obrat" in ran.err


def test_a_model_that_gives_only_class_names_cannot_be_explained(analyze, data, shipped):
    shipped("named", "def predict(frame):\n    return ['yes'] * len(frame)\n")
    shap = {"baseline": [[0, 1, 30.0, 80.0, 3.2, 1]]}
    config = {"dataset_type": "text/csv", "label": "approve", "methods": {"shap": shap}}
    ran = analyze({**config, "predictor": {"model_uri": "python:named:predict"}}, data)
    assert ran.code == 4
    assert "numbers" in ran.last_line


def test_the_details_say_how_the_values_came_about(explained):
    said = explained.json("analysis_details.json")["kernel_shap"]
    assert said["model_records"] > 0
    assert said["baseline"]["rows"] == 3
    assert json.dumps(said)


def test_a_second_run_replaces_what_the_first_one_wrote(analyze, explained, modelled, data, few, tmp_path):
    shutil.copytree(explained.output, tmp_path / "output")
    model = LogisticRegression(max_iter=500)
    second = analyze(modelled(model, baseline=baseline(few, 1), save_local_shap_values=False), data, *PICKLE)
    assert second.code == 0
    assert sorted(path.name for path in (second.output / "explanations_shap").iterdir()) == ["baseline.csv"]
