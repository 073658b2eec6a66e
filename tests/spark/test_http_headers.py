"""Headers of HTTP services come from the environment, and their values are told to nobody."""

import json
import re
from pathlib import Path

import pytest

from clarify_spark.config import load
from clarify_spark.errors import ConfigError
from clarify_spark.spark.data.datasets import read
from clarify_spark.spark.scoring import predictor_spec

PREDICTOR = {
    "model_uri": "https://host/invocations",
    "http_headers": {"Authorization": "MODEL_TOKEN", "x-id": "OUR_ID"},
}


@pytest.fixture
def spec(spark, tmp_path: Path):
    """The spec of a config with the predictor above, for a small data set."""
    (tmp_path / "data.csv").write_text("a,b,y\n1,2.5,0\n2,3.5,1\n")
    methods = {"shap": {"baseline": [[1, 2.0]]}}
    text = json.dumps({"dataset_type": "text/csv", "label": "y", "methods": methods, "predictor": PREDICTOR})
    config = load(text).config
    dataset = read(spark, config, str(tmp_path / "data.csv"))
    yield lambda: predictor_spec(config, config.predictor, dataset)
    dataset.release()


def test_a_header_has_the_value_of_its_variable_and_no_text_of_the_spec_has_it(spec, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", "Bearer s3cret\n")
    monkeypatch.setenv("OUR_ID", "7")
    found = spec()
    assert found.headers == (("Authorization", "Bearer s3cret"), ("x-id", "7"))
    assert "s3cret" not in repr(found)


def test_every_variable_that_is_not_set_is_told(spec, monkeypatch):
    monkeypatch.delenv("MODEL_TOKEN", raising=False)
    monkeypatch.delenv("OUR_ID", raising=False)
    with pytest.raises(ConfigError) as caught:
        spec()
    assert [problem.path for problem in caught.value.problems] == [
        "predictor.http_headers.Authorization",
        "predictor.http_headers.x-id",
    ]


@pytest.mark.parametrize("value", ["two\nlines s3cret", "s3cret…", "s3\x00cret"])
def test_a_value_that_no_header_can_have_is_refused_without_being_shown(spec, monkeypatch, value):
    monkeypatch.setattr("os.environ", {"MODEL_TOKEN": value, "OUR_ID": "7"})
    with pytest.raises(ConfigError, match="MODEL_TOKEN has characters that headers cannot have") as caught:
        spec()
    assert not re.search("s3|cret", str(caught.value))
