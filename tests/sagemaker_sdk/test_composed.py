"""What our processor composes is what two versions of the SageMaker SDK composed; record.py recorded it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calls import CALLS, REFUSED, bias, data, made, model, shap

from clarify_spark import sagemaker as ours
from clarify_spark.api.sagemaker.composing import composed
from clarify_spark.api.sagemaker.processor import with_local_model
from clarify_spark.config import load
from clarify_spark.errors import ArgumentError

HERE = Path(__file__).resolve().parent
RECORDED = {line: json.loads((HERE / f"composed-{line}.json").read_text()) for line in ("v2", "v3")}
EACH_CALL = [(method, name) for method, calls in CALLS.items() for name in calls]
EACH_REFUSAL = [(method, name) for method, calls in REFUSED.items() for name in calls]


class Composing(ours.SparkClarifyProcessor):
    """A processor that stops where it has the config."""

    def _run(self, call, *_):
        return composed(call)


def test_the_record_is_of_both_lines_and_of_all_calls():
    assert RECORDED["v2"]["written_by"].startswith("sagemaker 2.257.")
    assert RECORDED["v3"]["written_by"].startswith("sagemaker 3.")
    for recorded in RECORDED.values():
        assert {method: list(calls) for method, calls in CALLS.items()} == {
            method: list(calls) for method, calls in recorded["configs"].items()
        }
    assert len(EACH_CALL) >= 25
    assert len(CALLS) == 5


@pytest.mark.parametrize("line", ["v2", "v3"])
@pytest.mark.parametrize(("method", "name"), EACH_CALL)
def test_a_call_composes_what_the_sdk_composed_keys_in_the_same_order(line, method, name):
    found = made(CALLS[method][name], ours, getattr(Composing(), method))
    assert json.dumps(found, indent=1) == json.dumps(RECORDED[line]["configs"][method][name], indent=1)


@pytest.mark.parametrize(("method", "name"), EACH_CALL)
def test_the_config_keeps_to_the_schema(method, name):
    load(json.dumps(RECORDED["v2"]["configs"][method][name]), strict="refused by the schema" not in name)


@pytest.mark.parametrize(("method", "name"), EACH_REFUSAL)
def test_what_the_sdk_refuses_is_refused_in_one_sentence(method, name):
    assert RECORDED["v2"]["refused"][method][name] == RECORDED["v3"]["refused"][method][name]
    with pytest.raises(ArgumentError) as caught:
        made(REFUSED[method][name], ours, getattr(Composing(), method))
    assert isinstance(caught.value, ValueError)
    assert 20 < len(str(caught.value)) < 250


def test_objects_that_are_passed_on_are_not_changed():
    given = model(ours)
    before = given.get_predictor_config()
    scores = ours.ModelPredictedLabelConfig(label="score")
    Composing().run_explainability(data(ours), given, shap(ours), scores)
    assert given.get_predictor_config() == before


def test_values_of_numpy_and_pandas_are_those_of_json():
    frame = pd.DataFrame({"obrat": [1.5, 2.0], "chist": [1, 0]})
    found = Composing().run_explainability(
        ours.DataConfig("in", "out", headers=frame.columns, label=np.int64(0)),
        model(ours),
        ours.SHAPConfig(baseline=frame.to_numpy(), num_samples=np.int64(3)),
    )
    assert json.loads(json.dumps(found))["methods"]["shap"]["baseline"] == [[1.5, 1.0], [2.0, 0.0]]
    assert found["headers"] == ["obrat", "chist"]
    assert type(found["label"]) is int


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ours.DataConfig("in"), "DataConfig: s3_output_path: found no such argument, which is required"),
        (lambda: ours.DataConfig("in", "out", lable="y"), "DataConfig: lable: there is no such argument"),
        (lambda: ours.DataConfig("in", "out", headers="x"), "DataConfig: headers: found 'x'; allowed: a valid list"),
        (lambda: ours.PDPConfig(["a"], 2, 3, 4), "PDPConfig: 3: found more arguments than there are"),
        (
            lambda: ours.BiasConfig([True], "x"),
            "BiasConfig: label_values_or_threshold: found True; allowed: a valid integer, or a valid number, "
            "or a valid string",
        ),
        (
            lambda: ours.SHAPConfig(baseline=3.5),
            "SHAPConfig: baseline: found a float; allowed: a URI, a list of rows or a dict.",
        ),
        (
            lambda: ours.SHAPConfig(num_samples="5", seed=0.5),
            "SHAPConfig: num_samples: found '5'; allowed: a valid integer\n"
            "SHAPConfig: seed: found 0.5; allowed: a valid integer",
        ),
        (
            lambda: ours.ModelConfig(),
            "ModelConfig: found neither model_name nor endpoint_name; allowed: one of them.",
        ),
        (
            lambda: ours.SHAPConfig(text_config="english"),
            "SHAPConfig: text_config: found a str; allowed: a TextConfig.",
        ),
        (
            lambda: ours.TimeSeriesDataConfig("a", 1, "c", dataset_format=ours.TimeSeriesJSONDatasetFormat.COLUMNS),
            "TimeSeriesDataConfig: item_id: found a different type than target_time_series; allowed: the same type.",
        ),
    ],
)
def test_a_wrong_argument_is_named(make, words):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, bias(ours)), "data_config: found None; allowed: a DataConfig of sagemaker.clarify"),
        ((ours.DataConfig, bias(ours)), "data_config: found the class DataConfig itself; allowed: a DataConfig"),
        ((data(ours), [bias(ours)]), "bias_config: found a list; allowed: a BiasConfig"),
        ((data(ours), bias(ours), model(ours), model(ours)), "model_predicted_label_config: found a ModelConfig"),
        ((data(ours), bias(ours), bias(ours)), "model_config: found a BiasConfig; allowed: a ModelConfig"),
    ],
)
def test_an_argument_in_the_wrong_place_is_named(arguments, words):
    with pytest.raises(ArgumentError) as caught:
        Composing().run_bias(*arguments)
    assert str(caught.value).startswith(words)


def test_a_mapped_model_takes_the_place_of_all_that_says_how_the_other_is_hosted_and_spoken_to():
    config = Composing().run_bias(
        data(ours),
        bias(ours),
        model(ours, content_type="text/csv", accelerator_type="ml.eia2.medium", endpoint_name_prefix="tmp"),
        ours.ModelPredictedLabelConfig(probability=0, label_headers=["yes"]),
    )
    rest = {key: value for key, value in config.items() if key != "predictor"}

    def mapped(model):
        found = with_local_model(config, {"loans": model})
        assert {key: value for key, value in found.items() if key != "predictor"} == rest
        return found["predictor"]

    assert mapped("loans.ubj") == {"model_uri": "loans.ubj", "label_headers": ["yes"]}
    keys = {"model_uri": "model", "model_format": "mlflow", "label_headers": ["approved"]}
    assert mapped(keys) == keys
    spoken = {"content_type": "text/csv", "probability": 0, "label_headers": ["yes"]}
    assert mapped("model.tar.gz") == {"model_uri": "model.tar.gz", **spoken}
    assert mapped("https://models/loans") == {"model_uri": "https://models/loans", **spoken}
    assert with_local_model(config, {"others": "loans.ubj"}) == config


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (["loans.ubj"], "models: found a list; allowed: a dict such as"),
        ({"loans": 3}, "models['loans']: found an int; allowed: the URI of a model, or a dict with model_uri"),
        ({"loans": {"uri": "x"}}, "models['loans']: found a dict; allowed: the URI of a model, or a dict with"),
    ],
)
def test_models_that_are_none_are_refused_at_once(models, words):
    with pytest.raises(ArgumentError) as caught:
        ours.SparkClarifyProcessor(models=models)
    assert str(caught.value).startswith(words)


def test_arguments_without_effect_are_told(caplog):
    caplog.set_level("INFO", "clarify_spark")
    ours.SparkClarifyProcessor(
        role="role", instance_count=1, instance_type="ml.c5.xlarge", output_kms_key="key", max_runtime_in_seconds=60
    )
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "output_kms_key has no effect: results are encrypted by the file system of the output."),
        ("WARNING", "max_runtime_in_seconds has no effect: a run has no time limit here."),
        ("INFO", "No effect here, the Spark session does the work: role, instance_type."),
    ]
