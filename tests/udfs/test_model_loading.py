"""Models of the user's own kinds, and how often a worker loads a model."""

import importlib
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.scoring import resolved_labels

X = pd.DataFrame({"age": [20.0, 40.0, 60.0], "income": [1.0, 2.0, 3.0]})
SCORES = [0.1, 0.2, 0.9]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Give this process a module that stays importable for one test."""
    made = set()

    def make(name, text):
        made.add(name.partition(".")[0])
        path = tmp_path / "modules" / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path / "modules"))
        return path

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


def spec(format, uri="weights.bin", **changes):
    return PredictorSpec(format, uri, ("age", "income"), ("float", "float"), **changes)


@pytest.mark.parametrize(
    ("name", "returned", "scores", "labels"),
    [
        ("own1.arrays", "numpy.array([0.1, 0.2, 0.9])", SCORES, [0, 0, 1]),
        ("own1.frames", "pandas.DataFrame({'label': list('aba'), 'score': [0.1, 0.2, 0.9]})", SCORES, ["a", "b", "a"]),
        ("own1.lists", "['a', 'b', 'a']", None, ["a", "b", "a"]),
        (
            "own1.answers",
            "Answer(None, numpy.array([[0.1], [0.2], [0.9]]), ('no', 'yes'), 'class')",
            SCORES,
            ["no", "no", "yes"],
        ),
    ],
)  # fmt: skip
def test_a_format_that_is_a_dotted_name_is_a_module_of_the_users(module, name, returned, scores, labels):
    module(
        name,
        "import numpy, pandas\n"
        "from clarify_spark.udfs.predictors import Answer\n"
        "def load(spec):\n"
        "    assert spec.uri == 'weights.bin'\n"
        "    def predict(frame):\n"
        "        assert list(frame.columns) == list(spec.feature_names)\n"
        f"        return {returned}\n"
        "    return predict\n",
    )
    answer = load_predictor(spec(name))(X)
    assert (None if answer.scores is None else answer.scores[:, 0].tolist()) == scores
    assert resolved_labels(answer, spec(name)).labels.tolist() == labels


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own2.absent", None, r"model_format 'own2.absent': the executors cannot import it: ModuleNotFoundError"),
        ("own2.broken", "x = 1\n1 / 0\n", r"cannot import it: ZeroDivisionError: .* \(.*own2/broken.py:2\)"),
        ("own2.empty", "", r"predictor.model_format 'own2.empty': the module has no load\(spec\)"),
        ("own2.data", "load = 3\n", r"'own2.data': the module has no load\(spec\)"),
        ("own2.fails", "def load(spec):\n    raise OSError('gone')\n", r"load failed: OSError: gone \(.*fails.py:2\)"),
        ("own2.number", "def load(spec):\n    return 3\n", r"number.load returned a int; expected a function"),
    ],
)  # fmt: skip
def test_a_module_that_does_not_load_is_quoted_with_its_line(module, name, text, message):
    if text is not None:
        module(name, text)
    with pytest.raises(ModelError, match=message):
        load_predictor(spec(name))


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("own3.fails", "return frame['absent']", r"own3.fails.load failed: KeyError: 'absent' \(.*fails.py:3\)"),
        ("own3.exits", "raise SystemExit(3)", r"the model of own3.exits.load failed: SystemExit: 3 \(.*exits.py:3\)"),
        ("own3.short", "return [0.5]", r"own3.short: the model answered 1 records, but 3 were sent"),
        ("own3.single", "return 0.5", r"own3.single: returned one float; expected a value or a row of scores per"),
    ],
)  # fmt: skip
def test_a_module_whose_model_answers_badly_is_quoted_with_its_line(module, name, body, message):
    module(name, f"def load(spec):\n    def predict(frame):\n        {body}\n    return predict\n")
    with pytest.raises(ModelError, match=message):
        load_predictor(spec(name))(X)


@pytest.mark.parametrize("format", ["tensorflow", "own module", "a..b", "own.load()"])
def test_a_format_that_is_neither_known_nor_a_dotted_name_is_refused(format):
    with pytest.raises(ModelError, match=r"is unknown; allowed: sklearn, .*, or the dotted name of a module"):
        load_predictor(spec(format))


COUNTING = (
    "import time\n"
    "loads = []\n"
    "def load(spec):\n"
    "    loads.append(spec)\n"
    "    time.sleep(0.05)\n"
    "    return lambda frame: frame['age'].to_numpy() / 100\n"
)


def test_threads_that_ask_at_once_get_one_model_loaded_once(module):
    module("own4.counting", COUNTING)
    started, got = threading.Barrier(8), []

    def ask():
        started.wait()
        got.append(load_predictor(spec("own4.counting")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(map(id, got))) == 1
    assert len(importlib.import_module("own4.counting").loads) == 1
    # Another spec is another model: its features or settings may change what is loaded.
    load_predictor(spec("own4.counting", threads=2))
    assert len(importlib.import_module("own4.counting").loads) == 2


def test_a_model_that_failed_to_load_is_tried_again(module, tmp_path):
    module(
        "own5.waits",
        f"def load(spec):\n    open({str(tmp_path / 'weights')!r}).close()\n    return lambda frame: [0.5] * 3\n",
    )
    with pytest.raises(ModelError, match="FileNotFoundError"):
        load_predictor(spec("own5.waits"))
    (tmp_path / "weights").write_text("")
    np.testing.assert_array_equal(load_predictor(spec("own5.waits"))(X).scores[:, 0], [0.5] * 3)
