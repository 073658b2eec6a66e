"""A model may use as many threads as its task has cores, and no more: other tasks run on the other cores."""

import json
import sys

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import threadpoolctl
import xgboost
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier

from clarify_spark.udfs.predictors import PredictorSpec, load_predictor

DRAW = np.random.default_rng(3)
X = pd.DataFrame(DRAW.normal(size=(60, 2)), columns=["age", "income"])
Y = (X.sum(axis=1) > 0).astype(int)


def spec(format, uri, **changes):
    return PredictorSpec(format, str(uri), ("age", "income"), ("float", "float"), allow_pickle=True, **changes)


def pools():
    """How many threads each of the loaded BLAS and OpenMP libraries would use here."""
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}


def asked(frame):
    """A model whose every score is the number of threads that it may use."""
    (threads,) = pools()
    return np.full(len(frame), float(threads))


def load(spec):
    return asked


class Asked(BaseEstimator):
    def predict(self, features):
        return asked(features)


SCRIPT = (
    "import threadpoolctl\n"
    "def model_fn(folder): pass\n"
    "def predict_fn(data, model):\n"
    "    (threads,) = {pool['num_threads'] for pool in threadpoolctl.threadpool_info()}\n"
    "    return [float(threads)] * len(data)\n"
)


@pytest.fixture
def here(monkeypatch):
    """This file as a module that predictors can import."""
    name = "model_threads_of_a_test"
    monkeypatch.setitem(sys.modules, f"{name}", sys.modules[__name__])
    monkeypatch.setitem(sys.modules, f"{name}.inner", sys.modules[__name__])
    return name


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("format", ["python", "own", "sagemaker", "sklearn"])
def test_a_model_finds_blas_and_openmp_limited_to_the_cores_of_the_task(tmp_path, here, format, threads):
    (tmp_path / "inference.py").write_text(SCRIPT)
    joblib.dump(Asked(), tmp_path / "model.joblib")
    own, uri = {
        "python": ("python", f"python:{here}:asked"),
        "own": (f"{here}.inner", "x"),
        "sagemaker": ("sagemaker", tmp_path),
        "sklearn": ("sklearn", tmp_path / "model.joblib"),
    }[format]
    with threadpoolctl.threadpool_limits(2):
        answer = load_predictor(spec(own, uri, threads=threads))(X)
        numbers = answer.scores[:, 0] if answer.scores is not None else answer.labels
        assert set(numbers.tolist()) == {float(threads)}
        assert pools() == {2}


def test_one_thread_is_the_default():
    assert PredictorSpec("python", "m:f", (), ()).threads == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_xgboost_uses_the_cores_of_the_task(tmp_path, monkeypatch, threads):
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 2}, xgboost.DMatrix(X, Y), 2)
    booster.save_model(tmp_path / "model.ubj")
    used = []
    predict = xgboost.Booster.inplace_predict

    def watched(self, *arguments, **keywords):
        used.append(int(json.loads(self.save_config())["learner"]["generic_param"]["nthread"]))
        return predict(self, *arguments, **keywords)

    monkeypatch.setattr(xgboost.Booster, "inplace_predict", watched)
    load_predictor(spec("xgboost", tmp_path / "model.ubj", threads=threads))(X)
    assert used == [threads]


@pytest.mark.parametrize("threads", [1, 3])
def test_lightgbm_uses_the_cores_of_the_task(tmp_path, monkeypatch, threads):
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 2}
    lightgbm.train(parameters, lightgbm.Dataset(X, Y), 2).save_model(tmp_path / "model.txt")
    used = []
    predict = lightgbm.Booster.predict

    def watched(self, *arguments, **keywords):
        used.append(keywords["num_threads"])
        return predict(self, *arguments, **keywords)

    monkeypatch.setattr(lightgbm.Booster, "predict", watched)
    load_predictor(spec("lightgbm", tmp_path / "model.txt", threads=threads))(X)
    assert used == [threads]


def test_jobs_of_scikit_learn_stay_one_however_many_cores_a_task_has(tmp_path, monkeypatch):
    joblib.dump(RandomForestClassifier(3, n_jobs=4, random_state=0).fit(X, Y), tmp_path / "model.joblib")
    jobs = []
    ask = RandomForestClassifier.predict_proba

    def watched(self, features):
        jobs.append(self.n_jobs)
        return ask(self, features)

    monkeypatch.setattr(RandomForestClassifier, "predict_proba", watched)
    load_predictor(spec("sklearn", tmp_path / "model.joblib", threads=3))(X)
    assert jobs == [1]
