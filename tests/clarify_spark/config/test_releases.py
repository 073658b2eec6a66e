import json

import pytest

from clarify_spark.config import later, load, unsupported

POST = {"methods": {"post_training_bias": {"methods": "all"}}}
PRE = {"methods": {"pre_training_bias": {"methods": "all"}}}
TEMPORARY = {"model_name": "m", "instance_type": "t", "initial_instance_count": 1}


def config(**keys):
    return load(json.dumps({"dataset_type": "text/csv", "methods": {}, **keys})).config


def refused(**keys):
    problems = unsupported(config(**keys))
    assert all("not supported yet in this version" in problem.message for problem in problems)
    return [problem.path for problem in problems]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        (
            {"methods": {"shap": {"text_config": {"granularity": "token", "language": "en"}}}},
            "methods.shap.text_config",
        ),
        (
            {"methods": {"asymmetric_shapley_value": {"direction": "chronological", "granularity": "timewise"}}},
            "methods.asymmetric_shapley_value",
        ),
        (
            {"time_series_data_config": {"target_time_series": "a", "item_id": "b", "timestamp": "c"}},
            "time_series_data_config",
        ),
        ({"dataset_type": "application/x-image"}, "dataset_type"),
        ({"dataset_type": "application/sagemakercapturejson"}, "dataset_type"),
    ],
)
def test_what_comes_in_a_later_release_is_refused_by_its_path(keys, path):
    assert refused(**keys) == [path]


@pytest.mark.parametrize(
    "keys",
    [
        {**POST, "predictor": {"endpoint_name": "e"}},
        {**POST, "predictor": TEMPORARY},
        {**POST, "predictor": {"model_uri": "https://host/invocations"}},
        {**POST, "predicted_label": "p", "predictor": {"endpoint_name": "e"}},
        {**POST, "predicted_label_dataset_uri": "p.csv", "predictor": TEMPORARY},
        {**POST, "predictor": {"model_uri": "model.skops"}},
        {"methods": {"report": {"name": "report"}}},
    ],
)
def test_endpoints_models_and_a_report_refuse_nothing(keys):
    assert refused(**keys) == []


@pytest.mark.parametrize(
    ("keys", "paths"),
    [
        (PRE, []),
        ({**PRE, "predictor": {"endpoint_name": "e"}}, ["predictor"]),
        ({**POST, "predicted_label": "p", "predictor": {"endpoint_name": "e"}}, ["predictor"]),
        ({**PRE, "features": "a"}, ["features"]),
        ({**POST, "predictor": {"model_uri": "model.skops", "label": 0}}, []),
        ({**POST, "predictor": {"model_uri": "folder/", "content_type": "text/csv"}}, []),
        ({**POST, "predictor": {"model_uri": "m.skops", "content_type": "text/csv"}}, ["predictor.content_type"]),
        ({**POST, "predictor": {"model_uri": "m.skops", "target_model": "a"}}, ["predictor.target_model"]),
    ],
)
def test_keys_without_effect_are_said_and_not_refused(keys, paths):
    assert [note.split(":")[0] for note in later(config(**keys))] == paths
