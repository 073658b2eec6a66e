"""Files that can be read without trusting their author: XGBoost, LightGBM, skops."""

import sys
import zipfile
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.scoring import score_batches

GENERATOR = np.random.default_rng(7)
X = pd.DataFrame(
    {
        "age": GENERATOR.integers(18, 80, 300),
        "income": GENERATOR.normal(50, 20, 300),
        "member": GENERATOR.random(300) > 0.5,
    }
)
X.loc[::17, "income"] = np.nan
Y = ((X["age"] + X["income"].fillna(0) + 20 * X["member"]) > 100).astype(int)
KINDS = {"age": "integer", "income": "float", "member": "boolean", "city": "string"}


def spec(path, format, frame=X, **changes):
    kinds = tuple(KINDS[name] for name in frame.columns)
    return PredictorSpec(format, str(path), tuple(frame.columns), kinds, **changes)


def scored(of, frame=X):
    ids = [f"c{position}" for position in range(frame.shape[1])]
    rows = frame.set_axis(ids, axis=1).assign(row_key=range(len(frame)))
    batch = pa.RecordBatch.from_pandas(rows, preserve_index=False)
    return pa.Table.from_batches(score_batches(iter([batch]), of, ids)).to_pandas()


def numbers(frame):
    return frame.astype("float64")


def boosted(folder, suffix=".json", target=Y, frame=X, **parameters):
    model = xgboost.train({"nthread": 1, "max_depth": 3, **parameters}, xgboost.DMatrix(frame, target), 5)
    model.save_model(folder / f"model{suffix}")
    return model, folder / f"model{suffix}"


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_scores_are_its_own(tmp_path, suffix):
    model, path = boosted(tmp_path, suffix, objective="binary:logistic")
    got = scored(spec(path, "xgboost"))
    expected = model.predict(xgboost.DMatrix(X))
    np.testing.assert_array_equal(got["score"].to_numpy(), expected.astype(np.float64))
    assert got["label_text"].tolist() == [str(int(score > 0.5)) for score in expected]
    assert 0 < expected.mean() < 1


def test_xgboost_columns_are_put_in_the_order_of_the_training(tmp_path):
    _, path = boosted(tmp_path, objective="binary:logistic")
    turned = X[["member", "age", "income"]]
    assert (
        scored(spec(path, "xgboost", turned), turned)["score"].tolist()
        == scored(spec(path, "xgboost"))["score"].tolist()
    )


def test_xgboost_trained_without_names_takes_columns_by_position(tmp_path):
    model = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X.to_numpy(dtype=float), Y), 5)
    model.save_model(tmp_path / "m.ubj")
    expected = model.predict(xgboost.DMatrix(X.to_numpy(dtype=float)))
    np.testing.assert_array_equal(scored(spec(tmp_path / "m.ubj", "xgboost"))["score"], expected.astype(np.float64))


def test_xgboost_classes_are_the_index_or_the_header_of_the_largest_score(tmp_path):
    target = X["age"] // 21 - 0
    target = (target - target.min()).clip(upper=2)
    model, path = boosted(tmp_path, target=target, objective="multi:softprob", num_class=3)
    best = model.predict(xgboost.DMatrix(X)).argmax(axis=1).tolist()
    assert scored(spec(path, "xgboost"))["label_text"].tolist() == [str(index) for index in best]
    named = scored(spec(path, "xgboost", label_headers=("young", "middle", "old")))
    assert named["label_text"].tolist() == [("young", "middle", "old")[index] for index in best]
    one = scored(spec(path, "xgboost", probability=1))
    assert one["label_text"].tolist() == [str(int(p > 0.5)) for p in model.predict(xgboost.DMatrix(X))[:, 1]]
    model, path = boosted(tmp_path, target=target, objective="multi:softmax", num_class=3)
    assert scored(spec(path, "xgboost"))["label_text"].tolist() == [str(index) for index in best]


def test_a_boosted_regression_is_thresholded_only_on_request(tmp_path):
    model, path = boosted(tmp_path, target=X["age"] * 10.0, objective="reg:squarederror")
    expected = model.predict(xgboost.DMatrix(X))
    got = scored(spec(path, "xgboost"))
    assert set(got["label_kind"]) == {"float"}
    np.testing.assert_allclose(got["label_text"].astype(float), expected)
    got = scored(spec(path, "xgboost", probability_threshold=500.0))
    assert got["label_text"].tolist() == [str(int(value > 500)) for value in expected]


def test_trees_after_the_best_iteration_are_left_out_as_in_the_scikit_learn_interface(tmp_path):
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=2, learning_rate=1.0, n_jobs=1)
    model.fit(X[:200], Y[:200], eval_set=[(X[200:], 1 - Y[200:])], verbose=False)
    model.save_model(tmp_path / "model.json")
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    got = scored(spec(tmp_path / "model.json", "xgboost"))
    np.testing.assert_allclose(got["score"], model.predict_proba(X)[:, 1], rtol=1e-6)


def test_xgboost_keeps_its_own_categories_whatever_values_a_block_holds(tmp_path):
    cities = X[["age"]].assign(city=[f"town {age % 5}" for age in X["age"]])
    trained = cities.astype({"city": "category"})
    target = (X["age"] % 5 == 3).astype(int)
    matrix = xgboost.DMatrix(trained, target, enable_categorical=True)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 5)
    model.save_model(tmp_path / "model.json")
    of = spec(tmp_path / "model.json", "xgboost", cities)
    np.testing.assert_array_equal(scored(of, cities)["score"], model.predict(matrix).astype(np.float64))
    some = cities[cities["city"] == "town 3"]
    assert set(scored(of, some)["label_text"]) == {"1"}


def test_a_block_without_any_value_of_an_xgboost_category_is_scored_as_missing(tmp_path):
    cities = pd.DataFrame(
        {
            "city": [f"town {age % 5}" for age in X["age"]],
            "member": ["ab"[age % 2] for age in X["age"]],
            "age": X["age"],
        }
    )
    trained = cities.astype({"city": "category", "member": "category"})
    target = (X["age"] % 5 == 3).astype(int)
    matrix = xgboost.DMatrix(trained, target, enable_categorical=True)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, matrix, 5)
    model.save_model(tmp_path / "model.json")
    empty = trained[:9].assign(city=pd.Series([None] * 9, dtype=trained["city"].dtype))
    expected = model.predict(xgboost.DMatrix(empty, enable_categorical=True))
    missing = cities.assign(city=None)[:9]
    of = replace(spec(tmp_path / "model.json", "xgboost", cities), feature_kinds=("string", "string", "integer"))
    got = scored(of, missing)
    np.testing.assert_array_equal(got["score"], expected.astype(np.float64))
    with pytest.raises(ModelError, match=r"column city holds 'elsewhere', which was not a category in training"):
        scored(of, cities.assign(city="elsewhere"))


def test_an_older_xgboost_that_forgets_categories_is_refused(tmp_path, monkeypatch):
    trained = pd.DataFrame({"city": pd.Categorical(["a", "b"] * 20)})
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(trained, [0, 1] * 20, enable_categorical=True), 1)
    model.save_model(tmp_path / "model.json")
    monkeypatch.setattr(xgboost, "__version__", "2.1.4")
    cities = trained.astype({"city": object})
    with pytest.raises(ModelError, match=r"trained on categories \(city\), which xgboost before 3.1 does not store"):
        scored(spec(tmp_path / "model.json", "xgboost", cities), cities)


def test_lightgbm_scores_are_its_own(tmp_path):
    model = lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbosity": -1}, lightgbm.Dataset(numbers(X), Y), num_boost_round=5
    )
    model.save_model(tmp_path / "model.txt")
    got = scored(spec(tmp_path / "model.txt", "lightgbm"))
    expected = model.predict(numbers(X))
    np.testing.assert_array_equal(got["score"], expected)
    assert got["label_text"].tolist() == [str(int(score > 0.5)) for score in expected]
    turned = X[["member", "age", "income"]]
    assert scored(spec(tmp_path / "model.txt", "lightgbm", turned), turned)["score"].tolist() == expected.tolist()


def test_lightgbm_classes_and_regressions(tmp_path):
    quiet = {"num_threads": 1, "verbosity": -1}
    model = lightgbm.train(
        {"objective": "multiclass", "num_class": 3, **quiet}, lightgbm.Dataset(numbers(X), X["age"] % 3), 5
    )
    model.save_model(tmp_path / "classes.txt")
    expected = model.predict(numbers(X)).argmax(axis=1)
    assert scored(spec(tmp_path / "classes.txt", "lightgbm"))["label_text"].tolist() == [str(c) for c in expected]
    model = lightgbm.train({"objective": "regression", **quiet}, lightgbm.Dataset(numbers(X), X["age"]), 5)
    model.save_model(tmp_path / "values.txt")
    got = scored(spec(tmp_path / "values.txt", "lightgbm"))
    np.testing.assert_allclose(got["label_text"].astype(float), model.predict(numbers(X)))


def test_lightgbm_gets_its_categories_back(tmp_path):
    cities = X[["age"]].assign(city=[f"town {age % 5}" for age in X["age"]])
    trained = cities.astype({"city": pd.CategoricalDtype([f"town {n}" for n in (3, 1, 0, 2, 4)])})
    parameters = {"objective": "binary", "num_threads": 1, "verbosity": -1, "min_data_per_group": 1, "cat_smooth": 0.1}
    model = lightgbm.train(parameters, lightgbm.Dataset(trained, (X["age"] % 5 == 3).astype(int)), 5)
    model.save_model(tmp_path / "model.txt")
    of = spec(tmp_path / "model.txt", "lightgbm", cities)
    np.testing.assert_array_equal(scored(of, cities)["score"], model.predict(trained))
    some = cities[cities["city"] != "town 0"]
    np.testing.assert_array_equal(scored(of, some)["score"], model.predict(trained.loc[some.index]))
    missing = cities.assign(city=None)[:9]
    empty = trained[:9].assign(city=pd.Series([None] * 9, dtype=trained["city"].dtype))
    np.testing.assert_array_equal(scored(of, missing)["score"], model.predict(empty))
    np.testing.assert_array_equal(scored(of, missing.assign(city="elsewhere"))["score"], model.predict(empty))


def test_lightgbm_gets_numbers_that_were_categories_back(tmp_path):
    codes = X[["age", "income"]].assign(age=X["age"] % 5)
    trained = codes.assign(age=pd.Categorical(codes["age"], categories=[3, 1, 0, 2, 4]))
    parameters = {"objective": "binary", "num_threads": 1, "verbosity": -1, "min_data_per_group": 1, "cat_smooth": 0.1}
    model = lightgbm.train(parameters, lightgbm.Dataset(trained, (codes["age"] == 3).astype(int)), 5)
    model.save_model(tmp_path / "model.txt")
    of = spec(tmp_path / "model.txt", "lightgbm", codes)
    np.testing.assert_array_equal(scored(of, codes)["score"], model.predict(trained))
    holes = codes.assign(age=codes["age"].where(codes["age"] != 1))
    expected = model.predict(trained.assign(age=trained["age"].where(codes["age"] != 1)))
    np.testing.assert_array_equal(scored(of, holes)["score"], expected)


@pytest.mark.parametrize(("format", "name"), [("xgboost", "m.json"), ("lightgbm", "m.txt"), ("skops", "m.skops")])
def test_a_file_that_is_no_model_is_a_plain_message(tmp_path, format, name):
    (tmp_path / name).write_text("not a model")
    with pytest.raises(ModelError, match=rf"{name} cannot be loaded") as caught:
        load_predictor(spec(tmp_path / name, format))
    assert "Stack trace" not in str(caught.value)


def test_text_features_and_other_features_than_in_training_are_named(tmp_path):
    _, path = boosted(tmp_path, objective="binary:logistic")
    worded = X.assign(city="a").drop(columns="member")
    with pytest.raises(ModelError, match=r"not in the data: member; unknown to the model: city \(leave them out with"):
        scored(spec(path, "xgboost", worded), worded)
    model = xgboost.train({}, xgboost.DMatrix(X.to_numpy(dtype=float), Y), 2)
    model.save_model(tmp_path / "nameless.json")
    with pytest.raises(ModelError, match="takes numbers, but these columns hold text: city"):
        scored(spec(tmp_path / "nameless.json", "xgboost", worded), worded)
    with pytest.raises(ModelError, match="xgboost outputs have no names; use an index"):
        load_predictor(spec(path, "xgboost", probability="score"))


@pytest.mark.parametrize(("format", "extra"), [("xgboost", "xgboost"), ("lightgbm", "lightgbm"), ("skops", "sklearn")])
def test_a_missing_library_says_how_to_install_it(tmp_path, monkeypatch, format, extra):
    (tmp_path / "model").write_text("")
    monkeypatch.setitem(sys.modules, format, None)
    monkeypatch.delitem(sys.modules, "skops.io", raising=False)
    with pytest.raises(
        ModelError, match=rf"{format} is not installed on the executors: pip install 'clarify-spark\[{extra}\]'"
    ):
        load_predictor(spec(tmp_path / "model", format))


def test_skops_scores_are_the_models_own_without_any_permission(tmp_path):
    full = X.fillna({"income": 0.0})
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(full, Y)
    skops.io.dump(model, tmp_path / "model.skops")
    got = scored(spec(tmp_path / "model.skops", "skops", full), full)
    np.testing.assert_array_equal(got["score"], model.predict_proba(full)[:, 1])


def test_types_that_skops_does_not_trust_are_listed_and_only_the_user_can_allow_them(tmp_path):
    full = X.fillna({"income": 0.0})
    model = make_pipeline(FunctionTransformer(numbers), LogisticRegression(max_iter=1000)).fit(full, Y)
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    (stranger,) = skops.io.get_untrusted_types(file=path)
    with pytest.raises(ModelError, match=rf"does not trust by default: {stranger}; if you trust them"):
        load_predictor(spec(path, "skops", full))
    with pytest.raises(ModelError, match=stranger):
        load_predictor(spec(path, "skops", full, trusted_types=("another.type",)))
    got = scored(spec(path, "skops", full, trusted_types=(stranger, "another.type")), full)
    np.testing.assert_array_equal(got["score"], model.predict_proba(full)[:, 1])


def test_a_skops_file_that_names_a_dangerous_function_is_refused(tmp_path):
    skops.io.dump(FunctionTransformer(numbers), tmp_path / "good.skops")
    with zipfile.ZipFile(tmp_path / "good.skops") as good, zipfile.ZipFile(tmp_path / "bad.skops", "w") as bad:
        for name in good.namelist():
            content = (
                good.read(name).decode().replace(f'"{numbers.__module__}"', '"os"').replace('"numbers"', '"system"')
            )
            bad.writestr(name, content)
    with pytest.raises(ModelError, match=r"os.system|posix.system"):
        load_predictor(spec(tmp_path / "bad.skops", "skops"))
