import json
from pathlib import Path

import jsonschema
import pytest

from clarify_spark.config import json_schema, load
from clarify_spark.errors import ConfigError
from clarify_spark.udfs.model_formats import PREDICTORS

CASES = Path(__file__).parent / "cases"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in (CASES / "valid").glob("*.json")} | {
    path.stem: json.dumps(json.loads(path.read_text(encoding="utf-8"))["config"])
    for path in (CASES / "invalid").glob("*.json")
}
#: Where JSON Schema says something else than load(strict=True), and why.
DIFFERENT = {
    "hand_case_insensitive_enums": "an enum of JSON Schema knows one spelling of its words",
    "probability_threshold_integer": "JSON Schema does not tell 1 from 1.0",
    "sdk_probability_threshold_int": "JSON Schema does not tell 1 from 1.0",
    "shap_num_samples_float": "JSON Schema does not tell 100.0 from 100",
}


def loads(text: str) -> bool:
    try:
        load(text, strict=True)
    except ConfigError:
        return False
    return True


def sections(node, path=""):
    """Every object of the schema that lists its keys."""
    if isinstance(node, dict):
        if "properties" in node:
            yield path, node
        for key, child in node.items():
            yield from sections(child, f"{path}/{key}")


def test_the_schema_is_a_valid_schema_of_draft_2020_12():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"$id", "title", "description"} <= json_schema().keys()


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_schema_agrees_with_strict_loading_but_for_listed_cases(name):
    accepted = jsonschema.Draft202012Validator(json_schema()).is_valid(json.loads(TEXTS[name]))
    assert (accepted == loads(TEXTS[name])) == (name not in DIFFERENT)


def test_every_key_has_a_title_and_a_description_and_no_unknown_keys_are_allowed():
    for path, section in sections(json_schema()):
        assert section["additionalProperties"] is False, path
        for key, node in section["properties"].items():
            assert node.get("title"), f"{path}/{key}"
            assert node.get("description"), f"{path}/{key}"


def test_our_extension_keys_are_marked():
    marked = {
        key
        for _, section in sections(json_schema())
        for key, node in section["properties"].items()
        if node.get("x-clarify-spark-extension")
    }
    of_shap = {"engine", "estimator", "standard_errors"}
    of_model = {"model_uri", "model_format", "entry_script", "http_headers"}
    of_bias = {"weight", "confidence_level", "bounds", "facet_intersections", "min_cell_size"}
    assert marked == {"type", "label_type", "max_malformed_records"} | of_bias | of_model | of_shap


def test_keys_may_be_left_out_but_not_be_null():
    validator = jsonschema.Draft202012Validator(json_schema())
    config = {"dataset_type": "text/csv", "methods": {}}
    assert validator.is_valid(config)
    for key in json_schema()["properties"]:
        assert not validator.is_valid({**config, key: None}), key


def test_the_caller_may_change_the_schema_it_got():
    json_schema()["properties"].clear()
    assert "label" in json_schema()["properties"]


def test_a_format_of_models_is_known_as_long_as_the_table_has_it(monkeypatch):
    def words():
        return json_schema()["$defs"]["Predictor"]["properties"]["model_format"]["anyOf"][0]["enum"]

    config = json.dumps({"dataset_type": "text/csv", "methods": {}, "predictor": {"model_format": "Toy"}})
    before = words()
    with monkeypatch.context() as patch:
        patch.setitem(PREDICTORS, "toy", "toy_models")
        assert words() == [*before, "toy"]
        assert load(config).config.predictor.model_format == "toy"
    assert words() == before
    with pytest.raises(ConfigError, match=r"predictor\.model_format"):
        load(config)
