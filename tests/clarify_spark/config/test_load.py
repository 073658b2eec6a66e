import json
from pathlib import Path

import pytest

from clarify_spark.config import load
from clarify_spark.errors import ConfigError

CASES = Path(__file__).parent / "cases"
VALID = sorted((CASES / "valid").glob("*.json"))
#: The place of the one thing that is wrong in each file.
WRONG = {
    "boolean_label_value": "label_values_or_threshold[0]",
    "facet_as_object": "facet",
    "facet_value_null": "facet[0].value_or_threshold",
    "facet_without_name": "facet[0].name_or_index",
    "headers_with_number": "headers[1]",
    "missing_dataset_type": "dataset_type",
    "missing_methods": "methods",
    "pdp_without_grid_resolution": "methods.pdp.grid_resolution",
    "pre_bias_without_methods_key": "methods.pre_training_bias.methods",
    "predictor_accept_type_npy": "predictor.accept_type",
    "predictor_content_type_parquet": "predictor.content_type",
    "predictor_endpoint_prefix_starts_with_dash": "predictor.endpoint_name_prefix",
    "report_without_name": "methods.report.name",
    "sdk_content_type_image_jpg": "predictor.content_type",
    "sdk_image_compactness_float": "methods.shap.image_config.segment_compactness",
    "sdk_label_headers_string": "predictor.label_headers",
    "shap_baseline_flat_list": "methods.shap.baseline",
    "shap_num_samples_float": "methods.shap.num_samples",
    "shap_text_unknown_granularity": "methods.shap.text_config.granularity",
    "shap_text_without_language": "methods.shap.text_config.language",
    "shap_unknown_agg_method": "methods.shap.agg_method",
    "shap_use_logit_string": "methods.shap.use_logit",
    "ts_granularity_with_hyphen": "methods.asymmetric_shapley_value.granularity",
    "ts_related_series_mixed_types": "time_series_data_config.related_time_series",
    "ts_without_direction": "methods.asymmetric_shapley_value.direction",
    "unknown_dataset_type": "dataset_type",
    "unknown_method": "methods.counterfactuals",
    "unknown_top_level_key": "data_type",
}
#: What can mean only one thing: read with a warning, refused with strict.
LENIENT = {
    "facet_value_scalar": ["facet[0].value_or_threshold"],
    "label_values_scalar": ["label_values_or_threshold"],
    "probability_threshold_integer": ["probability_threshold"],
    "sdk_facet_list_with_scalar_values": ["facet[0].value_or_threshold", "facet[1].value_or_threshold"],
    "sdk_facet_scalar_value": ["facet[0].value_or_threshold"],
    "sdk_probability_threshold_int": ["probability_threshold"],
}


def invalid_text(name: str) -> str:
    return json.dumps(json.loads((CASES / "invalid" / f"{name}.json").read_text(encoding="utf-8"))["config"])


def problems(text: str, *, strict: bool = False):
    with pytest.raises(ConfigError) as caught:
        load(text, strict=strict)
    return caught.value.problems


def text_of(**changes) -> str:
    return json.dumps({"dataset_type": "text/csv", "methods": {}, **changes})


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
@pytest.mark.parametrize("strict", [False, True])
def test_what_the_sdk_accepts_loads_without_a_warning(path, strict):
    assert load(path.read_text(encoding="utf-8"), strict=strict).warnings == ()


def test_every_refused_file_is_in_one_of_the_two_tables():
    assert {path.stem for path in (CASES / "invalid").glob("*.json")} == WRONG.keys() | LENIENT.keys()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("name", "path"), WRONG.items())
def test_what_the_sdk_refuses_is_one_problem_at_its_path(name, path, strict):
    (problem,) = problems(invalid_text(name), strict=strict)
    assert problem.path == path
    assert problem.message.startswith("found ")
    assert "allowed: " in problem.message


@pytest.mark.parametrize(("name", "paths"), LENIENT.items())
def test_what_can_mean_only_one_thing_is_read_with_a_warning_and_refused_when_strict(name, paths):
    warnings = load(invalid_text(name)).warnings
    assert [warning.split(":")[0] for warning in warnings] == paths
    assert [problem.path for problem in problems(invalid_text(name), strict=True)] == paths


def test_a_single_value_becomes_a_list_and_an_integer_threshold_a_float():
    config = load(text_of(facet=[{"name_or_index": "sex", "value_or_threshold": "F"}], probability_threshold=1)).config
    assert config.facet[0].value_or_threshold == ("F",)
    assert type(config.probability_threshold) is float


def test_a_boolean_is_never_read_as_a_value_and_the_message_says_what_to_write():
    for value in (True, [True]):
        (problem,) = problems(text_of(label_values_or_threshold=value))
        assert problem.path.startswith("label_values_or_threshold")
        assert '"True"' in problem.message


def test_missing_keys_are_none_except_where_the_contract_has_a_default():
    config = load(text_of(methods={"shap": {}, "pdp": {"grid_resolution": 5}, "report": {"name": "r"}})).config
    assert (config.label, config.facet, config.headers, config.probability_threshold) == (None, None, None, None)
    assert config.max_malformed_records == 0
    assert (config.methods.shap.agg_method, config.methods.shap.use_logit) == ("mean_abs", False)
    assert config.methods.pdp.top_k_features == 10
    assert config.methods.report.title == "SageMaker AI Analysis Report"


def test_enum_words_are_compared_in_lower_case():
    config = load(text_of(dataset_type="Text/CSV", label_type="Continuous", predictor={"model_format": "SKOPS"})).config
    assert (config.dataset_type, config.label_type, config.predictor.model_format) == (
        "text/csv",
        "continuous",
        "skops",
    )


def test_numbers_keep_the_type_they_are_written_in():
    values = load(text_of(label_values_or_threshold=[1, 1.0, "1"])).config.label_values_or_threshold
    assert [type(value) for value in values] == [int, float, str]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"label": True}, "label"),
        ({"label": 1.0}, "label"),
        ({"label": None}, "label"),
        ({"headers": None}, "headers"),
        ({"headers": "a,b"}, "headers"),
        ({"headers": ["a", None]}, "headers[1]"),
        ({"max_malformed_records": -1}, "max_malformed_records"),
        ({"max_malformed_records": True}, "max_malformed_records"),
        ({"probability_threshold": "0.5"}, "probability_threshold"),
        ({"probability_threshold": True}, "probability_threshold"),
        ({"label_type": "numeric"}, "label_type"),
        ({"facet": [{"name_or_index": "a", "type": "ordinal"}]}, "facet[0].type"),
        ({"facet": ["sex"]}, "facet[0]"),
        ({"predictor": []}, "predictor"),
        ({"predictor": {"content_template": {"a": 1}}}, "predictor.content_template.a"),
        ({"predictor": {"label_headers": [1, 0.5]}}, "predictor.label_headers[1]"),
        ({"predictor": {"model_format": "torch"}}, "predictor.model_format"),
        ({"predictor": {"model_format": "endpoint"}}, "predictor.model_format"),
        ({"predictor": {"http_headers": {"Authorization": None}}}, "predictor.http_headers.Authorization"),
        ({"segment_config": [{"name_or_index": 0, "segments": ["a"]}]}, "segment_config[0].segments[0]"),
        ({"methods": {"shap": {"baseline": [[1, [2]]]}}}, "methods.shap.baseline[0][1]"),
        ({"methods": {"shap": {"baseline": [[1], 2]}}}, "methods.shap.baseline[1]"),
        ({"methods": {"shap": {"baseline": 3}}}, "methods.shap.baseline"),
        ({"methods": {"pre_training_bias": {"methods": 3}}}, "methods.pre_training_bias.methods"),
        ({"methods": {"pre_training_bias": {"methods": ["CI", 3]}}}, "methods.pre_training_bias.methods[1]"),
    ],
)
def test_a_wrong_value_is_one_problem_at_its_path(changes, path):
    (problem,) = problems(text_of(**changes))
    assert problem.path == path


def test_all_problems_are_told_at_once():
    text = json.dumps({"label": 1.5, "facet": [{"name": "sex"}], "methods": {"shap": {"seed": "x"}}, "extra": 1})
    assert {problem.path for problem in problems(text)} == {
        "dataset_type", "label", "facet[0].name_or_index", "facet[0].name", "methods.shap.seed", "extra",
    }  # fmt: skip


def test_an_unknown_key_suggests_the_nearest_known_one():
    (problem,) = problems(text_of(lable="y"))
    assert problem.path == "lable"
    assert 'did you mean "label"?' in problem.message


def test_an_unknown_key_like_no_other_lists_the_known_ones():
    (problem,) = problems(text_of(methods={"report": {"name": "r", "zzz": 1}}))
    assert str(problem) == "methods.report.zzz: found an unknown key; allowed: name, title"


def test_a_key_with_blanks_is_quoted_in_its_path():
    (problem,) = problems(text_of(predictor={"two words": 1}))
    assert problem.path == 'predictor["two words"]'


def test_long_values_are_shortened():
    (problem,) = problems(text_of(label=["x" * 1000]))
    assert len(problem.message) < 200


def test_a_misspelt_word_suggests_the_nearest_allowed_one():
    (problem,) = problems(text_of(dataset_type="text/cvs"))
    assert 'did you mean "text/csv"?' in problem.message


def test_the_keys_in_a_uri_are_not_printed():
    (problem,) = problems(text_of(dataset_uri=["s3a://ACCESS:SECRET@bucket/data"]))
    assert "SECRET" not in str(problem)
    assert "bucket/data" in str(problem)
