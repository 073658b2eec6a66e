import json
from pathlib import Path

import pytest

from clarify_spark.config import check_runnable, load

VALID = sorted((Path(__file__).parent / "cases" / "valid").glob("*.json"))
#: Accepted by the schema, but nothing that could run.
NOT_RUNNABLE = {
    "hand_baseline_object_time_series_json": {"features", "predictor"},
    "hand_empty_methods_is_schema_valid": {"methods"},
    "hand_image_debug": {"predictor.label_headers"},
    "hand_monitor_bias": {"predictor"},
}
POST = {"post_training_bias": {"methods": "all"}}
SHAP = {"predictor": {"endpoint_name": "e"}}
LINES = {"dataset_type": "application/jsonlines", "features": "features"}
SERVICE = {"model_uri": "https://host/invocations"}
JSON_MODEL = {"endpoint_name": "e", "content_type": "application/json"}
SERIES = {"target_time_series": "y", "item_id": "id", "timestamp": "t", "dataset_format": "columns"}


def paths(**changes) -> list[str]:
    """The paths of all problems of a small config that has none, after some changes; None drops a key."""
    config = {
        "dataset_type": "text/csv",
        "headers": ["id", "sex", "age", "group", "label", "predicted"],
        "label": "label",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "sex", "value_or_threshold": ["F"]}],
        "methods": {"pre_training_bias": {"methods": "all"}},
        **changes,
    }
    kept = {key: value for key, value in config.items() if value is not None}
    problems = check_runnable(load(json.dumps(kept)).config)
    assert all(problem.message.startswith("found ") and "; allowed: " in problem.message for problem in problems)
    return [problem.path for problem in problems]


def predictor_paths(predictor, **changes) -> list[str]:
    return paths(methods=POST, predictor=predictor, **changes)


def series_paths(method=None, series=SERIES, forecast=True, **changes) -> list[str]:
    predictor = {**JSON_MODEL, "content_template": "$record", "record_template": "$target_time_series"}
    if forecast:
        predictor["time_series_predictor_config"] = {"forecast": "mean"}
    config = {
        "dataset_type": "application/json",
        "time_series_data_config": series,
        "methods": {
            "asymmetric_shapley_value": {"direction": "chronological", "granularity": "timewise", **(method or {})}
        },
        "predictor": predictor,
        **changes,
    }
    kept = {key: value for key, value in config.items() if value is not None}
    return [problem.path for problem in check_runnable(load(json.dumps(kept)).config)]


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_only_the_four_pointless_configs_of_the_reference_cannot_run(path):
    problems = check_runnable(load(path.read_text(encoding="utf-8")).config)
    assert {problem.path for problem in problems} == NOT_RUNNABLE.get(path.stem, set())


def test_a_small_bias_config_has_no_problem():
    assert paths() == []
    assert paths(methods=POST, predicted_label="predicted") == []
    assert paths(methods=POST, predictor={"model_uri": "model.skops"}) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"methods": {}}, "methods"),
        ({"methods": {"report": {"name": "r"}}}, "methods"),
        ({"label": None}, "label"),
        ({"facet": None}, "facet"),
        ({"facet": []}, "facet"),
        ({"label_values_or_threshold": None}, "label_values_or_threshold"),
        ({"label_values_or_threshold": []}, "label_values_or_threshold"),
        ({"methods": POST}, "predictor"),
        ({"methods": POST, "predictor": {}}, "predictor"),
        ({"methods": {"pre_training_bias": {"methods": "every"}}}, "methods.pre_training_bias.methods"),
        ({"methods": {"pre_training_bias": {"methods": []}}}, "methods.pre_training_bias.methods"),
        ({"methods": {"pre_training_bias": {"methods": ["CI", "DI"]}}}, "methods.pre_training_bias.methods[1]"),
        ({"version": "2.0"}, "version"),
        ({"probability_threshold": 1.5}, "probability_threshold"),
        ({"label_type": "continuous", "label_values_or_threshold": [1, 2]}, "label_values_or_threshold"),
        ({"facet": [{"name_or_index": "age", "type": "continuous"}]}, "facet[0].value_or_threshold"),
        (
            {"facet": [{"name_or_index": "age", "value_or_threshold": ["old"], "type": "continuous"}]},
            "facet[0].value_or_threshold",
        ),
        ({"segment_config": [{"name_or_index": "age", "segments": []}]}, "segment_config[0].segments"),
        (
            {
                "segment_config": [
                    {"name_or_index": "age", "segments": [["[1, 2]"]], "display_aliases": ["a", "b", "c"]}
                ]
            },
            "segment_config[0].display_aliases",
        ),
    ],
)
def test_what_bias_lacks_is_told_at_its_path(changes, path):
    assert paths(**changes) == [path]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"label": "labels"}, "label"),
        ({"label": 6}, "label"),
        ({"label": -1}, "label"),
        ({"headers": None, "label": -1}, "label"),
        ({"predicted_label": "x"}, "predicted_label"),
        ({"predicted_label": "label"}, "predicted_label"),
        ({"group_variable": "x"}, "group_variable"),
        ({"facet": [{"name_or_index": "x"}]}, "facet[0].name_or_index"),
        ({"facet": [{"name_or_index": 9}]}, "facet[0].name_or_index"),
        ({"excluded_columns": ["age", "x"]}, "excluded_columns[1]"),
        ({"joinsource_name_or_index": "x"}, "joinsource_name_or_index"),
        ({"joinsource_name_or_index": "label"}, "joinsource_name_or_index"),
        ({"headers": ["sex", "label", "sex"]}, "headers"),
        ({"facet_headers": ["id", "sex"]}, "facet_headers"),
        ({"predicted_label_headers": ["id", "p"]}, "predicted_label_headers"),
        ({"segment_config": [{"name_or_index": "x", "segments": [["a"]]}]}, "segment_config[0].name_or_index"),
        ({"dataset_type": "application/x-parquet", "label": "x"}, "label"),
    ],
)
def test_a_column_that_is_not_in_the_headers_is_told(changes, path):
    assert paths(**changes) == [path]


def test_a_misspelt_column_suggests_the_nearest_name():
    config = {"dataset_type": "text/csv", "headers": ["approve", "sex"], "label": "aprove", "methods": {}}
    (_, problem) = sorted(check_runnable(load(json.dumps(config)).config), key=lambda problem: problem.path == "label")
    assert 'did you mean "approve"?' in problem.message


def test_columns_of_a_second_data_set_are_looked_up_there():
    facets = {"facet_dataset_uri": "f.csv", "facet_headers": ["id", "race"], "facet": [{"name_or_index": "race"}]}
    assert paths(**facets) == []
    assert paths(**facets, joinsource_name_or_index="id") == []
    assert paths(**facets, joinsource_name_or_index="age") == ["joinsource_name_or_index"]
    assert paths(**{**facets, "facet": [{"name_or_index": 2}]}) == ["facet[0].name_or_index"]
    scores = {"predicted_label_dataset_uri": "p.csv", "predicted_label_headers": ["id", "score"], "methods": POST}
    assert paths(**scores, predicted_label="score") == []
    assert paths(**scores) == ["predicted_label"]
    assert paths(**scores, joinsource_name_or_index="id") == []


def test_an_id_given_by_index_is_looked_up_by_its_name_in_the_second_data_set():
    scores = {"predicted_label_dataset_uri": "p.csv", "methods": POST, "predicted_label": "p"}
    at_the_end = ["sex", "age", "group", "label", "predicted", "id"]
    assert paths(**scores, headers=at_the_end, joinsource_name_or_index=5, predicted_label_headers=["id", "p"]) == []
    problems = paths(**scores, headers=at_the_end, joinsource_name_or_index=5, predicted_label_headers=["key", "p"])
    assert problems == ["joinsource_name_or_index"]


def test_the_group_variable_may_be_in_either_data_set():
    facets = {"facet_dataset_uri": "f.csv", "facet": [{"name_or_index": 0}]}
    assert paths(**facets, facet_headers=["race", "town"], group_variable="town") == []
    assert paths(**facets, facet_headers=["race", "town"], group_variable="age") == []
    assert paths(**facets, facet_headers=["race", "town"], group_variable="x") == ["group_variable"]
    assert paths(**facets, group_variable="town") == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dataset_type": "application/jsonlines"}, "features"),
        ({"dataset_type": "application/json"}, "features"),
        ({**LINES, "label": 0}, "label"),
        ({**LINES, "predicted_label": 0}, "predicted_label"),
        ({**LINES, "features": "a["}, "features"),
        ({**LINES, "label": "label", "facet_dataset_uri": "f"}, "facet_dataset_uri"),
        ({"dataset_type": "application/x-parquet", "predicted_label_dataset_uri": "p"}, "predicted_label_dataset_uri"),
        ({"dataset_type": "application/x-image", "excluded_columns": ["age"]}, "excluded_columns"),
        ({"dataset_type": "application/x-image", "predicted_label": "predicted"}, "predicted_label"),
    ],
)
def test_keys_that_do_not_go_with_the_format_are_told(changes, path):
    assert path in paths(**changes)


@pytest.mark.parametrize(
    ("predictor", "path"),
    [
        ({"endpoint_name": "e", "model_name": "m", "instance_type": "t", "initial_instance_count": 1}, "predictor"),
        ({"endpoint_name": "e", "model_uri": "m.skops"}, "predictor"),
        ({"model_name": "m", "initial_instance_count": 1}, "predictor.instance_type"),
        ({"model_name": "m", "instance_type": "t"}, "predictor.initial_instance_count"),
        ({"model_name": "m", "instance_type": "t", "initial_instance_count": 0}, "predictor.initial_instance_count"),
        ({"endpoint_name": "e", "endpoint_name_prefix": "abc"}, "predictor.endpoint_name_prefix"),
        ({"endpoint_name": "e", "model_format": "skops"}, "predictor.model_format"),
        ({"model_uri": ""}, "predictor.model_uri"),
        ({"model_uri": "model.bin"}, "predictor.model_uri"),
        ({"model_uri": "https:///invocations"}, "predictor.model_uri"),
        ({"model_uri": "https://host:port/invocations"}, "predictor.model_uri"),
        ({"model_uri": "https://user:secret@host/invocations"}, "predictor.model_uri"),
        ({"endpoint_name": "e", "entry_script": "serve.py"}, "predictor.entry_script"),
        ({"model_uri": "model.skops", "entry_script": "serve.py"}, "predictor.entry_script"),
        ({"model_uri": "folder/", "entry_script": "../serve.py"}, "predictor.entry_script"),
        ({"model_uri": "folder/", "entry_script": "/serve.py"}, "predictor.entry_script"),
        ({"endpoint_name": "e", "label": "answer"}, "predictor.label"),
        (
            {**JSON_MODEL, "content_template": '{"instances": $records', "record_template": "$features"},
            "predictor.content_template",
        ),
        (
            {**JSON_MODEL, "content_template": "$record", "record_template": '{"a": ${age}, "f": $features}'},
            "predictor.record_template",
        ),
        ({"model_uri": "model.skops", "http_headers": {"Authorization": "TOKEN"}}, "predictor.http_headers"),
        ({**SERVICE, "http_headers": {"Author ization": "TOKEN"}}, "predictor.http_headers"),
        ({**SERVICE, "http_headers": {"Authorization": "Bearer abc"}}, "predictor.http_headers.Authorization"),
        ({**SERVICE, "content_type": "application/jsonlines"}, "predictor.content_template"),
        ({"model_uri": "python:module"}, "predictor.model_uri"),
        ({"model_uri": "python:module:f", "model_format": "skops"}, "predictor.model_format"),
        ({"endpoint_name": "e", "content_type": "image/png"}, "predictor.content_type"),
        ({"endpoint_name": "e", "content_type": "application/jsonlines"}, "predictor.content_template"),
        ({"endpoint_name": "e", "content_template": "$features"}, "predictor.content_template"),
        ({"endpoint_name": "e", "record_template": "$features"}, "predictor.record_template"),
        (
            {"endpoint_name": "e", "content_type": "application/jsonlines", "content_template": "{}"},
            "predictor.content_template",
        ),
        ({**JSON_MODEL, "content_template": "$records"}, "predictor.record_template"),
        ({**JSON_MODEL, "record_template": "$features"}, "predictor.content_template"),
        ({**JSON_MODEL, "content_template": "{}", "record_template": "$features"}, "predictor.content_template"),
        ({**JSON_MODEL, "content_template": "$record", "record_template": "{}"}, "predictor.record_template"),
        ({**JSON_MODEL, "content_template": "$record", "record_template": '"${x}"'}, "predictor.record_template"),
        ({"endpoint_name": "e", "accept_type": "application/json", "label": 0}, "predictor.label"),
        ({"endpoint_name": "e", "accept_type": "application/json", "probability": "a["}, "predictor.probability"),
        ({"endpoint_name": "e", "label": -1}, "predictor.label"),
        ({"model_uri": "folder/", "content_type": "application/jsonlines"}, "predictor.content_template"),
    ],
)
def test_a_wrong_predictor_is_told_at_its_path(predictor, path):
    assert predictor_paths(predictor) == [path]


@pytest.mark.parametrize(
    "predictor",
    [
        {"model_uri": "python:package.module:function"},
        {"model_uri": "package.module:function", "model_format": "python"},
        {"model_uri": "model.bin", "model_format": "xgboost"},
        {"model_uri": "model.onnx"},
        {"model_uri": "model.tar.gz", "entry_script": "serve.py"},
        {"model_uri": "weights/", "model_format": "our_models.torch_loader"},
        {**SERVICE, "http_headers": {"Authorization": "MODEL_TOKEN", "x-api-key": "KEY_2"}},
        {**SERVICE, "content_type": "application/jsonlines", "content_template": {"features": "$features"}},
        {"model_uri": "s3a://bucket/folder/"},
        {"model_uri": "model.joblib", "content_type": "application/json"},
        {**JSON_MODEL, "content_template": "$records", "record_template": '{"a": "${age}", "s": "${sex}"}'},
        {**JSON_MODEL, "content_template": "$records", "record_template": "$features_kvp"},
    ],
)
def test_a_right_predictor_is_no_problem(predictor):
    assert predictor_paths(predictor) == []


def test_requests_for_parquet_data_need_a_content_type():
    parquet = {"dataset_type": "application/x-parquet"}
    assert predictor_paths({"endpoint_name": "e"}, **parquet) == ["predictor.content_type"]
    assert predictor_paths({"model_uri": "model.skops"}, **parquet) == []


def test_a_prefix_has_at_most_23_characters():
    model = {"model_name": "m", "instance_type": "t", "initial_instance_count": 1}
    assert predictor_paths({**model, "endpoint_name_prefix": "a" * 23}) == []
    assert predictor_paths({**model, "endpoint_name_prefix": "a" * 24}) == ["predictor.endpoint_name_prefix"]


@pytest.mark.parametrize(
    ("methods", "path"),
    [
        ({"shap": {"baseline": [[1]], "num_clusters": 2}}, "methods.shap.num_clusters"),
        ({"shap": {"baseline": []}}, "methods.shap.baseline"),
        ({"shap": {"baseline": [[1], [1, 2]]}}, "methods.shap.baseline"),
        ({"shap": {"num_samples": 0}}, "methods.shap.num_samples"),
        ({"shap": {"num_clusters": 0}}, "methods.shap.num_clusters"),
        ({"shap": {"engine": "pairwise", "use_logit": True}}, "methods.shap.engine"),
        ({"shap": {"num_clusters": 1001}}, "methods.shap.num_clusters"),
        ({"shap": {"features_to_explain": []}}, "methods.shap.features_to_explain"),
        ({"shap": {"features_to_explain": ["age", "sex", "age"]}}, "methods.shap.features_to_explain[2]"),
        ({"shap": {"features_to_explain": [1, 2, 1]}}, "methods.shap.features_to_explain[2]"),
        ({"shap": {"features_to_explain": ["x"]}}, "methods.shap.features_to_explain[0]"),
        ({"shap": {"features_to_explain": ["age", "label"]}}, "methods.shap.features_to_explain[1]"),
        (
            {"shap": {"features_to_explain": ["age"], "text_config": {"granularity": "token", "language": "en"}}},
            "methods.shap.features_to_explain",
        ),
        ({"shap": {"image_config": {"model_type": "IMAGE_CLASSIFICATION"}}}, "methods.shap.image_config"),
        ({"pdp": {"grid_resolution": 10}}, "methods.pdp.features"),
        ({"pdp": {"grid_resolution": 10, "features": ["x"]}}, "methods.pdp.features[0]"),
        ({"pdp": {"grid_resolution": 0, "features": ["age"]}}, "methods.pdp.grid_resolution"),
        ({"shap": {}, "pdp": {"grid_resolution": 10, "top_k_features": 0}}, "methods.pdp.top_k_features"),
        ({"shap": {}, "report": {"name": "../report"}}, "methods.report.name"),
        ({"shap": {}, "report": {"name": ""}}, "methods.report.name"),
    ],
)
def test_wrong_explanations_are_told_at_their_path(methods, path):
    assert paths(methods=methods, **SHAP) == [path]


def test_explanations_need_a_model_even_when_the_data_have_predictions():
    assert paths(methods={"shap": {}}, predicted_label="predicted") == ["predictor"]


def test_images_need_an_image_config_with_a_known_model_type():
    images = {
        "dataset_type": "application/x-image",
        "predictor": {"endpoint_name": "e", "accept_type": "application/json", "label_headers": ["cat"]},
    }
    assert paths(**images, methods={"shap": {}}) == ["methods.shap.image_config"]
    place = "methods.shap.image_config.model_type"
    assert paths(**images, methods={"shap": {"image_config": {}}}) == [place]
    assert paths(**images, methods={"shap": {"image_config": {"model_type": "SEGMENTATION"}}}) == [place]
    assert paths(**images, methods={"shap": {"image_config": {"model_type": "OBJECT_DETECTION"}}}) == []


METHOD = "methods.asymmetric_shapley_value"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"series": None}, "time_series_data_config"),
        ({"methods": {}}, METHOD),
        ({"forecast": False}, "predictor.time_series_predictor_config"),
        ({"series": {**SERIES, "dataset_format": "columns", "item_id": 0}}, "time_series_data_config"),
        (
            {"series": {"target_time_series": "y", "item_id": "i", "timestamp": "t"}},
            "time_series_data_config.dataset_format",
        ),
        ({"method": {"granularity": "fine_grained"}}, f"{METHOD}.num_samples"),
        ({"method": {"granularity": "fine_grained", "num_samples": 0}}, f"{METHOD}.num_samples"),
        ({"method": {"num_samples": 5}}, f"{METHOD}.num_samples"),
        (
            {"method": {"granularity": "fine_grained", "num_samples": 5, "direction": "bidirectional"}},
            f"{METHOD}.direction",
        ),
        ({"method": {"baseline": {"static_covariates": {"a": [1]}}}}, f"{METHOD}.baseline.static_covariates.a"),
        ({"label": "y"}, "label"),
        ({"excluded_columns": ["y"]}, "excluded_columns"),
        ({"dataset_type": "text/csv"}, "dataset_type"),
    ],
)
def test_wrong_time_series_are_told_at_their_path(changes, path):
    assert path in series_paths(**changes)


def test_right_time_series_are_no_problem():
    assert series_paths() == []
    assert series_paths({"granularity": "fine_grained", "num_samples": 9}) == []
    static = {"static_covariates": {"a": [1, 2]}}
    assert series_paths({"baseline": static}, {**SERIES, "static_covariates": ["s", "u"]}) == []


def test_bias_of_time_series_is_refused():
    methods = {
        "asymmetric_shapley_value": {"direction": "chronological", "granularity": "timewise"},
        "pre_training_bias": {"methods": "all"},
    }
    assert series_paths(methods=methods) == ["methods.pre_training_bias"]


def test_a_forecast_without_time_series_is_refused():
    predictor = {"endpoint_name": "e", "time_series_predictor_config": {"forecast": "mean"}}
    assert predictor_paths(predictor) == ["predictor.time_series_predictor_config"]


def test_a_header_that_looks_like_a_secret_is_not_shown():
    predictor = {**SERVICE, "http_headers": {"Authorization": "Bearer s3cret"}}
    config = {"dataset_type": "text/csv", "methods": {"shap": {}}, "predictor": predictor}
    (problem,) = check_runnable(load(json.dumps(config)).config)
    assert problem.path == "predictor.http_headers.Authorization"
    assert "s3cret" not in str(problem)
