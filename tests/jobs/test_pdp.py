"""Partial dependence through the command, against scikit-learn and counts by pandas."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import partial_dependence
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from clarify_spark.cli import main
from clarify_spark.spark.blocks.checkpoints import CURVES, Checkpoints

FEATURES = ["male", "obrat", "loanprc", "unem", "region", "insured", "note"]
PICKLE = ("--allow-pickle",)


@pytest.fixture(scope="module")
def few(loans):
    """400 applications with a text, a boolean, a text of its own for each row, and missing values."""
    rng = np.random.default_rng(0)
    frame = loans[["approve", "male", "obrat", "loanprc", "unem"]].head(400).reset_index(drop=True)
    frame["region"] = rng.choice(["north", "south", "<b>east</b>"], 400)
    frame["insured"] = rng.random(400) < 0.4
    frame["note"] = [f"note {number}" for number in range(400)]
    frame.loc[::13, ["unem", "region"]] = np.nan
    return frame


@pytest.fixture(scope="module")
def model(few):
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["region", "insured"]), ("drop", ["note"]), remainder="passthrough"
    )
    forest = RandomForestClassifier(20, max_depth=5, random_state=0)
    target = few["approve"] + (few["region"] == "south")
    return make_pipeline(encoder, forest).fit(few[FEATURES], target)


@pytest.fixture
def data(few, tmp_path):
    path = tmp_path / "loans.csv"
    few.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def config(model, tmp_path_factory):
    """A config for that model of three classes; keywords are keys of methods.pdp."""
    path = tmp_path_factory.mktemp("forest") / "model.joblib"
    joblib.dump(model, path)

    def make(shap=None, **pdp):
        methods = {"pdp": {"grid_resolution": 6, **pdp}}
        return {
            "dataset_type": "text/csv",
            "label": "approve",
            "methods": {**methods, "shap": shap} if shap is not None else methods,
            "predictor": {"model_uri": str(path), "label_headers": ["no", "yes", "south"]},
        }

    return make


@pytest.fixture(scope="module")
def finished(analyze_once, config, few):
    """A run with all features and all rows."""
    return analyze_once(config(features=FEATURES), few, *PICKLE, "--pdp-rows", "9999")


def curves(ran):
    return {curve["feature_name"]: curve for curve in ran.json()["explanations"]["pdp"]}


def test_curves_are_those_of_scikit_learn_and_distributions_those_of_pandas(finished, few, model):
    assert finished.code == 0, finished.err
    found = curves(finished)
    assert list(found) == FEATURES
    for name in ("male", "obrat", "unem", "region", "insured"):
        curve = found[name]
        text = name == "region"
        grid = np.array(curve["feature_values"], object if text else None)
        rows = few[FEATURES].astype({name: object if text else bool if name == "insured" else float})
        wanted = partial_dependence(
            model, rows, [name], method="brute", response_method="predict_proba", custom_values={name: grid}
        )
        np.testing.assert_allclose(curve["model_predictions"], wanted["average"], atol=1e-10)
        assert curve["label_headers"] == ["no", "yes", "south"]
    assert found["region"]["feature_values"] == ["<b>east</b>", "north", "south"]
    shares = few["region"].value_counts(normalize=True)
    np.testing.assert_allclose(found["region"]["data_distribution"], shares[found["region"]["feature_values"]])
    assert found["insured"]["feature_values"] == [False, True]
    values = few["unem"].dropna()
    counts, edges = np.histogram(values, bins=6)
    np.testing.assert_allclose(found["unem"]["feature_values"], (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_allclose(found["unem"]["data_distribution"], counts / len(values))
    assert found["note"] == {
        "feature_name": "note",
        "data_type": "categorical",
        "error": found["note"]["error"],
    }
    assert "distinct texts; partial dependence is computed for at most 200" in found["note"]["error"]
    assert "note: none, the feature has" in finished.out


def test_details_have_standard_errors_and_curves_of_single_rows(finished, few, model):
    details = finished.json("analysis_details.json")["partial_dependence"]
    assert (details["rows"], details["of_rows"], details["sampled"]) == (400, 400, False)
    assert len(details["individual_rows"]) == 50
    feature = next(one for one in details["features"] if one["feature_name"] == "obrat")
    individual = np.array(feature["individual_predictions"])
    assert individual.shape == (3, 50, 6)
    place = int(details["individual_rows"][7].split()[1]) - 1
    values = curves(finished)["obrat"]["feature_values"]
    outputs = np.stack([model.predict_proba(few[FEATURES].assign(obrat=value)) for value in values])
    np.testing.assert_allclose(individual[:, 7], outputs[:, place].T, atol=1e-12)
    errors = outputs.std(axis=1, ddof=1) / len(few) ** 0.5
    np.testing.assert_allclose(feature["standard_errors"], errors.T, rtol=1e-9)


def test_a_sample_of_rows_is_drawn_by_the_seed_and_told(analyze, config, data, tmp_path):
    asked = config(features=["obrat", "region"])
    ran = analyze(asked, data, *PICKLE, "--pdp-rows", "60", "--seed", "4")
    assert ran.code == 0, ran.err
    assert "Partial dependence uses 60 of 400 rows (--pdp-rows)" in ran.err
    details = ran.json("analysis_details.json")["partial_dependence"]
    assert (details["rows"], details["of_rows"], details["sampled"]) == (60, 400, True)
    assert details["model_records"] == 60 * 9
    again = analyze(asked, data, *PICKLE, "--pdp-rows", "60", "--seed", "4", output=tmp_path / "again")
    other = analyze(asked, data, *PICKLE, "--pdp-rows", "60", "--seed", "5", output=tmp_path / "other")
    assert again.json() == ran.json()
    assert curves(other)["obrat"]["model_predictions"] != curves(ran)["obrat"]["model_predictions"]


def test_without_features_those_with_the_largest_shap_values_get_a_curve(analyze, config, data):
    shap = {"num_clusters": 2, "num_samples": 20, "seed": 1}
    ran = analyze(config(shap=shap, top_k_features=2), data, *PICKLE)
    assert ran.code == 0, ran.err
    explanations = ran.json()["explanations"]
    assert list(explanations) == ["kernel_shap", "pdp"]
    totals = pd.DataFrame(
        {label: of_label["global_shap_values"] for label, of_label in explanations["kernel_shap"].items()}
    ).sum(axis=1)
    assert list(curves(ran)) == list(totals.sort_values(ascending=False).index[:2])


@pytest.mark.spark_line
def test_the_answer_does_not_depend_on_partitions(analyze, config, data, partitioned, tmp_path):
    asked = config(features=["obrat", "region"])
    one = analyze(asked, data, *PICKLE)
    with partitioned(2000, 7):
        many = analyze(asked, data, *PICKLE, output=tmp_path / "many")
    assert (many.output / "analysis.json").read_bytes() == (one.output / "analysis.json").read_bytes()


@pytest.mark.spark_line
def test_what_a_failed_run_has_finished_is_not_asked_for_again(analyze, config, data, few, tmp_path, monkeypatch):
    asked = config(features=["obrat"])
    monkeypatch.setattr("clarify_spark.explaining.dependence.MOST_BLOCK_ROWS", 64)
    whole = analyze(asked, data, *PICKLE)
    calls = []
    commit = Checkpoints.commit

    def full(checkpoints, done, blocks):
        if calls:
            raise OSError(28, "No space left on device")
        calls.append(done)
        commit(checkpoints, done, blocks)

    target = tmp_path / "target"
    with monkeypatch.context() as failing:
        failing.setattr(Checkpoints, "commit", full)
        assert analyze(asked, data, *PICKLE, output=target).code != 0
    assert list((target / CURVES).glob("range-*.arrow"))
    ran = analyze(asked, data, *PICKLE, output=target)
    assert "Resuming: " in ran.err
    assert (ran.output / "analysis.json").read_bytes() == (whole.output / "analysis.json").read_bytes()
    assert not (target / CURVES).exists()


@pytest.mark.parametrize(("features", "said"), [(["approve"], "which is not a feature"), (["nothing"], "nothing")])
def test_what_is_no_feature_is_refused(analyze, config, data, features, said):
    ran = analyze(config(features=features), data, *PICKLE)
    assert ran.code == 2
    assert "methods.pdp.features[0]" in ran.err
    assert said in ran.err


def test_a_dry_run_tells_the_cost_and_a_limit_refuses_it(analyze, config, data):
    asked = config(features=["obrat", "region", "note"])
    told = analyze(asked, data, *PICKLE, "--dry-run")
    assert "partial dependence: 400 rows × 9 grid points of 3 features = about 3,600 model records" in told.out
    refused = analyze(asked, data, *PICKLE, "--max-model-calls", "3599")
    assert refused.code == 2
    assert "--pdp-rows" in refused.err
    assert analyze(asked, data, *PICKLE, "--max-model-calls", "3600").code == 0


def test_a_run_in_which_no_feature_has_a_curve_says_why(analyze, config, data):
    ran = analyze(config(features=["note"]), data, *PICKLE)
    assert ran.code == 0
    assert [sorted(curve) for curve in ran.json()["explanations"]["pdp"]] == [["data_type", "error", "feature_name"]]
    assert "Partial dependence: rows: 0 of 400, features: 1, model records: 0" in ran.out


def test_a_config_with_partial_dependence_validates(config, tmp_path, capfd):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(features=["obrat"])))
    assert main(["validate", str(path)]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"{path}: valid"
