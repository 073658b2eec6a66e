import io
import json
import pickle
import shutil
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from sklearn.linear_model import LogisticRegression

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import Calling, PredictorSpec, container_defaults, load_predictor
from clarify_spark.udfs.scoring import score_batches

MODELS = Path(__file__).parent / "models"
CSV, LINES, JSON = "text/csv", "application/jsonlines", "application/json"
X = pd.DataFrame({"age": [20, 40, 60], "income": [100.0, 50.0, 300.0], "member": ["yes", "no", "yes"]})
SCORES = [0.4, 0.45, 1.0]
NUMBERS = pd.DataFrame({"a": [1, 2, 3], "b": [3.0, np.nan, 4.5]})


def spec(folder, names=("age", "income", "member"), kinds=("integer", "float", "string"), **changes):
    return PredictorSpec("sagemaker", str(folder), tuple(names), tuple(kinds), **changes)


def of_numbers(folder, **changes):
    return spec(folder, ("a", "b"), ("integer", "float"), **changes)


def scored(of, frame=X):
    ids = [f"c{position}" for position in range(frame.shape[1])]
    rows = frame.set_axis(ids, axis=1).assign(row_key=range(len(frame)))
    batch = pa.RecordBatch.from_pandas(rows, preserve_index=False)
    return pa.Table.from_batches(score_batches(iter([batch]), of, ids)).to_pandas()


def folder_with(tmp_path, script, name="inference.py"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(script)
    return tmp_path


@pytest.mark.parametrize(
    "talk",
    [
        {},
        {"content_type": LINES, "content_template": '{"features":$features}', "probability": "score"},
        {
            "content_type": JSON,
            "content_template": '{"instances":$records}',
            "record_template": "$features",
            "probability": "predictions[*].score",
        },
        {"content_type": CSV, "accept_type": JSON, "probability": "predictions[*].score"},
        {"content_type": CSV, "accept_type": JSON, "label": "predictions[*].label"},
        {"content_type": CSV, "calling": Calling(batch_records=2)},
        {
            "content_type": JSON,
            "content_template": '{"instances":[$record]}',
            "record_template": "$features_kvp",
            "probability": "predictions[*].score",
        },
    ],
)
def test_a_folder_is_asked_and_read_in_every_format_of_the_config(talk):
    got = scored(spec(MODELS / "loans", **talk))
    assert got["label_text"].tolist() == ["0", "0", "1"]
    if "label" not in talk:
        np.testing.assert_allclose(got["score"], SCORES)


def test_two_folders_with_modules_of_the_same_names_do_not_mix():
    first, second = spec(MODELS / "loans"), of_numbers(MODELS / "neighbour")
    for _task in range(2):
        np.testing.assert_allclose(scored(first)["score"], SCORES)
        assert scored(second, NUMBERS)["score"].tolist() == [0.75] * 3
    assert not {"inference", "features", "late"} & set(sys.modules)
    assert not [path for path in sys.path if path.startswith(str(MODELS))]
    assert not list(MODELS.rglob("loans/**/__pycache__"))


def test_a_module_of_the_same_name_elsewhere_is_neither_used_nor_lost(monkeypatch):
    elsewhere = type(sys)("features")
    monkeypatch.setitem(sys.modules, "features", elsewhere)
    np.testing.assert_allclose(scored(spec(MODELS / "loans", label_headers=("another", "spec")))["score"], SCORES)
    assert sys.modules["features"] is elsewhere


@pytest.mark.parametrize(
    "talk",
    [
        {"label": 0},
        {"content_type": JSON, "content_template": "$records", "record_template": "$features", "label": "[*]"},
        {"content_type": CSV, "accept_type": JSON, "label": "[*]"},
    ],
)
def test_functions_that_a_script_leaves_out_are_those_of_the_container(talk):
    frame = NUMBERS if talk.get("content_type") != JSON else NUMBERS.fillna(0.0)
    got = scored(of_numbers(MODELS / "defaults", **talk), frame)
    assert got["label_text"].tolist() == ["false", "false", "true"]
    assert set(got["label_kind"]) == {"boolean"}


def test_default_input_decodes_csv_json_and_npy():
    expected = np.array([[1, 2.5], [3, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(container_defaults.input_fn("1,2.5\n3,", CSV), expected)
    np.testing.assert_array_equal(container_defaults.input_fn("[[1, 2.5], [3, NaN]]", JSON), expected)
    body = container_defaults.output_fn(expected, "application/x-npy")
    np.testing.assert_array_equal(container_defaults.input_fn(body, "application/x-npy"), expected)
    with pytest.raises(ModelError, match=r"default input_fn reads .*, not application/jsonlines"):
        container_defaults.input_fn(b"", LINES)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        container_defaults.input_fn(_pickled_npy(), "application/x-npy")


def _pickled_npy():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def test_default_output_encodes_csv_and_json():
    assert container_defaults.output_fn(np.array([0.5, 1.0]), CSV) == "0.5\n1.0\n"
    assert container_defaults.output_fn(np.array([[1, 2], [3, 4]]), CSV) == "1,2\n3,4\n"
    assert container_defaults.output_fn(["a, b", "c"], CSV) == '"a, b"\nc\n'
    assert json.loads(container_defaults.output_fn({"p": np.array([0.5]), "n": np.int64(3)}, JSON)) == {
        "p": [0.5],
        "n": 3,
    }
    with pytest.raises(ModelError, match="default output_fn writes"):
        container_defaults.output_fn([1], LINES)


def test_a_script_may_unpickle_its_own_model_and_its_own_classes(tmp_path):
    script = (
        "import joblib, os\n"
        "class Halved:\n"
        "    def __init__(self, model): self.model = model\n"
        "    def predict(self, data): return self.model.predict_proba(data)[:, 1] / 2\n"
        "def model_fn(model_dir):\n"
        "    path = os.path.join(model_dir, 'halved.joblib')\n"
        "    if not os.path.exists(path):\n"
        "        joblib.dump(Halved(joblib.load(os.path.join(model_dir, 'model.joblib'))), path)\n"
        "    return joblib.load(path)\n"
    )
    model = LogisticRegression().fit([[0.0, 0.0], [1.0, 5.0]], [0, 1])
    joblib.dump(model, tmp_path / "model.joblib")
    of = of_numbers(folder_with(tmp_path, script, "code/inference.py"))
    full = NUMBERS.fillna(1.0)
    got = scored(of, full)
    np.testing.assert_allclose(got["score"], model.predict_proba(full.to_numpy())[:, 1] / 2, rtol=1e-6)


def test_a_folder_loads_once_and_again_when_any_of_its_files_changes(tmp_path):
    shutil.copytree(MODELS / "loans", tmp_path / "loans")
    counted = tmp_path / "loads"
    script = tmp_path / "loans" / "code" / "inference.py"
    script.write_text(script.read_text() + f"\nwith open({str(counted)!r}, 'a') as file:\n    file.write('x')\n")
    of = spec(tmp_path / "loans")
    for _task in range(3):
        np.testing.assert_allclose(scored(of)["score"], SCORES)
    assert counted.read_text() == "x"
    (tmp_path / "loans" / "code" / "late.py").write_text("def score(data, weights):\n    return [0.125] * len(data)\n")
    assert scored(of)["score"].tolist() == [0.125] * 3
    assert counted.read_text() == "xx"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("", r"has no model_fn\(model_dir\), which must load the model"),
        ("import nothing_like_this\n", r"failed while loading the model: ModuleNotFoundError: .*inference.py:1\)"),
        ("def model_fn(d):\n    raise OSError('no weights')\n", r"OSError: no weights \(.*inference.py:2\)"),
        (
            "def model_fn(d): pass\ndef transform_fn(*a): pass\ndef predict_fn(*a): pass\n",
            "transform_fn and also predict_fn",
        ),
    ],
)
def test_a_script_that_cannot_load_its_model_is_quoted(tmp_path, script, message):
    with pytest.raises(ModelError, match=message):
        load_predictor(of_numbers(folder_with(tmp_path, script)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    raise KeyError(model['x'])", r"failed: KeyError: 'x' \(.*inference.py:3\)"),
        ("    return 3.5", r"returned a float; it must return text or bytes of type text/csv"),
        ("    return '1'", r"answers 1 records, but 3 were sent: '1'"),
        ("    return 'oops\\n1\\n1'", r"scores that are not numbers"),
    ],
)
def test_a_script_that_answers_badly_is_quoted(tmp_path, body, message):
    script = f"def model_fn(d): return {{}}\ndef transform_fn(model, body, sent, wanted):\n{body}\n"
    with pytest.raises(ModelError, match=message):
        scored(of_numbers(folder_with(tmp_path, script)), NUMBERS)


SCALED = (
    "import json, os\n"
    "import pandas as pd\n"
    "def model_fn(model_dir):\n"
    "    with open(os.path.join(model_dir, 'config.json')) as file:\n"
    "        config = json.load(file)\n"
    "    return {'weights': config['weights']}, config\n"
    "def input_fn(body, content_type):\n"
    "    import io\n"
    "    return pd.read_csv(io.StringIO(body), header=None)\n"
    "def predict_fn(data, loaded):\n"
    "    model, config = loaded\n"
    "    data.columns = config['columns']\n"
    "    return sum(data[name] * weight for name, weight in model['weights'].items())\n"
    "def output_fn(scores, accept):\n"
    "    return '\\n'.join(map(str, scores))\n"
)
CONFIG = {"columns": ["a", "b"], "weights": {"a": 0.25, "b": 0.125}}
FULL = NUMBERS.fillna(1.0)


@pytest.mark.parametrize(
    ("name", "entry"),
    [("predictor.py", None), ("serve/own.py", "serve/own.py"), ("code/inference.py", "code/../code/inference.py")],
)
def test_a_script_that_loads_a_model_and_its_config_and_names_columns_runs_unchanged(tmp_path, name, entry):
    folder = folder_with(tmp_path, SCALED, name)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    got = scored(of_numbers(folder, entry_script=entry), FULL)
    assert got["score"].tolist() == (0.25 * FULL["a"] + 0.125 * FULL["b"]).tolist()


def test_the_script_that_the_config_names_wins_over_the_usual_places(tmp_path):
    folder_with(tmp_path, "raise RuntimeError('the wrong script')\n", "code/inference.py")
    folder = folder_with(tmp_path, SCALED, "code/own.py")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert len(scored(of_numbers(folder, entry_script="code/own.py"), FULL)) == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("inference.py", r"'inference.py': no such file in .*, which has code/other.py, predictor.py$"),
        ("../outside.py", r"'../outside.py' points outside the model folder"),
        ("/outside.py", r"'/outside.py' points outside the model folder"),
        ("code", r"'code': no such file"),
    ],
)
def test_a_script_that_is_not_in_the_folder_is_refused_with_those_that_are(tmp_path, entry, message):
    (tmp_path / "outside.py").write_text("")
    folder = folder_with(tmp_path / "model", SCALED, "predictor.py")
    folder_with(folder, "", "code/other.py")
    with pytest.raises(ModelError, match=message):
        load_predictor(of_numbers(folder, entry_script=entry))


def boosted(path):
    parameters = {"objective": "binary:logistic", "nthread": 1, "max_depth": 2}
    cells = np.random.default_rng(3).normal(size=(80, 2))
    model = xgboost.train(parameters, xgboost.DMatrix(cells, cells.sum(axis=1) > 0), 4)
    model.save_model(path)
    return model, model.predict(xgboost.DMatrix(FULL.to_numpy(dtype=float))).astype(float)


@pytest.mark.parametrize("name", ["model.ubj", "model.json", "xgboost-model"])
def test_a_folder_without_a_script_is_the_one_model_in_it(tmp_path, name):
    model, expected = boosted(tmp_path / "saved.ubj")
    (tmp_path / "saved.ubj").unlink()
    (tmp_path / name).write_bytes(model.save_raw("json" if name.endswith("json") else "ubj"))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "requirements.txt").write_text("xgboost\n")
    np.testing.assert_array_equal(scored(of_numbers(tmp_path), FULL)["score"], expected)


def test_the_model_file_of_sagemakers_xgboost_may_be_named_itself(tmp_path):
    model, expected = boosted(tmp_path / "saved.ubj")
    (tmp_path / "xgboost-model").write_bytes(model.save_raw("ubj"))
    np.testing.assert_array_equal(scored(of_numbers(tmp_path / "xgboost-model"), FULL)["score"], expected)


def test_a_pickled_booster_of_sagemakers_xgboost_needs_permission(tmp_path):
    model, expected = boosted(tmp_path / "saved.ubj")
    (tmp_path / "saved.ubj").unlink()
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps(model))
    with pytest.raises(ModelError, match=r"xgboost-model is a pickle: .*--allow-pickle.*save_model"):
        load_predictor(of_numbers(tmp_path))
    np.testing.assert_array_equal(scored(of_numbers(tmp_path, allow_pickle=True), FULL)["score"], expected)
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(ModelError, match="holds a dict, which is not an XGBoost model"):
        load_predictor(of_numbers(tmp_path, allow_pickle=True))


def test_a_folder_of_mlflow_is_known_for_what_it_is_also_when_it_was_packed(tmp_path):
    _, expected = boosted(tmp_path / "model.ubj")
    (tmp_path / "MLmodel").write_text("flavors: {xgboost: {data: model.ubj}}")
    np.testing.assert_array_equal(scored(of_numbers(tmp_path), FULL)["score"], expected)


def test_a_folder_without_a_script_and_without_one_model_says_what_it_lacks(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(
        ModelError, match=r"no inference script \(code/inference.py.* and no model file of a known kind"
    ):
        load_predictor(of_numbers(tmp_path))
    for name in ("b.joblib", "a.skops"):
        (tmp_path / name).write_text("")
    with pytest.raises(ModelError, match=r"and 2 model files: a.skops, b.joblib; set predictor.model_uri to one"):
        load_predictor(of_numbers(tmp_path))
    (tmp_path / "model.bin").write_text("")
    with pytest.raises(ModelError, match=r"model.bin is a file; a model of format sagemaker is a folder"):
        load_predictor(of_numbers(tmp_path / "model.bin"))


def test_templates_are_checked_before_the_model_is_loaded(tmp_path):
    folder = folder_with(tmp_path, "raise RuntimeError('loaded')")
    with pytest.raises(ModelError, match="content_template is missing"):
        load_predictor(of_numbers(folder, content_type=LINES))
    with pytest.raises(ModelError, match="a CSV response has no names"):
        load_predictor(of_numbers(folder, label="label"))
