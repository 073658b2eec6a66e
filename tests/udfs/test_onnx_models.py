"""ONNX files, held against onnxruntime itself and against the scikit-learn models that they were made from."""

import sys
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper, save_model
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import matrix_of
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.scoring import resolved_labels

DRAW = np.random.default_rng(3)
N = 120
X = pd.DataFrame(
    {
        "age": DRAW.integers(18, 80, N),
        "income": DRAW.normal(5, 2, N).astype(np.float32).astype(float),
        "member": DRAW.random(N) > 0.5,
    }
)
Y = (X["age"] / 10 + X["income"] + 2 * X["member"] > 10).astype(int)
PEOPLE = X.assign(city=np.array(["Oslo", "Rome", "Bern"])[DRAW.integers(0, 3, N)])[["city", "age", "income"]]
KINDS = {"i": "integer", "f": "float", "b": "boolean", "O": "string", "T": "string"}
MATRIX = [("X", FloatTensorType([None, 3]))]


def spec(path, frame=X, **changes):
    kinds = tuple("string" if dtype.kind not in "ifb" else KINDS[dtype.kind] for dtype in frame.dtypes)
    return PredictorSpec("onnx", str(path), tuple(frame.columns), kinds, **changes)


def exported(folder, model, inputs=MATRIX, zipmap=False):
    options = {"zipmap": zipmap} if hasattr(model, "predict_proba") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = convert_sklearn(model, initial_types=inputs, options=options and {id(model): options})
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    return folder / "model.onnx"


def fitted(model, target=Y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X.to_numpy(dtype=np.float32), target)


def own(path, frame=X):
    """What onnxruntime says on one thread: sums of trees round by the number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"X": frame.to_numpy(dtype=np.float32)})


def labels(predict, of, frame=X):
    return resolved_labels(predict(frame), of).labels.tolist()


@pytest.mark.parametrize("zipmap", [False, True])
@pytest.mark.parametrize("target", [Y, Y.map({0: "no", 1: "yes"}), Y + 1])
def test_two_classes_give_the_score_of_the_second_and_the_labels_of_the_training(tmp_path, zipmap, target):
    model = fitted(LogisticRegression(max_iter=2000), target)
    path = exported(tmp_path, model, zipmap=zipmap)
    answer = load_predictor(spec(path))(X)
    told = own(path)[1]
    second = [record[model.classes_[1]] for record in told] if zipmap else told[:, 1]
    np.testing.assert_array_equal(answer.scores[:, 0], np.asarray(second, dtype=np.float32).astype(float))
    np.testing.assert_allclose(answer.scores[:, 0], model.predict_proba(X.to_numpy(dtype=float))[:, 1], atol=1e-5)
    assert labels(load_predictor(spec(path)), spec(path)) == model.predict(X.to_numpy(dtype=np.float32)).tolist()


@pytest.mark.parametrize("zipmap", [False, True])
def test_three_classes_give_all_scores_and_the_label_of_the_largest(tmp_path, zipmap):
    model = fitted(RandomForestClassifier(7, max_depth=3, random_state=0), X["age"] % 3 * 10)
    path = exported(tmp_path, model, zipmap=zipmap)
    predict = load_predictor(spec(path))
    np.testing.assert_allclose(predict(X).scores, model.predict_proba(X.to_numpy(dtype=np.float32)), atol=1e-6)
    assert labels(predict, spec(path)) == model.predict(X.to_numpy(dtype=np.float32)).tolist()
    named = spec(path, label_headers=("a", "b", "c"))
    best = predict(X).scores.argmax(axis=1)
    assert labels(load_predictor(named), named) == [("a", "b", "c")[index] for index in best]


def test_a_threshold_is_for_the_score_of_the_second_class(tmp_path):
    for target, zipmap, headers, names in (
        (Y, False, None, (0, 1)),
        (Y + 1, True, None, (1, 2)),
        (Y.map({0: "no", 1: "yes"}), False, ("no", "yes"), ("no", "yes")),
    ):
        path = exported(tmp_path, fitted(LogisticRegression(max_iter=2000), target), zipmap=zipmap)
        strict = spec(path, probability_threshold=0.8, label_headers=headers)
        predict = load_predictor(strict)
        assert labels(predict, strict) == [names[int(score > 0.8)] for score in predict(X).scores[:, 0]]


def test_a_threshold_for_classes_that_the_file_does_not_name_asks_for_their_names(tmp_path):
    path = exported(tmp_path, fitted(LogisticRegression(max_iter=2000), Y + 1))
    with pytest.raises(ModelError, match=r"without their names: name both in predictor.label_headers"):
        load_predictor(spec(path, probability_threshold=0.8))(X)
    with pytest.raises(ModelError, match=r"label_headers names 3 classes, but .*model.onnx gives 2 probabilities"):
        load_predictor(spec(path, label_headers=("a", "b", "c")))(X)


@pytest.mark.parametrize("model", [LinearRegression(), RandomForestRegressor(5, random_state=0)])
def test_a_regression_gives_its_value_and_is_thresholded_only_on_request(tmp_path, model):
    path = exported(tmp_path, fitted(model, X["age"] * 2.0 + X["income"]))
    values = own(path)[0][:, 0].astype(float)
    assert labels(load_predictor(spec(path)), spec(path)) == values.tolist()
    over = spec(path, probability_threshold=100.0)
    assert labels(load_predictor(over), over) == [int(value > 100) for value in values]


def test_a_classifier_without_probabilities_gives_its_own_labels(tmp_path):
    model = fitted(LinearSVC(), Y + 4)
    path = exported(tmp_path, model)
    assert labels(load_predictor(spec(path)), spec(path)) == model.predict(X.to_numpy(dtype=np.float32)).tolist()


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2000),
        MLPClassifier((16, 16), max_iter=30, random_state=0),
        RandomForestClassifier(20, random_state=0),
        RandomForestRegressor(20, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_matrix_gives_the_answer_of_the_frame_to_the_last_bit(tmp_path, model):
    predict = load_predictor(spec(exported(tmp_path, fitted(model))))
    for rows in (1, 7, N):
        some = X.iloc[:rows]
        answer = predict(some)
        numbers = answer.scores if answer.scores is not None else np.array(answer.labels.tolist())[:, np.newaxis]
        got = matrix_of(predict)(np.asfortranarray(some.to_numpy(dtype=float)))
        assert got.labels is None
        np.testing.assert_array_equal(got.scores, numbers)


def pipeline(folder):
    """A pipeline on a frame with a text column, an integer column and a float column, one input for each."""
    prepared = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["age"]), (SimpleImputer(), ["income"])
    )
    model = make_pipeline(prepared, LogisticRegression(max_iter=2000)).fit(PEOPLE, Y)
    types = [("city", StringTensorType([None, 1])), ("age", Int64TensorType([None, 1]))]
    return model, exported(folder, model, [*types, ("income", FloatTensorType([None, 1]))])


def test_one_input_per_column_is_fed_by_name_and_in_its_type(tmp_path):
    model, path = pipeline(tmp_path)
    expected = model.predict_proba(PEOPLE)[:, 1]
    for order in (["city", "age", "income"], ["income", "city", "age"]):
        predict = load_predictor(spec(path, PEOPLE[order]))
        assert matrix_of(predict) is None
        np.testing.assert_allclose(predict(PEOPLE[order]).scores[:, 0], expected, atol=1e-5)
    with pytest.raises(ModelError, match=r"not in the data: city; unknown to the model: member \(leave them out"):
        load_predictor(spec(path))(X)


def test_a_missing_text_is_an_unknown_category_and_a_missing_float_is_imputed(tmp_path):
    model, path = pipeline(tmp_path)
    holes = PEOPLE.assign(city=PEOPLE["city"].astype(object))
    holes.loc[::3, "city"] = np.nan
    holes.loc[::4, "income"] = np.nan
    got = load_predictor(spec(path, PEOPLE))(holes).scores[:, 0]
    np.testing.assert_allclose(got, model.predict_proba(holes.fillna({"city": "nowhere"}))[:, 1], atol=1e-5)


def test_values_that_do_not_fit_an_input_are_named(tmp_path):
    _, path = pipeline(tmp_path)
    predict = load_predictor(spec(path, PEOPLE))
    with pytest.raises(
        ModelError, match=r"the input age takes tensor\(int64\), and these columns hold missing .*: age;"
    ):
        predict(PEOPLE.assign(age=PEOPLE["age"].where(PEOPLE["age"] > 30)))
    with pytest.raises(ModelError, match=r"the model takes numbers, but these columns hold text: income"):
        predict(PEOPLE.assign(income="much"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("integer", [1, 20, -3]),
        ("float", [1.0, 2.5, -0.0, 1e20]),
        ("string", ["1.0", "", "nan"]),
        ("boolean", [True, False]),
    ],
)
def test_texts_are_those_that_pandas_writes_also_beside_a_missing_value(kind, values):
    from clarify_spark.udfs.predictors.onnx import _texts

    column = pd.Series(values)
    shown = column.astype(str).tolist()
    assert _texts(column, kind).tolist() == shown
    holes = pd.Series([*values, np.nan], dtype="float64" if kind == "integer" else None)
    assert _texts(holes, kind).tolist() == [*shown, "nan"]


def test_a_fraction_among_integers_keeps_its_digits():
    from clarify_spark.udfs.predictors.onnx import _texts

    assert _texts(pd.Series([39.5, 40.0, 2**60], dtype=object), "integer").tolist() == ["39.5", "40", str(2**60)]


def written(path, inputs, outputs, nodes, constants=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    save_model(model, str(path))
    return path


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def summed(path, shape=("n", 3), name="p", out=("n", 1)):
    nodes = [
        helper.make_node("ReduceMean", ["X"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sigmoid", ["mean"], [name]),
    ]
    return written(path, [tensor("X", shape)], [tensor(name, out)], nodes)


def test_one_column_of_scores_is_about_the_second_of_two_classes(tmp_path):
    path = summed(tmp_path / "model.onnx")
    scores = own(path)[0].astype(float)
    for changes, names in (({}, (0, 1)), ({"label_headers": ("no", "yes")}, ("no", "yes"))):
        of = spec(path, probability_threshold=0.99, **changes)
        predict = load_predictor(of)
        np.testing.assert_array_equal(predict(X).scores, scores)
        assert labels(predict, of) == [names[int(score > 0.99)] for score in scores[:, 0]]
    value = spec(path, label="p")
    assert labels(load_predictor(value), value) == scores[:, 0].tolist()


def test_two_columns_without_a_label_are_two_classes_and_several_regressions_are_scores(tmp_path):
    nodes = [
        helper.make_node("Slice", ["X", "from", "to", "axes"], ["kept"]),
        helper.make_node("Softmax", ["kept"], ["p"]),
    ]
    bounds = [
        helper.make_tensor(name, TensorProto.INT64, [1], [at]) for name, at in (("from", 1), ("to", 3), ("axes", 1))
    ]
    path = written(tmp_path / "two.onnx", [tensor("X", ["n", 3])], [tensor("p", ["n", 2])], nodes, bounds)
    second = own(path)[0][:, 1].astype(float)
    np.testing.assert_array_equal(load_predictor(spec(path))(X).scores[:, 0], second)
    assert labels(load_predictor(spec(path)), spec(path)) == [int(score > 0.5) for score in second]
    path = exported(tmp_path, fitted(LinearRegression(), X.to_numpy(dtype=float)))
    np.testing.assert_array_equal(load_predictor(spec(path))(X).scores, own(path)[0].astype(float))


def test_a_matrix_of_whole_numbers_is_fed_as_such_and_refuses_others(tmp_path):
    whole, broken = X[["age", "member"]], X[["income", "member"]]
    nodes = [helper.make_node("Cast", ["X"], ["p"], to=TensorProto.FLOAT)]
    inputs = [tensor("X", ["n", 2], TensorProto.INT64)]
    path = written(tmp_path / "model.onnx", inputs, [tensor("p", ["n", 2])], nodes)
    predict = load_predictor(spec(path, whole, label_headers=("a", "b")))
    assert predict(whole).scores[:, 0].tolist() == whole["member"].astype(float).tolist()
    assert matrix_of(predict) is None
    with pytest.raises(
        ModelError, match=r"takes tensor\(int64\), and these columns hold missing or invalid .*: income;"
    ):
        load_predictor(spec(path, broken))(broken)


def test_outputs_are_named_or_counted(tmp_path):
    nodes = [
        helper.make_node("Identity", ["X"], ["first"]),
        helper.make_node("ReduceMax", ["X"], ["top"], axes=[1], keepdims=1),
    ]
    path = written(
        tmp_path / "model.onnx", [tensor("X", ["n", 3])], [tensor("first", ["n", 3]), tensor("top", ["n", 1])], nodes
    )
    top = X.astype(float).max(axis=1).to_numpy()[:, np.newaxis]
    for wanted in ("top", 1):
        np.testing.assert_array_equal(load_predictor(spec(path, probability=wanted))(X).scores, top)
    both = load_predictor(spec(path, probability=0, label="top"))(X)
    assert both.labels.tolist() == top[:, 0].tolist()
    assert both.scores.shape == (N, 3)
    for key, wanted in (("label", "bottom"), ("probability", 2)):
        with pytest.raises(ModelError, match=rf"predictor.{key} .*: the outputs of .*model.onnx are first, top"):
            load_predictor(spec(path, **{key: wanted}))
    with pytest.raises(ModelError, match=r"the output first is not a label: it has the shape \(120, 3\)"):
        load_predictor(spec(path, label="first"))(X)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("n", 4), r"trained on 4 features, but the data has 3: age, income, member; leave columns out"),
        ((1, 3), r"the input X takes exactly 1 records per call: export the model with a free first dimension"),
        (("n", 3, 1), r"the input X has 3 dimensions; two are allowed: records and features"),
    ],
)
def test_an_input_that_the_features_do_not_fill_is_refused(tmp_path, shape, message):
    path = summed(tmp_path / "model.onnx", shape, out=shape)
    with pytest.raises(ModelError, match=message):
        load_predictor(spec(path))


def test_an_input_of_a_strange_type_is_refused(tmp_path):
    nodes = [helper.make_node("Identity", ["X"], ["y"])]
    kinds = [tensor(name, ["n", 3], TensorProto.COMPLEX64) for name in ("X", "y")]
    path = written(tmp_path / "model.onnx", kinds[:1], kinds[1:], nodes)
    with pytest.raises(ModelError):
        load_predictor(spec(path))


def test_a_matrix_of_doubles_is_not_narrowed(tmp_path):
    path = exported(
        tmp_path,
        LinearRegression().fit(X.astype(float).to_numpy(), X["income"] * 3),
        [("X", DoubleTensorType([None, 3]))],
    )
    frame = X.assign(income=X["income"] + 1e-12)
    assert load_predictor(spec(path))(frame).labels.tolist() != load_predictor(spec(path))(X).labels.tolist()


def test_a_file_that_is_no_graph_and_a_missing_library_are_plain_messages(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_text("not a model")
    with pytest.raises(ModelError, match=r"model.onnx cannot be loaded by onnxruntime: "):
        load_predictor(spec(tmp_path / "model.onnx"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        ModelError, match=r"onnxruntime is not installed on the executors: pip install 'clarify-spark\[onnx\]'"
    ):
        load_predictor(spec(tmp_path / "model.onnx"))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_session_has_the_threads_of_the_task(tmp_path, monkeypatch, threads):
    made = []
    start = onnxruntime.InferenceSession

    def recorded(*arguments, **keywords):
        made.append(start(*arguments, **keywords))
        return made[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", recorded)
    load_predictor(spec(summed(tmp_path / "model.onnx"), threads=threads))
    (session,) = made
    assert session.get_session_options().intra_op_num_threads == threads
    assert session.get_session_options().inter_op_num_threads == threads
    assert session.get_providers() == ["CPUExecutionProvider"]
