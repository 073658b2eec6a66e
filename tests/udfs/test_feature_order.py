"""Columns in another order than in training: the answers of the model for them in its own order, or a refusal."""

import inspect
import warnings

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import all_estimators

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import matrix_of
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.predictors.estimators import predictor

GENERATOR = np.random.default_rng(5)
NAMES = ["age", "income", "debt", "term"]
X = pd.DataFrame(np.abs(GENERATOR.normal([30.0, 5.0, 0.5, 2.0], [9.0, 3.0, 0.4, 1.0], (80, 4))), columns=NAMES)
Y = (X["income"] * 4 - X["age"] + X["debt"] > -12).astype(int)
OTHER = ["debt", "term", "age", "income"]
#: Estimators that one target and several features do not serve.
UNFIT = {
    "CCA", "PLSCanonical", "IsotonicRegression", "ClassifierChain", "RegressorChain", "MultiOutputClassifier",
    "MultiOutputRegressor", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV",
    "SelfTrainingClassifier",
}  # fmt: skip


def spec(names, format="sklearn", path="model", **changes):
    return PredictorSpec(format, str(path), tuple(names), ("float",) * len(names), **changes)


def made(cls):
    inner = LogisticRegression() if issubclass(cls, ClassifierMixin) else Ridge()
    due = [one.name for one in inspect.signature(cls).parameters.values() if one.default is one.empty]
    return cls(**{name: [("a", inner), ("b", inner)] if name == "estimators" else inner for name in due})


def quietly(work, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(*arguments)


def direct(estimator, frame):
    """What the model answers itself, a number for each row."""
    if hasattr(estimator, "predict_proba"):
        return quietly(estimator.predict_proba, frame)[:, 1]
    return np.asarray(quietly(estimator.predict, frame), dtype=float).reshape(len(frame))


def numbers(answer):
    return answer.scores[:, 0] if answer.scores is not None else np.array(answer.labels.tolist(), dtype=float)


def assert_its_own_answers(estimator, trained=X):
    right = direct(estimator, trained)
    names = [trained.columns[NAMES.index(name)] for name in OTHER]
    predict = predictor(estimator, spec(names))
    np.testing.assert_allclose(numbers(predict(trained[names])), right, rtol=1e-9, atol=1e-12)
    if matrix_of(predict) is not None:
        cells = np.asfortranarray(trained[names].to_numpy())
        np.testing.assert_allclose(matrix_of(predict)(cells).scores[:, 0], right, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cls", [cls for name, cls in all_estimators(type_filter=["classifier", "regressor"]) if name not in UNFIT]
)
def test_every_estimator_of_scikit_learn_gets_the_order_of_its_training(cls):
    estimator = quietly(made, cls)
    assert_its_own_answers(quietly(estimator.fit, X, Y if is_classifier(estimator) else X["income"] + 0.1))


class GoesByName(BaseEstimator):
    """Knows no names, and takes what it wants from a frame."""

    def fit(self, frame, target):
        self.n_features_in_ = frame.shape[1]
        return self

    def predict(self, frame):
        return frame["income"].to_numpy() * 4 - frame["age"].to_numpy()


class Holder:
    """A plain object around a fitted model, to which it hands on bare numbers."""

    def __init__(self, model):
        self.model = model

    def predict(self, frame):
        return self.model.predict(frame.to_numpy())


class LikeCatBoost:
    """Has its names where CatBoost has them; refuses other frames, and takes arrays by position."""

    def fit(self, frame, target):
        self.feature_names_, self.n_features_in_ = list(frame.columns), frame.shape[1]
        self.model = LinearRegression().fit(frame.to_numpy(), target)
        return self

    def predict(self, frame):
        if isinstance(frame, pd.DataFrame) and list(frame.columns) != self.feature_names_:
            raise ValueError("other names")
        return self.model.predict(np.asarray(frame))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline("passthrough", LogisticRegression()),
        Pipeline([("nothing", None), ("trees", RandomForestClassifier(5, random_state=0))]),
        make_pipeline(FunctionTransformer(), StandardScaler(), LogisticRegression()),
        make_pipeline("passthrough", lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)),
        make_pipeline("passthrough", xgboost.XGBClassifier(n_estimators=5)),
        GridSearchCV(make_pipeline("passthrough", LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}),
        CalibratedClassifierCV(make_pipeline("passthrough", LogisticRegression())),
        VotingClassifier([("a", make_pipeline("passthrough", LogisticRegression()))], voting="soft"),
        lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
        xgboost.XGBRegressor(n_estimators=5),
        GoesByName(),
        LikeCatBoost(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_models_that_tell_their_names_only_inside_get_the_order_of_their_training_too(model):
    assert_its_own_answers(quietly(model.fit, X, Y))


def test_an_object_around_boosters_gets_the_order_of_their_training():
    train = lightgbm.Dataset(X, Y, params={"verbose": -1})
    assert_its_own_answers(Holder(lightgbm.train({"objective": "binary", "verbose": -1}, train, 5)))
    assert_its_own_answers(Holder(quietly(lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit, X, Y)))


def test_a_users_class_never_gets_an_array_instead_of_the_frame():
    for model in (Holder(LinearRegression().fit(X, Y)), GoesByName().fit(X, Y), LikeCatBoost().fit(X, Y)):
        assert matrix_of(predictor(model, spec(NAMES))) is None


def test_parts_that_disagree_are_refused():
    first = LinearRegression().fit(X, Y)
    second = LinearRegression().fit(X[OTHER], Y)
    holder = Holder([first, second])
    with pytest.raises(ModelError, match="its parts were trained on the columns in different orders"):
        predictor(holder, spec(NAMES))


@pytest.mark.parametrize("prefix", ["f", "Column_", ""])
def test_names_like_those_that_libraries_make_up_are_names_if_the_data_has_them(tmp_path, prefix):
    named = X.set_axis([f"{prefix}{place}" for place in range(4)], axis=1)
    others = [named.columns[NAMES.index(name)] for name in OTHER]
    assert_its_own_answers(LinearRegression().fit(named, Y), named)
    assert_its_own_answers(quietly(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit, named, Y), named)
    for booster, format, path in (
        (xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(named, Y), 5), "xgboost", "model.ubj"),
        (
            lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(named, Y), 5),
            "lightgbm",
            "model.txt",
        ),
    ):
        booster.save_model(str(tmp_path / path))
        right = booster.predict(xgboost.DMatrix(named) if format == "xgboost" else named)
        predict = load_predictor(spec(others, format, tmp_path / path))
        np.testing.assert_allclose(predict(named[others]).scores[:, 0], right, rtol=1e-6)
        cells = np.asfortranarray(named[others].to_numpy())
        np.testing.assert_allclose(matrix_of(predict)(cells).scores[:, 0], right, rtol=1e-6)


def test_names_with_blanks_are_those_that_lightgbm_writes_with_underscores(tmp_path):
    named = X.set_axis(["the age", "an income", "debt", "a term"], axis=1)
    others = [named.columns[NAMES.index(name)] for name in OTHER]
    estimator = quietly(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit, named, Y)
    assert_its_own_answers(estimator, named)
    assert_its_own_answers(make_pipeline("passthrough", estimator), named)
    estimator.booster_.save_model(str(tmp_path / "model.txt"))
    predict = load_predictor(spec(others, "lightgbm", tmp_path / "model.txt"))
    np.testing.assert_allclose(predict(named[others]).scores[:, 0], direct(estimator, named))


def test_frames_with_other_names_are_refused_by_models_that_take_them_by_position():
    estimator = quietly(lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit, X, Y)
    renamed = X.rename(columns={"age": "years"})
    predict = predictor(estimator, spec(renamed.columns))
    with pytest.raises(ModelError, match=r"not in the data: age; unknown to the model: years"):
        predict(renamed)
