"""``clarify-spark config``: options to an analysis_config.json."""

import json
from pathlib import Path

import pytest

from clarify_spark.cli import main
from clarify_spark.cli.config import groups
from clarify_spark.config.schema import node_at

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "conf" / "examples").glob("*.json"))
OPTIONS = [option for options in groups().values() for option in options]
BASE = ("--dataset-type", "csv", "--label", "approve", "--label-values", "1", "--facet", "sex", "--pre-training-bias")


@pytest.fixture
def config(capfd):
    """Run the command; returns its document, or the exit code and what it wrote to stderr."""

    def call(*words, code=0):
        capfd.readouterr()
        assert main(["config", *words]) == code, capfd.readouterr().err
        out, err = capfd.readouterr()
        return json.loads(out) if code == 0 else err

    return call


# --- laws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_sets_a_place_that_the_schema_has(option):
    assert node_at(option.place)


def test_every_place_has_one_option():
    places = [option.place for option in OPTIONS]
    assert len(set(places)) == len(places)


def at(document, place):
    for step in place:
        document = document.get(step) if isinstance(document, dict) else None
    return document


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def words_of(document):
    """The options that say what a config says."""
    for option in OPTIONS:
        found = at(document, option.place)
        if found is None:
            continue
        if option.read is None:
            yield option.flag
        elif option.flag == "--bounds":
            for metric, ends in found.items():
                yield from (option.flag, f"{metric}={ends.get('min', '')}:{ends.get('max', '')}")
        elif option.flag == "--http-header":
            for name, variable in found.items():
                yield from (option.flag, f"{name}={variable}")
        elif option.repeated is not None:
            for item in found:
                yield from (option.flag, text_of(item))
        else:
            yield from (option.flag, text_of(found))
    if "segment_config" in document:
        yield from ("--set", f"segment_config={json.dumps(document['segment_config'])}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_said_in_options(config, path):
    document = json.loads(path.read_text(encoding="utf-8"))
    assert config(*words_of(document)) == document


# --- options --------------------------------------------------------------------------------------------------------


def test_the_example_of_the_help_gives_what_it_says(config, tmp_path):
    words = (
        "--dataset-type csv --label approve --label-values 1 --facet race=Black,Hispanic --facet sex=Female "
        "--group-variable chist --pre-training-bias --post-training-bias --shap --num-clusters 8 "
        "--excluded-columns race,sex --model-uri model.skops"
    )
    assert config(*words.split()) == {
        "dataset_type": "text/csv",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [
            {"name_or_index": "race", "value_or_threshold": ["Black", "Hispanic"]},
            {"name_or_index": "sex", "value_or_threshold": ["Female"]},
        ],
        "group_variable": "chist",
        "excluded_columns": ["race", "sex"],
        "methods": {
            "pre_training_bias": {"methods": "all"},
            "post_training_bias": {"methods": "all"},
            "shap": {"num_clusters": 8},
        },
        "predictor": {"model_uri": "model.skops"},
    }


@pytest.mark.parametrize(
    ("text", "facet"),
    [
        ("sex", {"name_or_index": "sex"}),
        ("3", {"name_or_index": 3}),
        ('"3"=0', {"name_or_index": "3", "value_or_threshold": [0]}),
        ("age=40.5", {"name_or_index": "age", "value_or_threshold": [40.5]}),
        ("age=-1", {"name_or_index": "age", "value_or_threshold": [-1]}),
        ("zip=01234, 02139", {"name_or_index": "zip", "value_or_threshold": ["01234", "02139"]}),
        ('zip="2139"', {"name_or_index": "zip", "value_or_threshold": ["2139"]}),
        ('town=["a,b", 3]', {"name_or_index": "town", "value_or_threshold": ["a,b", 3]}),
        ("sex=", {"name_or_index": "sex", "value_or_threshold": []}),
        ('{"name_or_index": "a=b", "type": "categorical"}', {"name_or_index": "a=b", "type": "categorical"}),
    ],
)
def test_a_facet_is_a_column_and_its_values(config, text, facet):
    assert config(*BASE, "--facet", text)["facet"][-1] == facet


def test_a_list_that_begins_with_a_minus_goes_with_an_equals_sign(config):
    assert config(*BASE, "--label-values=-1,1")["label_values_or_threshold"] == [-1, 1]


def test_names_of_columns_stay_texts(config):
    assert config(*BASE, "--headers", "0,sex,approve")["headers"] == ["0", "sex", "approve"]


def test_metrics_are_all_or_a_list(config):
    assert config(*BASE)["methods"] == {"pre_training_bias": {"methods": "all"}}
    assert config(*BASE, "--pre-training-bias", "CI,DPL")["methods"] == {
        "pre_training_bias": {"methods": ["CI", "DPL"]}
    }


def test_a_whole_number_as_a_threshold_is_the_float_that_the_schema_wants(config):
    assert repr(config(*BASE, "--probability-threshold", "1")["probability_threshold"]) == "1.0"


def test_bounds_have_one_end_or_two(config):
    found = config(*BASE, "--bounds", "DPL=-0.1:0.1", "--bounds", "CI=:0.5")
    assert found["bounds"] == {"DPL": {"min": -0.1, "max": 0.1}, "CI": {"max": 0.5}}


def test_what_the_schema_needs_and_the_sdk_always_writes_is_filled_in(config):
    words = ("--pdp-features", "age", "--report-title", "Loans", "--model-uri", "model.skops")
    methods = config(*BASE, *words)["methods"]
    assert methods["pdp"] == {"features": ["age"], "grid_resolution": 15}
    assert methods["report"] == {"title": "Loans", "name": "report"}


def test_templates_are_texts_and_objects_of_texts_their_object_form(config):
    json_request = ("--endpoint-name", "e", "--post-training-bias", "--content-type", "json")
    template = ("--record-template", "$features", "--content-template")
    assert (
        config(*BASE, *json_request, *template, '{"a": $records}')["predictor"]["content_template"] == '{"a": $records}'
    )
    found = config(*BASE, *json_request, *template, '{"a": "$records"}')["predictor"]["content_template"]
    assert found == {"a": "$records"}


def test_set_reaches_what_has_no_option(config):
    found = config(
        *BASE, "--shap", "--model-uri", "m.skops", "--set", "methods.shap.engine=shared", "--set", 'version="1.0"'
    )
    assert found["methods"]["shap"] == {"engine": "shared"}
    assert found["version"] == "1.0"


def test_a_uri_is_printed_as_it_is_so_that_the_config_works(config):
    assert config(*BASE, "--dataset-uri", "https://u:p@host/x.csv?a=b")["dataset_uri"] == "https://u:p@host/x.csv?a=b"


# --- from and to files ----------------------------------------------------------------------------------------------


def test_options_go_before_the_config_to_start_from_and_leave_the_rest(config, tmp_path):
    start = tmp_path / "start.json"
    example = next(path for path in EXAMPLES if path.stem == "report")
    start.write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    expected = json.loads(start.read_text(encoding="utf-8"))
    found = config(
        "--from", str(start), "--shap", "--num-samples", "500", "--facet", "sex=F", "--dataset-uri", "new.csv"
    )
    expected["methods"]["shap"]["num_samples"] = 500
    expected["facet"] = [{"name_or_index": "sex", "value_or_threshold": ["F"]}]
    expected["dataset_uri"] = "new.csv"
    assert found == expected
    assert list(found) == list(expected)  # in the order of before


def test_the_file_that_is_written_is_valid_and_replaces_the_one_before(tmp_path, capfd):
    target = tmp_path / "new folder" / "analysis_config.json"
    for label in ("before", "approve"):
        assert main(["config", *BASE, "--label", label, "--output", str(target)]) == 0
    assert capfd.readouterr().out == ""
    assert json.loads(target.read_text(encoding="utf-8"))["label"] == "approve"
    assert [path.name for path in target.parent.iterdir()] == ["analysis_config.json"]
    assert main(["validate", str(target)]) == 0


def test_nothing_is_written_when_something_is_wrong(tmp_path, config):
    target = tmp_path / "config.json"
    target.write_text("as before")
    err = config(*BASE, "--pre-training-bias", "CJ", "--confidence-level", "2", "--output", str(target), code=2)
    assert "methods.pre_training_bias.methods[0]" in err
    assert "confidence_level" in err
    assert target.read_text() == "as before"


def test_a_config_that_is_only_unfinished_is_written_with_a_warning(tmp_path, capfd):
    assert main(["config", "--dataset-type", "csv", "--shap"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"dataset_type": "text/csv", "methods": {"shap": {}}}
    assert "warning: cannot run yet: predictor: found no such key, which methods.shap needs" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "dataset_type: found no such key, which is required"),
        (("--dataset-type", "xml"), 'dataset_type: found "xml"; allowed: one of "text/csv"'),
        (("--dataset-type", "csv", "--pre-training-bias"), "label: found no such key"),
        ((*BASE, "--bounds", "DPL"), 'argument --bounds: found "DPL"; allowed: NAME=VALUE'),
        ((*BASE, "--bounds", "DPL=1"), 'argument --bounds: found "DPL=1"; allowed: METRIC=MIN:MAX'),
        ((*BASE, "--bounds", "DPL=low:1"), 'bounds.DPL.min: found "low"'),
        ((*BASE, "--facet", '{"name_or_index": '), "which is not valid JSON"),
        ((*BASE, "--label-values", "[1, "), "which is not valid JSON"),
        ((*BASE, "--num-samples", "many"), "argument --num-samples: invalid int value: 'many'"),
        ((*BASE, "--confidence-level", "nan"), "confidence_level: found NaN"),
        ((*BASE, "--label-values", "9" * 5000), "label-values"),
        ((*BASE, "--set", "facet.x=1"), "facet: found"),
        ((*BASE, "--set", "wieght=w"), 'did you mean "weight"?'),
        ((*BASE, "--set", "weight"), "allowed: NAME=VALUE"),
        ((*BASE, "--from", "no-such-file.json"), "There is no file no-such-file.json"),
        ((*BASE, "--from", "s3://bucket/config.json"), "is not a local file"),
        ((*BASE, "--strict", "--set", "label_values_or_threshold=1"), "label_values_or_threshold: found 1"),
        ((*BASE, "--output", "./"), "is a folder; give a file name"),
        ((*BASE, "--predicted-lable", "x"), "unrecognized arguments: --predicted-lable"),
    ],
    ids=lambda value: None if isinstance(value, tuple) else value[:40],
)
def test_mistakes_are_told(config, words, message):
    assert message in config(*words, code=2)


@pytest.mark.parametrize("text", ["[1]", "{", '{"methods": {}, "methods": {}}', '{"a": NaN}'])
def test_a_start_that_is_no_config_is_told(config, tmp_path, text):
    start = tmp_path / "start.json"
    start.write_text(text)
    assert "clarify-spark: " in config(*BASE, "--from", str(start), code=2)


def test_an_output_that_cannot_be_written_ends_with_5(tmp_path, config):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in config(*BASE, "--output", str(tmp_path / "file" / "config.json"), code=5)
    assert "is not a local folder" in config(*BASE, "--output", "s3://bucket/config.json", code=5)
