"""A pickle may hold a function, as those have that the Python API sends."""

import numpy as np
import pandas as pd
import pytest

from clarify_spark.udfs.errors import ModelError
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor


def half(frame):
    return frame["x"].to_numpy() / 2


def names(frame):
    return np.where(frame["x"] > 1, "high", "low")


def fails(frame):
    return frame["y"]


@pytest.fixture
def loaded(tmp_path):
    def load(function, **more):
        from pyspark import cloudpickle

        path = tmp_path / "model.pkl"
        path.write_bytes(cloudpickle.dumps(function))
        spec = PredictorSpec("sklearn", str(path), ("x",), ("float",), **{"allow_pickle": True, **more})
        return load_predictor(spec)

    return load


FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def test_floats_of_a_function_are_scores(loaded):
    answer = loaded(lambda frame: half(frame))(FRAME)
    assert answer.labels is None
    assert answer.scores.ravel().tolist() == [0.5, 1.0, 1.5]


def test_texts_of_a_function_are_labels(loaded):
    assert list(loaded(names)(FRAME).labels) == ["low", "high", "high"]


def test_failures_are_told_as_the_functions_own(loaded):
    with pytest.raises(ModelError, match=r"the function in .*model.pkl failed.*KeyError: 'y'"):
        loaded(fails)(FRAME)


def test_a_function_is_a_pickle_like_any_other(loaded):
    with pytest.raises(ModelError, match="is a pickle: reading it runs any code"):
        loaded(names, allow_pickle=False)
