"""Folders that MLflow writes: the same scores as the models in them."""

import json
import logging
import os
import socket
import subprocess
import sys
import warnings

import cloudpickle
import lightgbm
import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io
import xgboost
import yaml
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.model_answer import matrix_of
from clarify_spark.udfs.predictors import PredictorSpec, format_of, load_predictor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlflow.pyfunc import PythonModel

    class Halved(PythonModel):
        def predict(self, context, model_input: pd.DataFrame, params=None):
            return model_input["age"].to_numpy() / 2


DRAW = np.random.default_rng(3)
X = pd.DataFrame(DRAW.normal(size=(80, 3)), columns=["age", "debt", "income"])
Y = (X.sum(axis=1) > 0).astype(int)
QUIET = {"n_estimators": 4, "n_jobs": 1}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*arguments):
        raise AssertionError(f"a connection to {arguments[-1]}")

    monkeypatch.setattr(socket.socket, "connect", refused)


def spec(folder, **changes):
    return PredictorSpec("mlflow", str(folder), tuple(X.columns), ("float",) * 3, **changes)


def saved(flavour, model, folder, **options):
    """The folder that the installed MLflow writes; requirements are given, since finding them takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(mlflow, flavour).save_model(model, path=str(folder / "model"), pip_requirements=[], **options)
    return folder / "model"


def rewritten(folder, change):
    described = yaml.safe_load((folder / "MLmodel").read_text())
    change(described["flavors"])
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    return folder


def linear():
    return LogisticRegression().fit(X, Y)


def scores(of):
    return load_predictor(of)(X).scores[:, 0]


def test_a_folder_with_an_mlmodel_file_is_one_of_mlflow(tmp_path):
    assert format_of(str(saved("sklearn", linear(), tmp_path))) == "mlflow"


def test_scikit_learn_in_skops_gives_probabilities_without_any_permission(tmp_path):
    model = linear()
    of = spec(saved("sklearn", model, tmp_path, serialization_format="skops"))
    np.testing.assert_array_equal(scores(of), model.predict_proba(X)[:, 1])
    assert matrix_of(load_predictor(of)) is not None


@pytest.mark.parametrize("form", ["pickle", "cloudpickle"])
def test_scikit_learn_in_a_pickle_needs_permission(tmp_path, form):
    model = linear()
    folder = saved("sklearn", model, tmp_path, serialization_format=form)
    with pytest.raises(ModelError, match=r"model.pkl is a pickle: .*--allow-pickle"):
        load_predictor(spec(folder))
    np.testing.assert_array_equal(scores(spec(folder, allow_pickle=True)), model.predict_proba(X)[:, 1])

    def older(flavours):
        del flavours["sklearn"]["serialization_format"], flavours["sklearn"]["code"]

    rewritten(folder, older)
    with pytest.raises(ModelError, match=r"model.pkl is a pickle"):
        load_predictor(spec(folder))


def test_types_are_trusted_by_the_user_and_never_by_the_folder(tmp_path):
    model = lightgbm.LGBMClassifier(**QUIET, verbose=-1).fit(X, Y)
    folder = saved("lightgbm", model, tmp_path)
    listed = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]["lightgbm"]["skops_trusted_types"]
    assert "lightgbm.basic.Booster" in listed
    with pytest.raises(ModelError, match=r"types that skops does not trust by default: .*lightgbm.basic.Booster"):
        load_predictor(spec(folder))
    strangers = tuple(skops.io.get_untrusted_types(file=folder / "model.skops"))
    np.testing.assert_array_equal(scores(spec(folder, trusted_types=strangers)), model.predict_proba(X)[:, 1])


@pytest.mark.parametrize("interface", ["Booster", "XGBClassifier"])
@pytest.mark.parametrize("options", [{}, {"model_format": "json"}, {"model_format": "xgb"}])
def test_xgboost_of_either_interface_gives_its_scores(tmp_path, interface, options):
    if interface == "Booster":
        model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 4)
        expected = model.predict(xgboost.DMatrix(X))
    else:
        model = xgboost.XGBClassifier(**QUIET).fit(X, Y)
        expected = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(scores(spec(saved("xgboost", model, tmp_path, **options))), expected.astype(float))


def test_a_lightgbm_booster_gives_its_scores(tmp_path):
    model = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 4)
    folder = saved("lightgbm", model, tmp_path)
    np.testing.assert_array_equal(scores(spec(folder)), model.predict(X))
    older = rewritten(folder, lambda flavours: flavours["lightgbm"].pop("model_class"))
    np.testing.assert_array_equal(scores(spec(older)), model.predict(X))


def test_onnx_gives_its_scores(tmp_path):
    graph = to_onnx(linear(), X.to_numpy(dtype=np.float32)[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"X": X.to_numpy(dtype=np.float32)})[1][:, 1]
    np.testing.assert_array_equal(scores(spec(saved("onnx", graph, tmp_path))), expected.astype(float))


def halved(folder):
    """A folder with a class of this file, which a process that knows nothing of this file can load."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(path=str(folder / "model"), python_model=Halved(), pip_requirements=[])
    return folder / "model"


def test_any_other_model_is_loaded_by_mlflow_with_permission_and_asked_like_a_function(tmp_path, monkeypatch, caplog):
    folder = halved(tmp_path)
    with pytest.raises(ModelError, match=r"loaded by mlflow.pyfunc.model, which runs any code .*--allow-pickle"):
        load_predictor(spec(folder))
    monkeypatch.chdir(tmp_path)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        np.testing.assert_array_equal(scores(spec(folder, allow_pickle=True)), X["age"] / 2)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert os.listdir(tmp_path) == ["model"]
    assert load_predictor(spec(folder, allow_pickle=True, label=0))(X).labels.tolist() == (X["age"] / 2).tolist()


@pytest.mark.slow
def test_loading_opens_no_connection_and_leaves_no_files(tmp_path):
    """In a fresh process, where telemetry would start with the import of mlflow."""
    folder = halved(tmp_path)
    (tmp_path / "cwd").mkdir()
    script = (
        "import json, socket, sys, threading\n"
        "tried = []\n"
        "def connect(self, address):\n"
        "    tried.append(repr(address))\n"
        "    raise OSError\n"
        "socket.socket.connect = connect\n"
        "import pandas as pd\n"
        "from clarify_spark.udfs.predictors import PredictorSpec, load_predictor\n"
        "of = PredictorSpec('mlflow', sys.argv[1], ('age',), ('float',), allow_pickle=True)\n"
        "answer = load_predictor(of)(pd.DataFrame({'age': [1.0, 3.0]}))\n"
        "threads = [thread.name for thread in threading.enumerate()]\n"
        "print(json.dumps([tried, threads, answer.scores.tolist()]))\n"
    )
    environment = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    ran = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        cwd=tmp_path / "cwd", env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(ran.stdout) == [[], ["MainThread"], [[0.5], [1.5]]]
    assert os.listdir(tmp_path / "cwd") == []


@pytest.mark.slow
def test_native_models_do_not_import_mlflow(tmp_path):
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 4)
    folder = saved("xgboost", model, tmp_path)
    script = (
        "import sys\n"
        "from clarify_spark.udfs.predictors import PredictorSpec, load_predictor\n"
        "load_predictor(PredictorSpec('mlflow', sys.argv[1], ('age', 'debt', 'income'), ('float',) * 3))\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'mlflow'])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


CODE = (
    "class Own:\n"
    "    def __init__(self, inner): self.inner = inner\n"
    "    def predict(self, X): return self.inner.predict(X)\n"
)


def test_a_pickle_finds_the_modules_that_were_saved_with_it_only_if_it_is_allowed(tmp_path, monkeypatch):
    (tmp_path / "own_of_mlflow_test.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_of_mlflow_test

    model = own_of_mlflow_test.Own(linear())
    folder = saved("sklearn", model, tmp_path, serialization_format="pickle", code_paths=[own_of_mlflow_test.__file__])
    (tmp_path / "own_of_mlflow_test.py").unlink()
    monkeypatch.delitem(sys.modules, "own_of_mlflow_test")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(tmp_path)])
    with pytest.raises(ModelError, match="is a pickle"):
        load_predictor(spec(folder))
    assert not [path for path in sys.path if path.startswith(str(folder))]
    answer = load_predictor(spec(folder, allow_pickle=True))(X)
    assert answer.labels.tolist() == model.inner.predict(X).tolist()


def test_an_mlmodel_that_cannot_be_read_is_a_plain_message(tmp_path):
    for text, message in (
        ("a: [", r"MLmodel cannot be read: "),
        ("- 1", r"lists no flavors, so it does not describe an MLflow model"),
        ("flavors: {h2o: {data: x}}", r"has the flavours h2o; expected one of sklearn, xgboost, .*, python_function"),
        ("flavors: {onnx: {data: ../x.onnx}}", r"onnx.data is '../x.onnx', and there is no such file in the folder"),
        ("flavors: {sklearn: {}}", r"sklearn.pickled_model should name the location of the model, but is None"),
    ):
        (tmp_path / "MLmodel").write_text(text)
        (tmp_path.parent / "x.onnx").write_text("")
        with pytest.raises(ModelError, match=message):
            load_predictor(spec(tmp_path))


@pytest.mark.parametrize("extra", [[], ["id"]])
@pytest.mark.parametrize("flavour", ["sklearn", "xgboost", "onnx"])
def test_columns_of_a_model_fitted_on_an_array_are_those_of_its_signature(tmp_path, flavour, extra):
    shuffled = X.assign(id=7.0)[[*extra, "income", "age", "debt"]]
    signature = mlflow.models.ModelSignature(
        mlflow.types.Schema([mlflow.types.ColSpec("double", name) for name in X.columns])
    )
    bare = LogisticRegression().fit(X.to_numpy(), Y)
    right, model, options = bare.predict_proba(X.to_numpy())[:, 1], bare, {}
    if flavour == "sklearn":
        options = {"serialization_format": "skops"}
    elif flavour == "xgboost":
        model = xgboost.XGBClassifier(**QUIET).fit(X.to_numpy(), Y).get_booster()
        right = model.predict(xgboost.DMatrix(X.to_numpy()))
    else:
        model = to_onnx(bare, X.to_numpy(dtype=np.float32), options={"zipmap": False})
    folder = saved(flavour, model, tmp_path, signature=signature, **options)
    names = tuple(shuffled.columns)
    predict = load_predictor(PredictorSpec("mlflow", str(folder), names, ("float",) * len(names)))
    np.testing.assert_allclose(predict(shuffled).scores[:, -1], right, rtol=1e-5)
    cells = np.asfortranarray(shuffled.to_numpy())
    np.testing.assert_allclose(matrix_of(predict)(cells).scores[:, -1], right, rtol=1e-5)


def test_a_column_of_the_signature_that_the_data_lacks_is_named(tmp_path):
    signature = mlflow.models.ModelSignature(mlflow.types.Schema([mlflow.types.ColSpec("double", "years")]))
    folder = saved("sklearn", linear(), tmp_path, signature=signature, serialization_format="skops")
    with pytest.raises(ModelError, match=r"signature has columns that are not in the data: years"):
        load_predictor(spec(folder))
