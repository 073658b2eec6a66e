import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import PREDICTORS, PredictorSpec, format_of, load_predictor
from clarify_spark.udfs.predictors.estimators import predictor
from clarify_spark.udfs.scoring import score_batches

NAMES = ("age", "income", "city")
KINDS = ("integer", "float", "string")
CSV = "age,income,city\n" + "".join(
    f"{20 + (n * 7) % 50},{'' if n % 9 == 0 else 1.5 * ((n * 13) % 40)},{'' if n % 11 == 0 else 'ABC'[n % 3]}\n"
    for n in range(60)
)
TRAINING = pd.read_csv(io.StringIO(CSV))
TARGET = (TRAINING["age"] + TRAINING["income"].fillna(0) > 70).astype(int)
NUMBERS = TRAINING[["age"]].assign(income=TRAINING["income"].fillna(0))


def from_spark(frame=TRAINING):
    """The frame as Spark hands it over: ids for names, None for a missing text."""
    arrived = frame.astype({name: object for name in frame.columns if name == "city"})
    arrived = arrived.where(arrived.notna(), None) if "city" in arrived else arrived
    arrived.columns = [f"c{position}" for position in range(arrived.shape[1])]
    arrived.insert(0, "row_key", range(len(arrived)))
    return arrived


def spec(path, **changes):
    names = changes.pop("names", NAMES)
    kinds = KINDS[: len(names)]
    values = {
        "format": "sklearn",
        "uri": str(path),
        "feature_names": names,
        "feature_kinds": kinds,
        "allow_pickle": True,
    }
    return PredictorSpec(**{**values, **changes})


def saved(estimator, folder, name="model.joblib"):
    joblib.dump(estimator, folder / name)
    return folder / name


def scored(of, frame=TRAINING):
    rows = from_spark(frame)
    batch = pa.RecordBatch.from_pandas(rows, preserve_index=False)
    return pa.Table.from_batches(score_batches(iter([batch]), of, list(rows.columns[1:]))).to_pandas()


def pipeline(estimator):
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["city"]),
        (SimpleImputer(), ["age", "income"]),
    )
    return make_pipeline(prepared, estimator)


class WritesWhenRead:
    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, "w")


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.pickle"])
def test_a_pickle_is_refused_unread_without_allow_pickle(tmp_path, name):
    target = tmp_path / "written"
    (tmp_path / name).write_bytes(pickle.dumps(WritesWhenRead(target)))
    with pytest.raises(ModelError, match=r"runs any code.*--allow-pickle.*skops"):
        load_predictor(spec(tmp_path / name, allow_pickle=False))
    assert not target.exists()


def test_scores_of_a_pipeline_are_its_own_probabilities_also_for_missing_values(tmp_path):
    model = pipeline(LogisticRegression(max_iter=500)).fit(TRAINING, TARGET)
    got = scored(spec(saved(model, tmp_path)))
    np.testing.assert_array_equal(got["score"], model.predict_proba(TRAINING)[:, 1])
    assert got["label_text"].tolist() == [str(label) for label in model.predict(TRAINING)]
    assert set(got["label_kind"]) == {"integer"}


def test_labels_have_the_values_of_the_training_labels(tmp_path):
    words = TARGET.map({0: "no", 1: "yes"})
    model = pipeline(LogisticRegression(max_iter=500)).fit(TRAINING, words)
    got = scored(spec(saved(model, tmp_path)))
    assert got["label_text"].tolist() == model.predict(TRAINING).tolist()
    strict = scored(spec(saved(model, tmp_path), probability_threshold=0.9))
    yes = model.predict_proba(TRAINING)[:, 1] > 0.9
    assert strict["label_text"].tolist() == ["yes" if one else "no" for one in yes]


def test_more_than_two_classes_give_the_most_probable_one(tmp_path):
    model = RandomForestClassifier(5, random_state=0).fit(NUMBERS, np.arange(60) % 3 * 10)
    got = scored(spec(saved(model, tmp_path), names=("age", "income")), NUMBERS)
    assert got["label_text"].astype(int).tolist() == model.predict(NUMBERS).tolist()
    assert got["score"].tolist() == model.predict_proba(NUMBERS).max(axis=1).tolist()


def test_label_headers_name_the_probability_columns(tmp_path):
    path = saved(LogisticRegression(max_iter=500).fit(NUMBERS, TARGET), tmp_path)
    got = scored(spec(path, names=("age", "income"), label_headers=("denied", "approved")), NUMBERS)
    assert got["label_text"].tolist() == [["denied", "approved"][label] for label in joblib.load(path).predict(NUMBERS)]
    with pytest.raises(ModelError, match=r"names 3 classes, but .* gives 2 probabilities"):
        scored(spec(path, names=("age", "income"), label_headers=("a", "b", "c")), NUMBERS)


def test_probability_picks_the_column_and_the_other_class_is_the_negative(tmp_path):
    model = LogisticRegression(max_iter=500).fit(NUMBERS, TARGET.map({0: "no", 1: "yes"}))
    got = scored(spec(saved(model, tmp_path), names=("age", "income"), probability=0), NUMBERS)
    assert got["score"].tolist() == model.predict_proba(NUMBERS)[:, 0].tolist()
    assert got["label_text"].tolist() == ["no" if p > 0.5 else "yes" for p in got["score"]]


def test_one_of_three_probabilities_is_thresholded_to_one_and_zero(tmp_path):
    model = RandomForestClassifier(5, random_state=0).fit(NUMBERS, np.arange(60) % 3)
    got = scored(spec(saved(model, tmp_path), names=("age", "income"), probability=2), NUMBERS)
    assert got["label_text"].tolist() == [str(int(p > 0.5)) for p in model.predict_proba(NUMBERS)[:, 2]]
    with pytest.raises(ModelError, match=r"predictor.probability 3: .* gives 3 probabilities"):
        scored(spec(saved(model, tmp_path), names=("age", "income"), probability=3), NUMBERS)
    with pytest.raises(ModelError, match=r"predictor.probability 'score': a sklearn model has columns"):
        load_predictor(spec(saved(model, tmp_path), probability="score"))


def test_a_regressor_gives_its_value_and_is_thresholded_only_on_request(tmp_path):
    model = LinearRegression().fit(NUMBERS, NUMBERS["age"] * 2.0)
    path = saved(model, tmp_path)
    got = scored(spec(path, names=("age", "income")), NUMBERS)
    assert set(got["label_kind"]) == {"float"}
    np.testing.assert_array_equal(got["label_text"].astype(float), model.predict(NUMBERS))
    got = scored(spec(path, names=("age", "income"), probability_threshold=80.0), NUMBERS)
    assert got["label_text"].tolist() == [str(int(value > 80)) for value in model.predict(NUMBERS)]


def test_a_classifier_without_probabilities_gives_its_classes(tmp_path):
    model = LinearSVC().fit(NUMBERS, TARGET + 1)
    got = scored(spec(saved(model, tmp_path), names=("age", "income"), probability_threshold=0.5), NUMBERS)
    assert got["label_text"].astype(int).tolist() == model.predict(NUMBERS).tolist()
    assert got["score"].isna().all()


def test_a_model_fitted_without_names_is_called_without_names(tmp_path):
    model = LogisticRegression(max_iter=500).fit(NUMBERS.to_numpy(), TARGET)
    got = scored(spec(saved(model, tmp_path), names=("age", "income")), NUMBERS)
    np.testing.assert_array_equal(got["score"], model.predict_proba(NUMBERS.to_numpy())[:, 1])


def test_columns_are_put_in_the_order_of_the_training(tmp_path):
    model = LogisticRegression(max_iter=500).fit(NUMBERS[["income", "age"]], TARGET)
    got = scored(spec(saved(model, tmp_path), names=("age", "income")), NUMBERS)
    np.testing.assert_array_equal(got["score"], model.predict_proba(NUMBERS[["income", "age"]])[:, 1])


def test_an_unfitting_frame_quotes_what_scikit_learn_says(tmp_path):
    path = saved(LogisticRegression(max_iter=500).fit(NUMBERS, TARGET), tmp_path)
    with pytest.raises(ModelError, match=r"model.joblib failed: ValueError: The feature names should match"):
        scored(spec(path))


def test_a_model_loads_once_per_worker_and_again_when_its_file_changes(tmp_path, monkeypatch):
    path = saved(LogisticRegression(max_iter=500).fit(NUMBERS, TARGET), tmp_path)
    loads = []
    read = joblib.load
    monkeypatch.setattr(joblib, "load", lambda file: loads.append(file) or read(file))
    for _task in range(5):
        scored(spec(path, names=("age", "income")), NUMBERS)
    assert len(loads) == 1
    saved(RandomForestClassifier(3).fit(NUMBERS, TARGET), tmp_path)
    scored(spec(path, names=("age", "income")), NUMBERS)
    assert len(loads) == 2


def test_parallel_estimators_are_told_to_use_one_job(tmp_path):
    forest = RandomForestClassifier(3, n_jobs=4).fit(NUMBERS, TARGET)
    model = make_pipeline(forest)
    predictor(model, spec(tmp_path / "model.joblib"))
    jobs = [value for name, value in model.get_params().items() if name.endswith("n_jobs")]
    assert set(jobs) == {1}


def test_another_version_of_scikit_learn_is_noted_in_one_sentence(tmp_path, caplog):
    import sklearn

    content = pickle.dumps(LogisticRegression(max_iter=500).fit(NUMBERS, TARGET))
    here = sklearn.__version__
    assert content.count(here.encode()) == 1
    (tmp_path / "old.pkl").write_bytes(content.replace(here.encode(), b"1.0.2"[: len(here)].ljust(len(here), b"0")))
    load_predictor(spec(tmp_path / "old.pkl"))
    assert f"was written by scikit-learn 1.0.2, and the executors have {here}" in caplog.text


class Doubled:
    """Looks like an estimator and inherits nothing from scikit-learn."""

    def predict(self, features):
        return features["age"].to_numpy() * 2


def test_an_object_that_only_looks_like_an_estimator_gives_its_values(tmp_path):
    answer = predictor(Doubled(), spec(tmp_path / "model.joblib"))(TRAINING)
    assert (answer.labels.tolist(), answer.label_is) == ((TRAINING["age"] * 2).tolist(), "number")


def test_broken_and_missing_files_are_plain_messages(tmp_path):
    (tmp_path / "model.joblib").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model.joblib cannot be loaded: "):
        load_predictor(spec(tmp_path / "model.joblib"))
    with pytest.raises(ModelError, match=r"there is no model at .*nothing.joblib"):
        load_predictor(spec(tmp_path / "nothing.joblib"))
    with pytest.raises(ModelError, match=r"holds a dict, which has no method predict"):
        load_predictor(spec(saved({"model": 1}, tmp_path, "dict.joblib")))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("m.joblib", "sklearn"),
        ("m.PKL", "sklearn"),
        ("m.pickle", "sklearn"),
        ("m.skops", "skops"),
        ("m.json", "xgboost"),
        ("m.ubj", "xgboost"),
        ("m.xgb", "xgboost"),
        ("m.txt", "lightgbm"),
        ("m.lgb", "lightgbm"),
        ("m.onnx", "onnx"),
        ("model.tar.gz", "sagemaker"),
        ("HTTPS://host/invocations", "http"),
        ("models/loan", "sagemaker"),
        ("models/v1.2/", "sagemaker"),
        ("python:a.b:c", "python"),
    ],
)
def test_the_address_of_a_model_tells_its_format(uri, expected):
    assert format_of(uri) == expected


def test_an_unknown_suffix_asks_for_the_format(tmp_path):
    with pytest.raises(ModelError, match=r"the suffix '.h5' does not determine the format; set predictor.model_format"):
        format_of("model.h5")
    (tmp_path / "v1.2").mkdir()
    assert format_of(str(tmp_path / "v1.2")) == "sagemaker"


def test_every_format_of_the_table_has_a_loader():
    import importlib

    assert all(callable(importlib.import_module(module).load) for module in PREDICTORS.values())
