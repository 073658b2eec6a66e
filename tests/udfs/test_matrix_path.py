"""One matrix of floats instead of a typed frame: the same answers, to the last bit."""

import inspect
import warnings

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import threadpoolctl
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import all_estimators

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import matrix_of
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.predictors.estimators import predictor
from clarify_spark.udfs.predictors.user_code import one_thread

GENERATOR = np.random.default_rng(11)
N = 90
X = pd.DataFrame(
    {
        "age": GENERATOR.integers(0, 9, N),
        "member": GENERATOR.random(N) > 0.5,
        "income": GENERATOR.normal(5, 2, N),
        "debt": GENERATOR.normal(0, 1, N),
    }
)
HOLES = X.assign(income=X["income"].where(X["income"] > 4))
Y = ((X["age"] + X["income"] + 2 * X["member"]) > 10).astype(int)
KINDS = {"i": "integer", "f": "float", "b": "boolean", "O": "string"}
#: Estimators that one target and several features do not serve.
OTHERS = {
    "CCA", "PLSCanonical", "IsotonicRegression", "ClassifierChain", "RegressorChain", "MultiOutputClassifier",
    "MultiOutputRegressor", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV",
    "SelfTrainingClassifier",
}  # fmt: skip


def spec(frame=X, format="sklearn", path="model", **changes):
    kinds = tuple(KINDS[dtype.kind] for dtype in frame.dtypes)
    return PredictorSpec(format, str(path), tuple(frame.columns), kinds, **changes)


def by_column(frame):
    return np.asfortranarray(frame.to_numpy(dtype=np.float64))


def numbers(answer):
    if answer.scores is not None:
        return answer.scores
    return np.array(answer.labels.tolist(), dtype=np.float64)[:, np.newaxis]


def assert_both_ways_agree(predict, frame):
    answer = matrix_of(predict)(by_column(frame))
    assert answer.labels is None
    np.testing.assert_array_equal(answer.scores, numbers(predict(frame)))
    assert answer.scores.std() > 0


def made(cls):
    inner = LogisticRegression() if issubclass(cls, ClassifierMixin) else Ridge()
    due = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(**{name: [("a", inner), ("b", inner)] if name == "estimators" else inner for name in due})


def fitted(estimator, frame, named=True):
    target = Y if is_classifier(estimator) else X["age"] * 2.0 + X["debt"].abs() + 0.1
    with warnings.catch_warnings(), threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("ignore")
        return estimator.fit(frame if named else frame.to_numpy(dtype=float), target)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cls", [cls for name, cls in all_estimators(type_filter=["classifier", "regressor"]) if name not in OTHERS]
)
def test_every_estimator_of_scikit_learn_answers_a_matrix_as_it_answers_the_frame(cls):
    for frame in (
        X.assign(debt=X["debt"].abs(), income=X["income"].abs()),
        X.abs().astype(float),
    ):
        for named in (True, False):
            predict = predictor(fitted(made(cls), frame, named), spec(frame))
            if matrix_of(predict) is not None:
                answer = matrix_of(predict)(by_column(frame))
                np.testing.assert_array_equal(answer.scores, numbers(predict(frame)))


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2000),
        GradientBoostingClassifier(n_estimators=5),
        RandomForestClassifier(5),
        HistGradientBoostingClassifier(max_iter=5),
        MLPClassifier((8, 8), max_iter=50),
        LinearRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(SimpleImputer(), PolynomialFeatures(), SelectKBest(k=5), StandardScaler(), Ridge()),
        GridSearchCV(RandomForestClassifier(5), {"max_depth": [1, 3]}),
        lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1),
        lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1),
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
        xgboost.XGBRegressor(n_estimators=5, n_jobs=1, booster="dart"),
        make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=5, n_jobs=1, booster="gblinear")),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("named", [True, False])
def test_the_usual_models_have_a_way_for_a_matrix(model, named):
    assert_both_ways_agree(predictor(fitted(model, X, named), spec()), X)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(make_column_transformer((OneHotEncoder(), ["member"]), remainder="passthrough"), Ridge()),
        make_pipeline(FunctionTransformer(lambda frame: frame), Ridge()),
        make_pipeline(StandardScaler().set_output(transform="pandas"), Ridge()),
        HistGradientBoostingClassifier(categorical_features=["member"], max_iter=5),
        LinearSVC(),
    ],
    ids=["columns by name", "a function", "frames between steps", "categories", "classes only"],
)
def test_models_that_may_see_more_than_numbers_have_no_such_way(model):
    assert matrix_of(predictor(fitted(model, X), spec())) is None


@pytest.mark.parametrize("cls", [lightgbm.LGBMClassifier, xgboost.XGBClassifier])
def test_boosters_with_categories_have_no_such_way(cls):
    coded = X[["age", "debt"]].assign(age=pd.Categorical(X["age"] % 5))
    model = cls(
        n_estimators=2, n_jobs=1, **({"enable_categorical": True} if "XGB" in cls.__name__ else {"verbose": -1})
    )
    assert matrix_of(predictor(model.fit(coded, Y), spec(X[["age", "debt"]]))) is None
    assert matrix_of(predictor(model.fit(coded.astype(float), Y), spec(X[["age", "debt"]]))) is not None


class Stranger(BaseEstimator):
    def fit(self, frame, target):
        return self

    def predict(self, frame):
        return frame["age"] * 1.0


def test_an_estimator_of_anyone_else_and_one_within_a_known_one_have_no_such_way():
    assert matrix_of(predictor(Stranger(), spec())) is None
    assert matrix_of(predictor(make_pipeline(Stranger()), spec())) is None


@pytest.mark.parametrize("frame", [X[["age", "member"]], X[["age"]], X.assign(age="a")])
def test_no_float_at_all_or_a_text_leaves_the_frame_as_the_only_way(frame):
    model = fitted(LogisticRegression(max_iter=2000), X)
    assert matrix_of(predictor(model, spec(frame))) is None


@settings(deadline=None, max_examples=30)
@given(st.permutations(list(X.columns)), st.booleans(), st.integers(0, 5))
def test_columns_are_put_in_the_order_of_the_training(tmp_path_factory, order, turned_in_training, kind):
    folder = tmp_path_factory.mktemp("order")
    trained, given = (X[order], X) if turned_in_training else (X, X[order])
    predict = [regression, forest, lightgbm_model, xgboost_model, skops_model, regressor][kind](folder, trained, given)
    assert_both_ways_agree(predict, given)


def regression(_folder, trained, given):
    return predictor(fitted(LogisticRegression(max_iter=2000), trained), spec(given))


def regressor(folder, trained, given):
    joblib.dump(fitted(Ridge(), trained), folder / "m.joblib")
    return load_predictor(spec(given, path=folder / "m.joblib", allow_pickle=True))


def forest(_folder, trained, given):
    return predictor(fitted(RandomForestClassifier(3), trained), spec(given))


def skops_model(folder, trained, given):
    skops.io.dump(fitted(LogisticRegression(max_iter=2000), trained), folder / "m.skops")
    return load_predictor(spec(given, "skops", folder / "m.skops"))


def lightgbm_model(folder, trained, given, **parameters):
    parameters = {"objective": "binary", "num_threads": 1, "verbosity": -1, **parameters}
    target = Y if parameters["objective"] == "binary" else X["age"] % 3
    lightgbm.train(parameters, lightgbm.Dataset(trained.astype(float), target), 5).save_model(folder / "m.txt")
    return load_predictor(spec(given, "lightgbm", folder / "m.txt"))


def xgboost_model(folder, trained, given, target=Y, **parameters):
    parameters = {"objective": "binary:logistic", "nthread": 1, **parameters}
    xgboost.train(parameters, xgboost.DMatrix(trained, target), 5).save_model(folder / "m.json")
    return load_predictor(spec(given, "xgboost", folder / "m.json"))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"objective": "regression"}, {"objective": "multiclass", "num_class": 3}, {"linear_tree": True}],
)
def test_lightgbm_answers_a_matrix_as_it_answers_the_frame_also_with_missing_values(tmp_path, parameters):
    assert_both_ways_agree(lightgbm_model(tmp_path, HOLES, HOLES, **parameters), HOLES)


@pytest.mark.parametrize(
    ("target", "parameters"),
    [
        (Y, {}),
        (X["age"] % 3, {"objective": "multi:softprob", "num_class": 3}),
        (X["debt"], {"objective": "reg:squarederror"}),
        (X["age"], {"objective": "survival:cox"}),
    ],
)
def test_xgboost_answers_a_matrix_as_it_answers_the_frame_also_with_missing_values(tmp_path, target, parameters):
    assert_both_ways_agree(xgboost_model(tmp_path, HOLES, HOLES, target, **parameters), HOLES)


def test_other_boosters_than_gbtree_and_models_of_classes_or_categories_have_no_such_way(tmp_path):
    assert matrix_of(xgboost_model(tmp_path, X, X, booster="gblinear")) is None
    assert matrix_of(xgboost_model(tmp_path, X, X, booster="dart")) is None
    softmax = {"objective": "multi:softmax", "num_class": 3}
    assert matrix_of(xgboost_model(tmp_path, X, X, X["age"] % 3, **softmax)) is None
    coded = X[["age", "debt"]].assign(age=pd.Categorical(X["age"] % 5))
    matrix = xgboost.DMatrix(coded, Y, enable_categorical=True)
    xgboost.train({"nthread": 1}, matrix, 2).save_model(tmp_path / "c.json")
    assert matrix_of(load_predictor(spec(X[["age", "debt"]], "xgboost", tmp_path / "c.json"))) is None
    dataset = lightgbm.Dataset(coded, Y)
    lightgbm.train({"num_threads": 1, "verbosity": -1}, dataset, 2).save_model(tmp_path / "c.txt")
    assert matrix_of(load_predictor(spec(X[["age", "debt"]], "lightgbm", tmp_path / "c.txt"))) is None


@pytest.mark.parametrize(("build", "value"), [("x", np.inf), ("x", -np.inf), ("x", 1e300), ("r", np.inf), ("f", 1e300)])
def test_what_a_library_refuses_in_a_frame_it_refuses_in_a_matrix(tmp_path, build, value):
    predict = {"x": xgboost_model, "r": regression, "f": forest}[build](tmp_path, X, X)
    bad = X.assign(debt=value)
    with pytest.raises(ModelError, match=r"contains `inf` or a value too large|contains infinity or a value too large"):
        predict(bad)
    with pytest.raises(ModelError, match=r"contains `inf` or a value too large|contains infinity or a value too large"):
        matrix_of(predict)(by_column(bad))


def test_missing_values_are_refused_by_a_model_that_knows_none(tmp_path):
    predict = regression(tmp_path, X, X)
    with pytest.raises(ModelError, match="Input X contains NaN"):
        matrix_of(predict)(by_column(HOLES))


@pytest.mark.parametrize("model", [LogisticRegression(max_iter=2000), RandomForestClassifier(3), LinearRegression()])
@pytest.mark.parametrize("named", [True, False])
def test_a_matrix_of_other_features_than_in_training_is_refused(model, named):
    fewer = X[["age", "debt"]]
    predict = predictor(fitted(model, X, named), spec(fewer))
    assert (matrix_of(predict) is None) == named
    with pytest.raises(ModelError, match=r"feature names should match|expecting 4 features"):
        predict(fewer) if named else matrix_of(predict)(by_column(fewer))


@pytest.mark.parametrize("chosen", [{"probability": 0}, {"label": 0}, {"label": 0, "probability": 1}])
def test_the_configured_output_is_the_one_that_a_matrix_gives(tmp_path, chosen):
    xgboost_model(tmp_path, X, X, X["age"] % 3, objective="multi:softprob", num_class=3)
    predict = load_predictor(spec(X, "xgboost", tmp_path / "m.json", **chosen))
    assert_both_ways_agree(predict, X)
    assert matrix_of(predict)(by_column(X)).scores.shape == (N, 1)


def test_parts_that_no_parameter_shows_are_told_to_use_one_job():
    search = fitted(GridSearchCV(RandomForestClassifier(3, n_jobs=2), {"max_depth": [2]}), X)
    predictor(search, spec())
    assert search.best_estimator_.n_jobs == 1


def test_one_thread_holds_within_itself_and_ends_with_the_outermost():
    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    with threadpoolctl.threadpool_limits(2):
        before = threads()
        with one_thread():
            with one_thread():
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert threads() == before
