import pytest

from clarify_spark.config import load
from clarify_spark.errors import ConfigError


def problems(text: str):
    with pytest.raises(ConfigError) as caught:
        load(text)
    return caught.value.problems


def test_text_that_is_not_json_is_told_by_line_and_column():
    (problem,) = problems('{\n "label": }')
    assert problem.path == ""
    assert "line 2, column 11" in problem.message


@pytest.mark.parametrize("text", ["", "   ", "{", "[1,", "nul", "{'a': 1}", '{"a": 1,}'])
def test_broken_json_is_a_config_error(text):
    assert "not JSON" in problems(text)[0].message


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "true"])
def test_json_that_is_no_object_is_a_problem_of_the_whole_config(text):
    (problem,) = problems(text)
    assert problem.path == ""
    assert "allowed: an object" in problem.message


def test_a_byte_order_mark_is_no_problem():
    assert load('\ufeff{"dataset_type": "text/csv", "methods": {}}').config.dataset_type == "text/csv"


def test_a_key_written_twice_is_a_problem_at_its_path():
    text = '{"dataset_type": "text/csv", "methods": {"report": {"name": "a", "name": "b"}}, "label": 1, "label": 1}'
    assert [problem.path for problem in problems(text)] == ["label", "methods.report.name"]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_problems(literal):
    text = f'{{"dataset_type": "text/csv", "methods": {{}}, "label_values_or_threshold": [1, {literal}]}}'
    (problem,) = problems(text)
    assert problem.path == "label_values_or_threshold[1]"
    assert "finite" in problem.message


def test_problems_of_json_and_of_the_schema_come_together():
    text = '{"dataset_type": "text/csv", "methods": {}, "label": null, "probability_threshold": NaN}'
    assert {problem.path for problem in problems(text)} == {"label", "probability_threshold"}


def test_deep_nesting_and_endless_numbers_are_problems_rather_than_crashes():
    assert "deep" in problems("[" * 100_000)[0].message
    assert "deep" in problems('{"a":' * 60 + "1" + "}" * 60)[0].message
    assert "digits" in problems('{"label": ' + "1" * 10_000 + "}")[0].message


def test_half_a_surrogate_pair_is_a_problem_that_can_be_printed():
    found = problems('{"dataset_type": "text/csv", "methods": {}, "label": "\\ud800", "\\ud801": 1}')
    assert found[0].path == "label" or found[1].path == "label"
    assert "\n".join(map(str, found)).encode("utf-8")
